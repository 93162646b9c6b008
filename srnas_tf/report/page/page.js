"use strict";
// Shows the text of a mark, which is its SVG title, at once when the pointer or the keyboard reaches it.
const tip = document.getElementById("tip");

function show(mark) {
  const place = mark.getBoundingClientRect();
  tip.textContent = mark.dataset.says + (mark.dataset.fact ? `; ${mark.dataset.fact}` : "");
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

// In print, all details are open.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const details of closed) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
});

// Shows any two crops of an image, one over the other, with a slider between them.
function choice(label, names, chosen) {
  const element = document.createElement("label"), select = document.createElement("select");
  names.forEach((name, i) => select.add(new Option(name, i, i === chosen, i === chosen)));
  element.append(label + " ", select);
  return [element, select];
}

function addSlider(figure) {
  const images = [...figure.querySelectorAll(".crop img")];
  const names = [...figure.querySelectorAll(".crop b")].map((each) => each.textContent);
  if (images.length < 2) return;
  const box = document.createElement("div"), pair = document.createElement("div");
  const right = new Image(), left = new Image(), slider = document.createElement("input");
  const [leftLabel, leftOf] = choice("Left:", names, 1);
  const [rightLabel, rightOf] = choice("Right:", names, names.length - 1);
  box.className = "slide";
  pair.className = "pair";
  // The crop is enlarged by a whole number: four if there is room, or two.
  function fit() {
    const { naturalWidth } = images[0], times = figure.clientWidth >= 4 * naturalWidth ? 4 : 2;
    for (const each of [pair, slider]) each.style.width = `${times * naturalWidth}px`;
  }
  right.alt = left.alt = "";
  Object.assign(slider, { type: "range", min: 0, max: 100, value: 50 });
  slider.setAttribute("aria-label", "Where the left crop ends and the right one begins");
  function draw() {
    left.src = images[leftOf.value].src;
    right.src = images[rightOf.value].src;
    left.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
    pair.style.setProperty("--at", `${slider.value}%`);
  }
  for (const each of [leftOf, rightOf, slider]) each.addEventListener("input", draw);
  pair.append(right, left);
  box.append(leftLabel, rightLabel, pair, slider);
  figure.append(box);
  draw();
  for (const image of images) image.decode().then(fit, fit);
  addEventListener("resize", fit);
}

for (const figure of document.querySelectorAll("figure.crops")) addSlider(figure);

// Colours the marks of a front by a property of their networks.
function addColours(figure) {
  const by = JSON.parse(figure.dataset.by), keys = Object.keys(by);
  if (!keys.length) return;
  const marks = [...figure.querySelectorAll(".mark")];
  const box = document.createElement("div"), legend = document.createElement("ul");
  const [label, select] = choice("Colour by:", ["the front", ...keys], 0);
  box.className = "colours";
  function draw() {
    const key = keys[select.value - 1], values = by[key] || [];
    legend.replaceChildren(...values.map((value, i) => {
      const item = document.createElement("li");
      item.className = `by${i}`;
      item.textContent = value || "not known";
      return item;
    }));
    for (const mark of marks) {
      const value = key ? mark.getAttribute("data-" + key.replaceAll(" ", "-")) : null;
      for (let i = 0; i < 8; i++) mark.classList.toggle(`by${i}`, values[i] === value && value !== null);
      mark.dataset.fact = value ? `${key}: ${value}` : "";
    }
  }
  select.addEventListener("input", draw);
  box.append(label, legend);
  figure.prepend(box);
}

for (const figure of document.querySelectorAll("figure.front")) addColours(figure);
