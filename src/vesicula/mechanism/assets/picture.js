(() => {
  "use strict";
  const make = (tag, text, cls) => {
    const el = document.createElement(tag);
    if (text) el.textContent = text;
    if (cls) el.className = cls;
    return el;
  };
  const counted = (n, one) => n + " " + one + (n === 1 ? "" : "s");

  function enliven(svg) {
    if (svg.classList.contains("mech-live")) return;
    const source = svg.querySelector("script.mech-data");
    if (!source) return;
    const data = JSON.parse(source.textContent);
    const parts = new Map();
    svg.querySelectorAll("[data-part]").forEach((el) => parts.set(el.dataset.part, el));
    const marks = [...svg.querySelectorAll("[data-of]")];
    const nodes = Object.keys(data.nodes);
    if (!nodes.length) return;
    const label = (id) => data.nodes[id].label;
    const step = (e) => label(e.subject) + " \u2192 " + label(e.object);
    let picked = null;

    const panel = make("div", "", "mech-panel");
    panel.hidden = true;
    panel.tabIndex = -1;
    panel.setAttribute("role", "region");
    panel.setAttribute("aria-label", "Rows of the picked node or step");
    (svg.closest(".mech-box") || svg).after(panel);

    function light(id) {
      svg.classList.toggle("mech-hot", id !== null);
      const on = new Set(id === null ? [] : [id]);
      if (id !== null) for (const p of data.paths) {
        if (p.nodes.includes(id) || p.edges.includes(id)) [...p.nodes, ...p.edges].forEach((x) => on.add(x));
      }
      parts.forEach((el, key) => el.classList.toggle("mech-on", on.has(key)));
      marks.forEach((el) => el.classList.toggle("mech-on", on.has(el.dataset.of)));
    }

    function reference(r) {
      const p = make("p", "[" + r.source + " " + r.number + "] " + r.citation + (r.inferred ? " (number inferred)" : "") + " ", "mech-soft");
      const link = (href, text) => { const a = make("a", text); a.href = href; a.rel = "noreferrer"; p.append(a, " "); };
      if (/^10\.\d{4,9}\/\S+$/.test(r.doi)) link("https://doi.org/" + encodeURI(r.doi), "doi:" + r.doi);
      if (/^\d+$/.test(r.pmid)) link("https://pubmed.ncbi.nlm.nih.gov/" + r.pmid + "/", "PMID " + r.pmid);
      return p;
    }

    function row(id) {
      const r = data.records[id];
      const li = make("li", "", "mech-row");
      if (!r) { li.append(make("b", id)); return li; }
      const head = make("p");
      head.append(make("b", id), make("span", " \u00b7 " + (r.study_type || "study type not stated") + " \u00b7 " + (r.cell_source || "cell source not stated") + " \u00b7 " + r.source, "mech-soft"));
      li.append(head, make("p", r.sentence));
      r.references.forEach((x) => li.append(reference(x)));
      if (!r.references.length) li.append(make("p", "No reference.", "mech-soft"));
      r.doubts.forEach((d) => li.append(make("p", "? " + d, "mech-doubt")));
      return li;
    }

    function rows(ids) {
      const ul = make("ul");
      ids.forEach((id) => ul.append(row(id)));
      return ul;
    }

    function ofEdge(e, into) {
      into.push(make("h3", step(e)));
      into.push(make("p", "Reported change of " + label(e.object) + ": " + (e.direction || "not stated") +
        (e.subject_direction ? "; of " + label(e.subject) + ": " + e.subject_direction : "") +
        ". Pairing: " + e.pairing + ". Origin: " + e.origin + ". " + counted(e.records.length, "claim") + "."));
      if (e.detail) into.push(make("p", e.detail, "mech-soft"));
      if (e.contradicted_by.length) into.push(make("p", "\u2260 Contradicted by " + e.contradicted_by.join(", "), "mech-against"));
      into.push(rows(e.records));
      if (e.contradicted_by.length) into.push(make("h4", "The other side"), rows(e.contradicted_by));
    }

    function ofNode(id, into) {
      const n = data.nodes[id];
      const own = Object.entries(data.edges).filter(([, e]) => e.subject === id || e.object === id);
      const ids = [...new Set(own.flatMap(([, e]) => e.records))];
      into.push(make("h3", n.label));
      into.push(make("p", [n.kind, ...n.identifiers, n.status, n.note].filter(Boolean).join(" \u00b7 "), "mech-soft"));
      if (n.names.length && (n.names.length > 1 || n.names[0] !== n.label)) into.push(make("p", "As printed: " + n.names.join("; ")));
      into.push(make("h4", counted(own.length, "step")));
      const ul = make("ul");
      own.forEach(([key, e]) => {
        const li = make("li"), b = make("button", step(e) + (e.direction ? " (" + e.direction + ")" : "") + ", " + counted(e.records.length, "claim"));
        b.type = "button";
        b.addEventListener("click", () => pick(key, true));
        li.append(b);
        ul.append(li);
      });
      into.push(ul, make("h4", counted(ids.length, "claim")), rows(ids));
    }

    function pick(id, fromPanel) {
      if (picked !== null) parts.get(picked).classList.remove("mech-picked");
      picked = id;
      light(id);
      panel.hidden = id === null;
      if (id === null) return;
      parts.get(id).classList.add("mech-picked");
      const into = [], close = make("button", "\u00d7", "mech-close");
      close.type = "button";
      close.setAttribute("aria-label", "Close");
      close.addEventListener("click", leave);
      if (data.edges[id]) ofEdge(data.edges[id], into); else ofNode(id, into);
      panel.replaceChildren(close, ...into);
      if (fromPanel) panel.focus();
    }

    function leave() {
      const back = picked !== null && data.nodes[picked] ? picked : picked !== null ? data.edges[picked].subject : null;
      const inside = panel.contains(document.activeElement);
      pick(null);
      if (inside && back) parts.get(back).focus();
    }

    const column = (id) => nodes.filter((n) => data.nodes[n].column === data.nodes[id].column);
    function neighbour(id, key) {
      const c = column(id), at = c.indexOf(id);
      if (key === "ArrowUp") return c[at - 1];
      if (key === "ArrowDown") return c[at + 1];
      for (const p of data.paths) {
        const i = p.nodes.indexOf(id), to = p.nodes[key === "ArrowRight" ? i + 1 : i - 1];
        if (i >= 0 && to) return to;
      }
      return undefined;
    }
    function enter(id) {
      nodes.forEach((n) => parts.get(n).setAttribute("tabindex", n === id ? "0" : "-1"));
      parts.get(id).focus();
    }

    svg.classList.add("mech-live");
    // An image has no parts for a screen reader; a live one has buttons.
    svg.setAttribute("role", "group");
    parts.forEach((el, id) => {
      el.addEventListener("pointerenter", () => light(id));
      el.addEventListener("pointerleave", () => light(picked));
      el.addEventListener("click", (event) => { event.stopPropagation(); pick(id); });
      if (!data.nodes[id]) return;
      el.setAttribute("role", "button");
      el.setAttribute("aria-label", data.nodes[id].kind + ": " + data.nodes[id].label);
      el.setAttribute("tabindex", id === nodes[0] ? "0" : "-1");
      el.addEventListener("focus", () => light(id));
      el.addEventListener("blur", () => light(picked));
      el.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(id, true); }
        if (event.key.startsWith("Arrow")) {
          event.preventDefault();
          const to = neighbour(id, event.key);
          if (to) enter(to);
        }
      });
    });
    svg.addEventListener("click", () => pick(null));
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && picked !== null) leave(); });
  }

  document.querySelectorAll("svg.mech-svg").forEach(enliven);
})();
