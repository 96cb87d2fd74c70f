"use strict";

// Before and after: what lies left of the slider is the picture before. The slider is a range input
// over the whole picture, so that mouse, finger and arrow keys move it alike.
for (const figure of document.querySelectorAll(".compare")) {
  const slider = figure.querySelector("input[type=range]");
  const [after, before] = figure.querySelectorAll("img");

  function cut() {
    figure.style.setProperty("--split", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} percent before, the rest after`);
  }

  for (const button of figure.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      for (const other of figure.querySelectorAll("button"))
        other.setAttribute("aria-pressed", String(other === button));
      before.src = `pictures/${button.value}-before.webp`;
      after.src = `pictures/${button.value}-after.webp`;
      after.alt = button.dataset.alt;
    });
  }
  slider.addEventListener("input", cut);
  cut(); // a reloaded page keeps the slider's value
}
