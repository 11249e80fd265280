"use strict";
(() => {
  const form = document.getElementById("filter");
  const found = document.getElementById("found");
  const nothing = document.getElementById("nothing");
  const groups = Array.from(document.getElementById("rows").tBodies, (body) => ({
    body,
    rows: Array.from(body.rows).slice(1),
  }));
  const all = groups.reduce((sum, group) => sum + group.rows.length, 0);
  const texts = new Map();
  const textOf = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };
  const apply = () => {
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kind = form.elements.kind.value;
    let shown = 0;
    for (const { body, rows } of groups) {
      const wanted = form.elements[body.className].checked;
      let here = 0;
      for (const row of rows) {
        const fits = wanted && (!kind || row.dataset.kind === kind) && words.every((word) => textOf(row).includes(word));
        row.hidden = !fits;
        if (fits) here += 1;
      }
      body.hidden = here === 0;
      shown += here;
    }
    found.textContent = shown === all ? `All ${all} are shown.` : `${shown} of ${all} are shown.`;
    nothing.hidden = shown > 0;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  // A browser that comes back to the page fills the form in again.
  apply();
})();
