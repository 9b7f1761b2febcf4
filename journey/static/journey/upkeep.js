// Choosing another list opens its page with the same mode.
(() => {
  "use strict";
  const lists = document.getElementById("aj-list");
  if (lists) lists.addEventListener("change", () => window.location.assign(lists.value + window.location.search));
})();
