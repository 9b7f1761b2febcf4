// Draws every <div data-plot="name"> from the JSON in #figures, or from the one its data-figure names; follows the width
// of its card and the dark theme, and what is fetched later. A point with an address leads there.
// Nothing is drawn before "load": until then Unfold hides the page, text has no width, and Plotly remembers that.
(() => {
  "use strict";
  const figures = new Map();
  const isDark = () => document.documentElement.classList.contains("dark");

  function themed(layout, width) {
    const dark = isDark(); // hex colours: Plotly cannot read oklch()
    const ink = dark ? "#d1d5db" : "#374151";
    const grid = dark ? "#374151" : "#e5e7eb";
    const axis = {...layout.xaxis, gridcolor: grid, linecolor: grid, zeroline: false};
    if (axis.rangeselector) {
      axis.rangeselector = {
        ...axis.rangeselector,
        bgcolor: dark ? "#1f2937" : "#f3f4f6",
        activecolor: dark ? "#4b5563" : "#d1d5db",
        font: {color: ink, size: 11},
      };
    }
    if (width < 640 && axis.type !== "category") axis.nticks = 4;
    const upright = {...layout.yaxis, gridcolor: grid, linecolor: grid, zerolinecolor: grid};
    return {
      ...layout,
      width,
      xaxis: axis,
      yaxis: upright,
      // A finger that scrolls the page must not move the picture.
      dragmode: width < 640 ? false : layout.dragmode,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: {color: ink, family: "inherit"},
      hoverlabel: {bgcolor: dark ? "#111827" : "#ffffff", bordercolor: grid, font: {color: ink}, align: "left"},
    };
  }

  function draw(element) {
    const figure = figures.get(element);
    if (!figure || !element.clientWidth) return;
    const view = element.layout && element.layout.xaxis && element.layout.xaxis.range;
    const layout = themed(figure.layout, element.clientWidth);
    if (view && figure.layout.xaxis) layout.xaxis.range = view; // a new width or theme keeps what was zoomed to
    Plotly.react(element, figure.data, layout, {displayModeBar: false, doubleClick: "reset"});
  }

  const size = new ResizeObserver((entries) => entries.forEach((e) => e.contentRect.width && draw(e.target)));

  function follow(event) {
    const url = event.points && event.points[0] && event.points[0].customdata;
    if (typeof url === "string" && url.startsWith("/")) window.location.assign(url);
  }

  function start(root) {
    for (const element of root.querySelectorAll("[data-plot]")) {
      const own = element.dataset.figure;
      const source = document.getElementById(own || "figures");
      if (!source || figures.has(element)) continue;
      const found = JSON.parse(source.textContent);
      figures.set(element, own ? found : found[element.dataset.plot]);
      draw(element);
      size.observe(element);
      if (element.on) element.on("plotly_click", follow);
    }
  }

  // A part of a page that could not be fetched says so in its own words.
  for (const kind of ["htmx:responseError", "htmx:sendError"]) {
    document.addEventListener(kind, (event) => {
      const part = event.target.closest("[data-failed]");
      if (!part) return;
      const note = document.createElement("div");
      note.className = "aj-note aj-note-warn";
      note.textContent = part.dataset.failed;
      part.replaceChildren(note);
    });
  }

  window.addEventListener("load", () =>
    requestAnimationFrame(() => {
      start(document);
      new MutationObserver(() => figures.forEach((_figure, element) => draw(element))).observe(
        document.documentElement,
        {attributes: true, attributeFilter: ["class"]},
      );
      document.addEventListener("htmx:afterSettle", (event) => start(event.target));
    }),
  );
})();
