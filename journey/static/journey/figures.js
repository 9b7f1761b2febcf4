// Draws every <div data-plot="name"> from the JSON in #figures; follows the width of its card and the dark theme.
// Nothing is drawn before "load": until then Unfold hides the page, text has no width, and Plotly remembers that.
(() => {
  "use strict";
  const source = document.getElementById("figures");
  const plots = document.querySelectorAll("[data-plot]");
  if (!source || !plots.length) return;
  const figures = JSON.parse(source.textContent);
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
    const figure = figures[element.dataset.plot];
    if (!figure || !element.clientWidth) return;
    const view = element.layout && element.layout.xaxis && element.layout.xaxis.range;
    const layout = themed(figure.layout, element.clientWidth);
    if (view) layout.xaxis.range = view; // a new width or theme keeps what was zoomed to
    Plotly.react(element, figure.data, layout, {displayModeBar: false, doubleClick: "reset"});
  }

  function start() {
    const size = new ResizeObserver((entries) => entries.forEach((e) => e.contentRect.width && draw(e.target)));
    plots.forEach((element) => size.observe(element));
    new MutationObserver(() => plots.forEach(draw)).observe(document.documentElement, {
      attributes: true,
      attributeFilter: ["class"],
    });
  }

  window.addEventListener("load", () => requestAnimationFrame(start));
})();
