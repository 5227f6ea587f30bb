// Search on the index: every word must occur in an entry's names or identifiers. Without it all entries are listed.
(function () {
  "use strict";
  var box = document.getElementById("search");
  if (!box) { return; }
  var status = document.getElementById("found"), groups = Array.from(document.querySelectorAll("[data-group]"));
  var plain = function (text) { return text.toLowerCase().normalize("NFKD").replace(/[\u0300-\u036f]/g, ""); };
  var entries = groups.map(function (group) {
    return Array.from(group.querySelectorAll("li[data-search]")).map(function (li) { return [li, plain(li.dataset.search)]; });
  });
  box.parentElement.hidden = false;
  function search() {
    var words = plain(box.value).split(/\s+/).filter(Boolean), all = 0;
    entries.forEach(function (of, i) {
      var n = 0;
      of.forEach(function (entry) {
        var hit = words.every(function (w) { return entry[1].indexOf(w) >= 0; });
        entry[0].hidden = !hit;
        n += hit ? 1 : 0;
      });
      groups[i].hidden = n === 0;
      all += n;
    });
    status.textContent = words.length ? (all === 1 ? "1 page" : all + " pages") : "";
  }
  box.addEventListener("input", search);
  search();
})();
