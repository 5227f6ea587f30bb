// Turns static drawings into interactive plots as they come into view, makes the overview sortable and filterable.
// Everything works without it: tables are complete and figures are drawn.
(function () {
  "use strict";
  var css = function (name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); };
  var INK = "#1b1f24"; // the ink of vesicula.figures.style, replaced by that of the page's theme

  function themed(spec) {
    var copy = JSON.parse(JSON.stringify(spec)), ink = css("--ink"), soft = css("--soft");
    copy.data.forEach(function (t) { if (t.line && t.line.color === INK) { t.line.color = ink; } });
    copy.layout.font.color = ink;
    copy.layout.hoverlabel = { bgcolor: css("--paper"), bordercolor: css("--firm"), font: { color: ink } };
    ["xaxis", "yaxis"].forEach(function (a) { copy.layout[a].tickfont = { color: soft }; copy.layout[a].automargin = true; });
    if (window.innerWidth < 640) {
      copy.layout.yaxis.title.font = { size: 11 };
      copy.layout.margin.l = 48;
      copy.layout.height = 320;
    }
    return copy;
  }

  function draw(figure) {
    if (figure.classList.contains("drawn")) { return; }
    var spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    var plot = figure.querySelector(".plot"), shown = themed(spec);
    figure.classList.add("drawn");
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", figure.querySelector(".static svg").getAttribute("aria-label"));
    Plotly.newPlot(plot, shown.data, shown.layout, {
      responsive: true, displaylogo: false, displayModeBar: "hover",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg", filename: figure.id }
    }).then(function () { controls(figure, plot, shown); });
  }

  function indices(spec, kind) {
    return spec.data.map(function (t, i) { return t.meta === kind ? i : -1; }).filter(function (i) { return i >= 0; });
  }

  function controls(figure, plot, spec) {
    var box = figure.querySelector(".controls");
    var linear = spec.layout.xaxis.range.slice(), heights = spec.layout.annotations || [];
    box.hidden = false;
    box.querySelectorAll("button").forEach(function (button) {
      button.addEventListener("click", function () {
        var on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(on));
        if (button.dataset.toggle === "axis") {
          var low = Math.log10(Math.max(10, linear[1] / 40)), high = Math.log10(linear[1] * 1.6);
          Plotly.relayout(plot, {
            "xaxis.type": on ? "log" : "linear", "xaxis.range": on ? [low, high] : linear,
            annotations: heights.map(function (a) { return Object.assign({}, a, { x: on ? Math.log10(a.x) : a.x }); })
          });
        } else {
          Plotly.restyle(plot, { visible: on }, indices(spec, button.dataset.toggle));
        }
      });
    });
  }

  var figures = document.querySelectorAll("figure[data-plot]");
  if (window.Plotly && window.IntersectionObserver) {
    var watch = new IntersectionObserver(function (entries) {
      entries.forEach(function (e) { if (e.isIntersecting) { watch.unobserve(e.target); draw(e.target); } });
    }, { rootMargin: "500px" });
    figures.forEach(function (f) { watch.observe(f); });
  }

  document.querySelectorAll("table.sortable").forEach(function (table) {
    table.querySelectorAll("th[data-sort]").forEach(function (th) {
      var column = Array.prototype.indexOf.call(th.parentNode.children, th), button = document.createElement("button");
      button.type = "button";
      while (th.firstChild && th.firstChild.nodeName.toLowerCase() !== "svg") { button.appendChild(th.firstChild); }
      th.insertBefore(button, th.firstChild);
      button.addEventListener("click", function () {
        var up = th.getAttribute("aria-sort") !== "ascending", body = table.tBodies[0];
        var key = function (row) {
          var cell = row.cells[column], v = cell.dataset.value;
          return v === undefined ? cell.textContent.trim() : (v === "" ? NaN : Number(v));
        };
        table.querySelectorAll("th[aria-sort]").forEach(function (o) { o.removeAttribute("aria-sort"); });
        th.setAttribute("aria-sort", up ? "ascending" : "descending");
        Array.from(body.rows).map(function (r) { return [key(r), r]; }).sort(function (a, b) {
          var x = a[0], y = b[0], nx = x !== x, ny = y !== y;
          if (nx || ny) { return nx - ny; } // rows without a number stay last
          var order = typeof x === "number" ? x - y : x.localeCompare(y, undefined, { numeric: true });
          return up ? order : -order;
        }).forEach(function (pair) { body.appendChild(pair[1]); });
      });
    });
  });

  document.querySelectorAll(".filter").forEach(function (box) {
    var input = box.querySelector("input"), status = box.querySelector("[role=status]");
    var rows = Array.from(document.getElementById(input.dataset.table).tBodies[0].rows);
    box.hidden = false;
    input.addEventListener("input", function () {
      var wanted = input.value.trim().toLowerCase(), n = 0;
      rows.forEach(function (r) {
        var hit = r.textContent.toLowerCase().indexOf(wanted) >= 0;
        r.hidden = !hit;
        n += hit ? 1 : 0;
      });
      status.textContent = wanted ? n + " of " + rows.length : "";
    });
  });

  function reveal() {
    var id = location.hash.slice(1), target = id && document.getElementById(id);
    if (!target) { return; }
    for (var e = target; e; e = e.parentElement) { if (e.nodeName === "DETAILS") { e.open = true; } }
    target.scrollIntoView();
  }
  window.addEventListener("hashchange", reveal);
  reveal();
})();
