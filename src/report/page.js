"use strict";
// Sorting of tables, filters, the score slider, and the pictures behind a cell. Nothing else: the page can be
// read without it.
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const one = (id) => document.getElementById(id);

  // ---- tables

  const keyOf = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.key !== undefined) return cell.dataset.key === "" ? null : Number(cell.dataset.key);
    const shown = cell.textContent.trim();
    return shown !== "" && Number.isFinite(Number(shown)) ? Number(shown) : shown;
  };

  const compare = (first, second) => {
    if (typeof first === "number" && typeof second === "number") return first - second;
    return String(first).localeCompare(String(second), undefined, { numeric: true });
  };

  const sortBy = (table, head, column) => {
    const before = head.getAttribute("aria-sort");
    const first = head.classList.contains("number") ? "descending" : "ascending";
    const other = first === "descending" ? "ascending" : "descending";
    const order = before === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    all("th[aria-sort]", table).forEach((cell) => cell.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [keyOf(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // what is missing comes last
      return sign * compare(a, b);
    });
    body.append(...rows.map(([, row]) => row));
  };

  for (const table of all("table.sortable")) {
    all("thead th", table).forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => sortBy(table, head, column));
    });
  }

  for (const field of all("input.filter")) {
    field.addEventListener("input", () => {
      const wanted = field.value.toLocaleLowerCase();
      for (const row of one(field.dataset.table).tBodies[0].rows) {
        row.hidden = !row.cells[0].textContent.toLocaleLowerCase().includes(wanted);
      }
    });
  }

  // ---- pictures

  if (!one("lists")) return;
  const lists = JSON.parse(one("lists").textContent);
  const names = JSON.parse(one("picture-names").textContent);
  const figures = all("figure.picture");
  const byImage = new Map(figures.map((figure) => [Number(figure.dataset.image), figure]));
  const detections = all("g[data-score]");
  const slider = one("score");
  let isMoved = false; // until then the slider stands for the exact score, and not for its own nearest step
  const classes = one("class-of-pictures");
  let current = document.querySelector("button.choice").dataset.list;
  let from = null;

  const showScore = () => {
    const lowest = Number(isMoved ? slider.value : slider.dataset.start);
    let count = 0;
    for (const shape of detections) {
      const isShown = Number(shape.dataset.score) >= lowest;
      shape.classList.toggle("below", !isShown);
      if (isShown && !shape.closest("figure").hidden) count += 1;
    }
    one("score-value").textContent = lowest.toFixed(isMoved ? 2 : 3);
    one("detection-count").textContent = `${count} detection${count === 1 ? "" : "s"} shown`;
  };

  const showPictures = () => {
    const list = current === "all"
      ? { title: "all pictures of this page", images: figures.map((f) => Number(f.dataset.image)), total: figures.length }
      : lists[current];
    const wanted = classes.value;
    const order = list.images.filter((image) => byImage.has(image));
    const chosen = order.filter(
      (image) => wanted === "" || byImage.get(image).dataset.classes.split(" ").includes(wanted));
    for (const figure of figures) figure.hidden = true;
    const parent = one("pictures");
    for (const image of chosen) {
      byImage.get(image).hidden = false;
      parent.append(byImage.get(image));
    }
    const count = `${list.total} picture${list.total === 1 ? "" : "s"}, ${chosen.length} shown`;
    one("pictures-title").textContent = `${list.title}: ${count}`;
    const others = list.images.filter((image) => !byImage.has(image)).map((image) => names[image]);
    const rest = list.total - list.images.length;
    one("other-pictures").textContent = others.length
      ? `Not in this file: ${others.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`
      : "";
    for (const button of all("button.choice")) button.setAttribute("aria-pressed", button.dataset.list === current);
    one("back").hidden = from === null;
    showScore();
  };

  const choose = (key, button) => {
    current = key;
    from = button;
    classes.value = "";
    showPictures();
    if (button) one("pictures-title").focus();
  };

  for (const button of all("button.to-pictures")) {
    button.addEventListener("click", () => choose(button.dataset.list, button));
  }
  for (const button of all("button.choice")) {
    button.addEventListener("click", () => choose(button.dataset.list, null));
  }
  one("back").addEventListener("click", () => {
    const button = from;
    for (let parent = button.closest("details"); parent; parent = parent.parentElement.closest("details")) {
      parent.open = true;
    }
    button.focus();
  });
  slider.addEventListener("input", () => {
    isMoved = true;
    showScore();
  });
  classes.addEventListener("change", showPictures);
  showPictures();
})();
