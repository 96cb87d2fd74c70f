"use strict";

// Tables: the first click on a column shows its best on top, the second its worst, the third the
// original order. Rows without a figure stay below.
function makeSortable(table) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const opposite = { ascending: "descending", descending: "ascending" };

  function compare(column, order) {
    const sign = order === "ascending" ? 1 : -1;
    return (a, b) => {
      const [x, y] = [a, b].map((row) => row.cells[column]);
      if (column === 0) return sign * x.textContent.localeCompare(y.textContent);
      const missing = ("value" in y.dataset) - ("value" in x.dataset);
      return missing || sign * (readNumber(x) - readNumber(y)) || 0;
    };
  }

  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const { first } = head.dataset;
      const now = head.getAttribute("aria-sort");
      const next = now === null ? first : now === first ? opposite[first] : null;
      for (const other of heads) other.removeAttribute("aria-sort");
      if (next !== null) head.setAttribute("aria-sort", next);
      body.append(...(next === null ? original : [...original].sort(compare(column, next))));
    });
  });
}

function readNumber(cell) {
  const text = cell.dataset.value ?? "0";
  return text.endsWith("inf") ? (text.startsWith("-") ? -1 : 1) * Number.MAX_VALUE : Number(text);
}

// Viewers: two of the images of a photograph, the right one cut off at the slider.
function makeViewer(viewer) {
  const find = (selector) => viewer.querySelector(selector);
  const stage = find(".stage");
  const frame = find(".frame");
  const split = find(".split");
  const mask = find("input.mask");
  const opacity = find("input.opacity");
  const legend = find(".legend");
  const size = find("select.size");
  const width = Number(viewer.dataset.width);
  const height = Number(viewer.dataset.height);

  function show(side) {
    const { dataset, text } = find(`select.${side}`).selectedOptions[0];
    const photo = find(`.layer.${side} .photo`);
    const overlay = find(`.layer.${side} .overlay`);
    if (photo.getAttribute("src") !== dataset.image) photo.src = dataset.image;
    photo.alt = text;
    photo.classList.toggle("pixels", dataset.pixels === "1");
    const covered = Boolean(mask?.checked && dataset.mask);
    if (covered) overlay.src = dataset.mask;
    overlay.hidden = !covered;
    find(`.name.${side}`).textContent = text;
    find(`.figures .${side}`).textContent = dataset.figures;
    return covered ? dataset.classes.split(" ") : [];
  }

  function update() {
    const present = new Set([...show("left"), ...show("right")]);
    if (!legend) return;
    legend.hidden = present.size === 0;
    for (const item of legend.children) item.hidden = !present.has(item.dataset.class);
  }

  function cut() {
    stage.style.setProperty("--split", `${split.value}%`);
  }

  function scale() {
    const factor = Number(size.value);
    stage.style.width = factor ? `${factor * width}px` : "100%";
    frame.tabIndex = factor ? 0 : -1; // what scrolls must be reachable by keyboard
  }

  stage.style.aspectRatio = `${width} / ${height}`;
  for (const control of viewer.querySelectorAll("select.left, select.right, input.mask"))
    control.addEventListener("change", update);
  opacity?.addEventListener("input", () =>
    stage.style.setProperty("--opacity", opacity.value / 100),
  );
  split.addEventListener("input", cut);
  size.addEventListener("change", scale);
  update();
  cut(); // a reloaded page keeps the values of its inputs
  scale();
}

// The controls of a test set choose for all its photographs that have such an image.
function linkToAll(toolbar) {
  const viewers = toolbar.parentElement.querySelectorAll(".viewer");
  for (const side of ["left", "right"]) {
    const menu = toolbar.querySelector(`select.${side}`);
    menu.addEventListener("change", () => {
      for (const viewer of viewers) {
        const select = viewer.querySelector(`select.${side}`);
        const option = [...select.options].find(({ text }) => text === menu.value);
        if (!option) continue;
        option.selected = true;
        select.dispatchEvent(new Event("change"));
      }
    });
  }
  const mask = toolbar.querySelector("input.mask");
  mask?.addEventListener("change", () => {
    for (const viewer of viewers) {
      const own = viewer.querySelector("input.mask");
      if (!own) continue;
      own.checked = mask.checked;
      own.dispatchEvent(new Event("change"));
    }
  });
}

document.querySelectorAll("table").forEach(makeSortable);
document.querySelectorAll(".viewer").forEach(makeViewer);
document.querySelectorAll(".toolbar.all").forEach(linkToAll);
