// The page: takes a photograph, has the worker enlarge it, and shows it before and after.

const part = (id) => document.getElementById(id);
const [drop, file, message, work, progress, cancel, status, result, frame, stage, divider, zoom, download] = [
  "drop", "file", "message", "work", "progress", "cancel", "status", "result", "frame", "stage", "divider", "zoom",
  "download",
].map(part);

/** Shares of the work that are told to those who do not see the bar. */
const TOLD = 0.2;

const tile = Math.max(0, Math.floor(Number(new URLSearchParams(location.search).get("tile")))) || 0;

let worker = null;
let current = null; // the photograph that is being enlarged
let told = 0;

function engine() {
  if (!worker) {
    worker = new Worker("worker.js", { type: "module" });
    worker.onmessage = ({ data }) => heard[data.kind](data);
    worker.onerror = () => heard.wrong({ text: "This browser cannot run the page's program." });
  }
  return worker;
}

function stop() {
  worker?.terminate();
  [worker, current] = [null, null];
}

const heard = {
  ready({ name, scale, card }) {
    part("card").hidden = !card;
    part("about").textContent =
      `${scale} times as wide and as high, by ${name}, in this browser. ` +
      "The photograph does not leave this computer.";
  },

  progress({ share }) {
    progress.value = share;
    if (share >= told + TOLD && share < 1) {
      told = Math.floor(share / TOLD) * TOLD;
      status.textContent = `${current.name}: ${Math.round(100 * told)} % enlarged`;
    }
  },

  shrunk({ pixels }) {
    status.textContent = `Out of memory: going on with parts of about ${pixels} pixels.`;
  },

  wrong({ text }) {
    stop();
    show("idle");
    status.textContent = "";
    message.textContent = text;
    message.hidden = false;
  },

  done({ blob, was, is, width, height, from, seconds }) {
    const scale = width / from.width;
    for (const [id, image] of [["before", was], ["after", is]]) {
      const canvas = part(id);
      [canvas.width, canvas.height] = [image.width, image.height];
      canvas.getContext("2d").putImageData(image, 0, 0);
    }
    stage.style.setProperty("aspect-ratio", `${width} / ${height}`);
    stage.dataset.width = width;
    URL.revokeObjectURL(download.href);
    download.href = URL.createObjectURL(blob);
    download.download = `${current.name.replace(/\.[^.]*$/, "")}-x${scale}.png`;
    status.textContent =
      `${current.name}: ${from.width} × ${from.height} enlarged to ${width} × ${height} pixels ` +
      `in ${seconds.toFixed(1)} s`;
    const wasInWork = work.contains(document.activeElement);
    current = null;
    show("done");
    setZoom(false);
    if (wasInWork) download.focus();
  },
};

/** Shows what belongs to a state: "idle", "busy" or "done". */
function show(state) {
  document.body.className = state;
  work.hidden = state !== "busy";
  result.hidden = state !== "done";
}

function take(given) {
  if (!given) return;
  if (current) stop();
  message.hidden = true;
  current = given;
  told = 0;
  progress.removeAttribute("value"); // until the first part is done, there is no telling
  status.textContent = `${given.name}: being enlarged`;
  show("busy");
  engine().postMessage({ file: given, tile });
}

file.addEventListener("change", () => {
  take(file.files[0]);
  file.value = ""; // so that the same file may be chosen again
});

cancel.addEventListener("click", () => {
  const name = current?.name;
  stop();
  show("idle");
  status.textContent = `${name}: cancelled`;
  file.focus();
  engine();
});

document.addEventListener("paste", (event) => take(event.clipboardData.files[0]));

for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files[0]);
});

/** Puts the line where the divider says, as a share of what is in view. */
function divide() {
  const share = divider.value / 100;
  const start = frame.scrollLeft;
  const seen = Math.min(stage.offsetWidth, frame.clientWidth);
  frame.style.setProperty("--divider", `${start + share * seen}px`);
  divider.setAttribute("aria-valuetext", `${divider.value} % before`);
}

function setZoom(actual) {
  zoom.setAttribute("aria-pressed", actual);
  frame.classList.toggle("actual", actual);
  frame.tabIndex = actual ? 0 : -1;
  // A pixel of the picture is a pixel of the screen.
  const own = stage.dataset.width / devicePixelRatio;
  stage.style.width = actual ? `${own}px` : `min(100%, ${own}px, 75vh * ${part("after").width / part("after").height})`;
  if (actual) {
    frame.scrollLeft = (stage.offsetWidth - frame.clientWidth) / 2;
    frame.scrollTop = (stage.offsetHeight - frame.clientHeight) / 2;
  }
  divide();
}

divider.addEventListener("input", divide);
frame.addEventListener("scroll", divide);
new ResizeObserver(divide).observe(frame);
zoom.addEventListener("click", () => setZoom(zoom.getAttribute("aria-pressed") === "false"));

// Dragging in the picture moves the line, or, at actual size, what is in view.
stage.addEventListener("pointerdown", (down) => {
  const actual = frame.classList.contains("actual");
  if (down.button || (actual && down.pointerType === "touch")) return;
  stage.setPointerCapture(down.pointerId);
  const [left, top] = [frame.scrollLeft, frame.scrollTop];
  const move = (event) => {
    if (actual) {
      frame.scrollTo(left + down.clientX - event.clientX, top + down.clientY - event.clientY);
    } else {
      const box = stage.getBoundingClientRect();
      divider.value = (100 * (event.clientX - box.left)) / box.width;
      divide();
    }
  };
  move(down);
  stage.addEventListener("pointermove", move);
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, () => stage.removeEventListener("pointermove", move), { once: true });
  }
});

engine();
show("idle");
