"use strict";

// What the page of segsr does in the browser: photographs are handed in, viewers shown, masks painted.
// gradio calls `segsr.photo` and `segsr.edits` when a button is pressed.
const segsr = (() => {
  const NONE = 255; // the model decides
  const chosen = new Map(); // tab -> token of its photograph
  const paintings = new Map(); // token -> Uint8Array, a class a pixel

  async function send(address, body) {
    let reply;
    try {
      reply = await fetch(address, { method: "POST", body, credentials: "same-origin" });
    } catch {
      throw new Error("the server does not answer: is segsr app still running?");
    }
    const told = await reply.json().catch(() => ({}));
    if (!reply.ok) throw new Error(told.error ?? `the server answers ${reply.status}`);
    return told;
  }

  async function choose(section, address, body, sample = null) {
    const notice = section.querySelector(".notice");
    const figure = section.querySelector(".chosen");
    notice.textContent = "";
    for (const button of section.querySelectorAll("[data-sample]"))
      button.setAttribute("aria-pressed", button.dataset.sample === sample);
    try {
      const told = await send(address, body);
      chosen.set(section.dataset.tab, told.photo);
      figure.querySelector("img").src = told.address;
      figure.querySelector("img").alt = `Chosen: ${told.name}`;
      figure.querySelector("figcaption").textContent = `${told.name}, ${told.width} x ${told.height} pixels`;
      figure.hidden = false;
    } catch (error) {
      chosen.delete(section.dataset.tab);
      figure.hidden = true;
      notice.textContent = error.message;
    }
  }

  function upload(section, file) {
    const form = new FormData();
    form.append("image", file, file.name);
    return choose(section, "page/photos", form);
  }

  function makeChooser(section) {
    const drop = section.querySelector(".drop");
    const input = section.querySelector("input[type=file]");
    input.addEventListener("change", () => {
      if (input.files.length) upload(section, input.files[0]);
    });
    for (const kind of ["dragover", "dragleave", "drop"])
      drop.addEventListener(kind, (event) => {
        event.preventDefault();
        drop.classList.toggle("over", kind === "dragover");
        if (kind === "drop" && event.dataTransfer.files.length)
          upload(section, event.dataTransfer.files[0]);
      });
    for (const button of section.querySelectorAll("[data-sample]"))
      button.addEventListener("click", () => {
        input.value = "";
        choose(section, `page/samples/${button.dataset.sample}`, null, button.dataset.sample);
      });
  }

  function makeViewer(viewer) {
    const find = (selector) => viewer.querySelector(selector);
    const frame = find(".frame");
    const stage = find(".stage");
    const split = find(".split");
    const zoom = find(".zoom");
    const strength = find(".strength");
    const width = Number(viewer.dataset.width);
    const height = Number(viewer.dataset.height);

    const cut = () => stage.style.setProperty("--split", `${split.value}%`);
    const show = () => stage.style.setProperty("--strength", strength.value / 100);
    function scale() {
      const factor = Number(zoom.value) / window.devicePixelRatio;
      viewer.classList.toggle("zoomed", factor > 0);
      // all of it is seen, however tall
      stage.style.width = factor ? `${factor * width}px` : `min(100%, ${(80 * width) / height}vh)`;
      if (factor) frame.tabIndex = 0; // what scrolls must be reachable by keyboard
      else frame.removeAttribute("tabindex");
    }

    stage.style.aspectRatio = `${width} / ${height}`;
    split.addEventListener("input", cut);
    strength.addEventListener("input", show);
    zoom.addEventListener("change", scale);
    stage.addEventListener("pointerdown", (event) => {
      if (viewer.classList.contains("painting") || event.button) return;
      const zoomed = viewer.classList.contains("zoomed");
      if (zoomed && event.pointerType !== "mouse") return; // fingers scroll
      const from = [frame.scrollLeft + event.clientX, frame.scrollTop + event.clientY];
      function move({ clientX, clientY }) {
        if (zoomed) {
          frame.scrollLeft = from[0] - clientX;
          frame.scrollTop = from[1] - clientY;
          return;
        }
        const box = stage.getBoundingClientRect();
        split.value = (100 * (clientX - box.left)) / box.width;
        cut();
      }
      stage.setPointerCapture(event.pointerId);
      stage.addEventListener("pointermove", move);
      for (const end of ["pointerup", "pointercancel"])
        stage.addEventListener(end, () => stage.removeEventListener("pointermove", move), { once: true });
      if (!zoomed) move(event);
    });
    cut();
    show();
    scale();
    if (find(".painter")) makePainter(viewer, show);
  }

  function makePainter(viewer, show) {
    const find = (selector) => viewer.querySelector(selector);
    const canvas = find(".paint");
    const brush = find(".brush");
    const label = find(".class");
    const size = find(".size");
    const strength = find(".strength");
    const { width, height } = canvas;
    const context = canvas.getContext("2d");
    const token = viewer.dataset.photo;
    if (!paintings.has(token)) paintings.set(token, new Uint8Array(width * height).fill(NONE));
    const cells = paintings.get(token);
    const colours = [...label.options].map(({ dataset }) =>
      [1, 3, 5].map((at) => parseInt(dataset.colour.slice(at, at + 2), 16)),
    );
    let at = [width / 2, height / 2];
    let last = null;

    function draw(left, top, right, bottom) {
      if (right <= left || bottom <= top) return;
      const patch = context.createImageData(right - left, bottom - top);
      for (let y = top, i = 0; y < bottom; y++)
        for (let x = left; x < right; x++, i += 4) {
          const value = cells[y * width + x];
          if (value === NONE) continue;
          patch.data.set([...colours[value], 255], i);
        }
      context.putImageData(patch, left, top);
    }

    function disc([x, y], value) {
      const radius = Number(size.value) - 0.5;
      const [left, right] = [Math.max(0, Math.floor(x - radius)), Math.min(width, Math.ceil(x + radius))];
      const [top, bottom] = [Math.max(0, Math.floor(y - radius)), Math.min(height, Math.ceil(y + radius))];
      for (let row = top; row < bottom; row++)
        for (let column = left; column < right; column++)
          if ((column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2 <= Math.max(radius, 0.75) ** 2)
            cells[row * width + column] = value;
      draw(left, top, right, bottom);
    }

    function stroke(to, value) {
      const from = last ?? to;
      const count = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(1, size.value / 2)));
      for (let i = 1; i <= count; i++)
        disc([0, 1].map((axis) => from[axis] + ((to[axis] - from[axis]) * i) / count), value);
      last = to;
    }

    function place() {
      const scale = canvas.clientWidth / width;
      brush.hidden = false;
      brush.style.width = brush.style.height = `${Math.max(6, (2 * size.value - 1) * scale)}px`;
      brush.style.left = `${at[0] * scale}px`;
      brush.style.top = `${at[1] * scale}px`;
    }

    function where(event) {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
    }

    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      last = null;
      at = where(event);
      stroke(at, Number(label.value));
      place();
    });
    canvas.addEventListener("pointermove", (event) => {
      at = where(event);
      place();
      if (event.buttons & 1 && canvas.hasPointerCapture(event.pointerId)) stroke(at, Number(label.value));
    });
    canvas.addEventListener("pointerleave", () => (brush.hidden = document.activeElement !== canvas));
    canvas.addEventListener("focus", place);
    canvas.addEventListener("blur", () => (brush.hidden = true));
    canvas.addEventListener("keydown", (event) => {
      const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const far = event.shiftKey ? 1 : Math.max(1, Number(size.value));
      const way = ways[event.key];
      if (way) at = [Math.min(width, Math.max(0, at[0] + far * way[0])), Math.min(height, Math.max(0, at[1] + far * way[1]))];
      else if (event.key === " ") disc(at, Number(label.value));
      else if (event.key === "Backspace" || event.key === "Delete") disc(at, NONE);
      else if (event.key === "+") size.value = Number(size.value) + 1;
      else if (event.key === "-") size.value = Number(size.value) - 1;
      else return;
      event.preventDefault();
      place();
    });
    find(".clear").addEventListener("click", () => {
      cells.fill(NONE);
      draw(0, 0, width, height);
    });
    find(".again").addEventListener("click", () => document.querySelector("#again").click());
    for (const radio of viewer.querySelectorAll(".modes input"))
      radio.addEventListener("change", () => {
        const painting = radio.value === "paint";
        viewer.classList.toggle("painting", painting);
        find(".painter").hidden = !painting;
        canvas.tabIndex = painting ? 0 : -1;
        if (painting && Number(strength.value) === 0) {
          strength.value = 50;
          show();
        }
      });
    draw(0, 0, width, height);
  }

  // gradio puts its HTML into the page whenever it likes.
  function tend() {
    for (const section of document.querySelectorAll(".segsr.choose:not([data-ready])")) {
      section.dataset.ready = "";
      makeChooser(section);
    }
  }
  new MutationObserver(tend).observe(document, { childList: true, subtree: true });

  // A result is ours to place: gradio would patch the one before, with all that was set in it.
  const placed = new Map();
  function show(slot, html) {
    if (!html || placed.get(slot) === html) return;
    placed.set(slot, html);
    const place = document.getElementById(slot);
    place.innerHTML = html;
    const viewer = place.querySelector(".viewer");
    makeViewer(viewer);
    viewer.dataset.ready = "";
  }

  return {
    show,
    photo: (tab) => chosen.get(tab) ?? "",
    edits(token) {
      const cells = paintings.get(token);
      if (!cells) return "";
      let text = "";
      for (let i = 0; i < cells.length; i += 8192) text += String.fromCharCode(...cells.subarray(i, i + 8192));
      return btoa(text);
    },
    shown: () => document.querySelector(".segsr.viewer[data-photo]")?.dataset.photo ?? "",
  };
})();
window.segsr = segsr;
