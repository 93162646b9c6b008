"use strict";
// What a point stands for: its SVG title, shown at once, to the pointer as to the keyboard.
const tip = document.getElementById("tip");

function show(mark) {
  const place = mark.getBoundingClientRect();
  tip.textContent = mark.dataset.says;
  tip.hidden = false;
  const left = place.left + place.width / 2 - tip.offsetWidth / 2;
  const above = place.top - tip.offsetHeight - 10;
  tip.style.left = Math.max(8, Math.min(left, document.documentElement.clientWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = (above < 4 ? place.bottom + 10 : above) + "px";
}

function hide() {
  tip.hidden = true;
}

for (const title of document.querySelectorAll(".mark > title")) {
  const mark = title.parentNode;
  mark.dataset.says = title.textContent;
  title.remove();
}

function markOf(event) {
  return event.target.closest ? event.target.closest(".mark") : null;
}

for (const name of ["pointerover", "focusin"]) {
  document.addEventListener(name, (event) => {
    const mark = markOf(event);
    if (mark) show(mark);
  });
}
for (const name of ["pointerout", "focusout", "scroll"]) {
  document.addEventListener(name, hide, { passive: true });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
});

// On paper everything lies open.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const details of closed) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
});
