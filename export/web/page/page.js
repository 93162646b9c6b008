// The page: takes photographs into a queue, has a worker enlarge them, shows each before and after, and saves them.

import { FORMATS } from "./formats.js";
import { Queue } from "./queue.js";
import { Viewer } from "./viewer.js";

const part = (id) => document.getElementById(id);

const asked = new URLSearchParams(location.search);
const tile = Math.max(0, Math.floor(Number(asked.get("tile")))) || 0;
const runtime = asked.get("runtime");

/** Shares of the work that are told to those who do not see the bar. */
const TOLD = 0.2;

const viewer = new Viewer(part);
const queue = new Queue(part("items"), { show, remove });
let networks = [];
let worker = null;
let told = 0;

function tell(text) {
  part("status").textContent = text;
}

function complain(text) {
  part("message").textContent = text;
  part("message").hidden = !text;
}

function engine() {
  if (!worker) {
    worker = new Worker("worker.js", { type: "module" });
    worker.onmessage = ({ data }) => heard[data.kind](data);
    worker.onerror = () => heard.unusable({ text: "This browser cannot run the page's program." });
    worker.postMessage({ kind: "load", network: chosen(), runtime });
  }
  return worker;
}

function stop() {
  worker?.terminate();
  worker = null;
}

function chosen() {
  return networks[part("network").value];
}

const heard = {
  ready({ name, scale, by }) {
    part("about").textContent =
      `${scale} times as wide and as high, by the network ${name} in this browser (${by}). ` +
      "The photographs do not leave this computer.";
  },

  fellBack({ text }) {
    part("notice").textContent = text;
    part("notice").hidden = false;
  },

  progress({ share }) {
    const item = queue.busy;
    item.share = share;
    if (share >= told + TOLD && share < 1) {
      told = Math.floor(share / TOLD) * TOLD;
      tell(`${item.name}: ${Math.round(100 * told)} % enlarged`);
    }
  },

  shrunk({ pixels }) {
    tell(`Out of memory: continuing with tiles of about ${pixels} pixels.`);
  },

  unusable({ text }) {
    stop();
    complain(text);
    if (queue.busy) heard.wrong({ text });
  },

  wrong({ text }) {
    queue.busy.fail(text);
    next();
  },

  done({ made, source, seconds }) {
    const item = queue.busy;
    item.finish({ made, source, scale: made.width / source.width });
    if (!viewer.result) show(item);
    next(
      `${item.name}: ${source.width} × ${source.height} enlarged to ${made.width} × ${made.height} pixels ` +
        `in ${seconds.toFixed(1)} s`,
    );
  },
};

/** Gives the worker the next waiting photograph, announces that after the text `said`, and updates the page. */
function next(said = "") {
  const item = queue.busy ? null : queue.waiting;
  if (item) {
    told = 0;
    item.begin();
    engine().postMessage({ kind: "enlarge", file: item.file, tile, network: item.network, runtime });
  }
  if (item || said || !queue.busy) tell([said, item && `${item.name}: being enlarged`].filter(Boolean).join(". "));
  const { done, items } = queue;
  document.body.className = queue.busy ? "busy" : done.length ? "done" : "idle";
  part("queue").hidden = !items.length;
  part("result").hidden = !viewer.result;
  part("download").textContent = done.length > 1 ? `Download ${done.length} as ZIP` : "Download";
}

async function take(files) {
  if (!files.length) return;
  complain("");
  await started; // the list of networks may be on its way
  for (const file of files) queue.add(file, chosen());
  next();
}

async function show(item) {
  for (const each of queue.items) each.shown = each === item;
  await viewer.show(item.result);
  part("result").hidden = false;
}

/** Cancels a photograph, or takes it out of the list. */
function remove(item) {
  const wasBusy = item === queue.busy;
  queue.remove(item);
  if (wasBusy) stop();
  if (viewer.result && viewer.result === item.result) {
    viewer.clear();
    if (queue.done.length) show(queue.done[0]);
  }
  part("file").focus();
  next(wasBusy ? `${item.name}: cancelled` : "");
  engine();
}

part("file").addEventListener("change", () => {
  take([...part("file").files]);
  part("file").value = ""; // so that the same file may be chosen again
});

part("network").addEventListener("change", () => {
  describe();
  engine().postMessage({ kind: "load", network: chosen(), runtime });
});

function describe() {
  const { id, card } = chosen();
  part("card").hidden = !card;
  part("card").href = `card.html?model=${encodeURIComponent(id)}`;
}

document.addEventListener("paste", (event) => take([...event.clipboardData.files]));

for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    part("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) part("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  part("drop").classList.remove("over");
  take([...event.dataTransfer.files]);
});

FORMATS.forEach(({ name }, i) => part("format").add(new Option(name, i)));
part("format").addEventListener("change", () => {
  part("how-good").hidden = FORMATS[part("format").value].lossless;
});
part("quality").addEventListener("input", () => {
  part("quality-shown").textContent = part("quality").value;
});

/** Downloads all finished photographs as one file. */
part("download").addEventListener("click", () => {
  const saver = new Worker("saver.js", { type: "module" });
  const pictures = queue.done.map(({ name, result }) => ({
    levels: result.made,
    stem: `${name.replace(/\.[^.]*$/, "")}-x${result.scale}`,
  }));
  part("download").disabled = true;
  tell("Writing the download");
  const end = (text, wrong = "") => {
    saver.terminate();
    part("download").disabled = false;
    tell(text);
    complain(wrong);
  };
  saver.onmessage = ({ data: { blob, name, text } }) => {
    if (text) return end("", text);
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    end(`${name}: ${(blob.size / 2 ** 20).toFixed(1)} MiB`);
  };
  saver.onerror = () => end("", "The download could not be written.");
  saver.postMessage({ pictures, format: Number(part("format").value), quality: part("quality").value / 100 });
});

/** Title of a network in the list: its scale, and its name if that says more. */
function titleOf(name, scale) {
  return !scale ? name : name === `x${scale}` ? `×${scale}` : `×${scale}: ${name}`;
}

async function start() {
  const known = await (await fetch("models/models.json")).json();
  networks = known.models;
  networks.forEach(({ name, scale }, i) => part("network").add(new Option(titleOf(name, scale), i)));
  const wanted = networks.findIndex(({ id }) => id === (asked.get("model") ?? known.first));
  part("network").value = Math.max(0, wanted);
  describe();
  engine();
  next();
}

if (globalThis.isSecureContext) navigator.serviceWorker?.register("sw.js").catch(() => {});
const started = start();
started.catch((error) => complain(`The page's list of networks cannot be read (${error.message}).`));
