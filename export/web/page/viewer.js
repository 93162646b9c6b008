// A photograph before and after, with a divider between the two: as a whole, or each pixel as a pixel of the screen.

import { reduced, windowOf } from "./levels.js";

/** Pixels of a picture that is shown as a whole; larger ones are shown reduced. At actual size nothing is. */
const SHOWN = 4 * 2 ** 20;

/** Pixels of the screen around what is in view that are drawn, too, so that they are there when one scrolls. */
const MARGIN = 200;

export class Viewer {
  /** @param {function(string): Element} part an element of the page by its id. */
  constructor(part) {
    for (const id of ["frame", "stage", "divider", "zoom", "before", "after"]) this[id] = part(id);
    [this.result, this.actual, this.turn, this.left] = [null, false, 0, 0];
    this.divider.addEventListener("input", () => this.divide());
    this.zoom.addEventListener("click", () => this.setZoom(!this.actual));
    this.frame.addEventListener("scroll", () => {
      this.divide();
      if (this.actual) this.paint();
    });
    new ResizeObserver(() => this.result && this.place()).observe(this.frame);
    this.stage.addEventListener("pointerdown", (down) => this.drag(down));
  }

  /** @param {{made: object, source: object, scale: number}} result levels of a photograph, enlarged and as it was. */
  async show(result) {
    this.result = result;
    const { made, source } = result;
    this.stage.style.setProperty("aspect-ratio", `${made.width} / ${made.height}`);
    [this.was, this.is] = [null, null];
    const whole = [await reduced(source, SHOWN), await reduced(made, SHOWN)];
    if (this.result !== result) return;
    [this.was, this.is] = whole;
    await this.setZoom(false);
  }

  clear() {
    this.result = null;
  }

  async setZoom(actual) {
    this.actual = actual;
    this.zoom.setAttribute("aria-pressed", actual);
    this.frame.classList.toggle("actual", actual);
    this.frame.tabIndex = actual ? 0 : -1;
    this.place();
    if (actual) {
      this.frame.scrollLeft = (this.stage.offsetWidth - this.frame.clientWidth) / 2;
      this.frame.scrollTop = (this.stage.offsetHeight - this.frame.clientHeight) / 2;
    }
    await this.paint();
  }

  /** Gives the picture its size on the page. */
  place() {
    const { width, height } = this.result.made;
    const own = width / devicePixelRatio;
    this.stage.style.width = this.actual ? `${own}px` : `min(100%, ${own}px, 75vh * ${width / height})`;
    this.divide();
    if (this.actual) this.paint();
  }

  /** Draws what is in view; of several calls the last one counts. */
  async paint() {
    const turn = ++this.turn;
    const seen = this.actual ? this.view() : null;
    const images = seen ? await this.cut(seen) : [this.was, this.is];
    if (turn !== this.turn || !images[0]) return;
    [this.before, this.after].forEach((canvas, i) => {
      const image = images[i];
      [canvas.width, canvas.height] = [image.width, image.height];
      if (image instanceof ImageData) canvas.getContext("2d").putImageData(image, 0, 0);
      else canvas.getContext("2d").drawImage(image, 0, 0);
      const place = seen && { left: seen.left, top: seen.top, width: seen.width, height: seen.height };
      for (const side of ["left", "top", "width", "height"]) {
        canvas.style[side] = place ? `${place[side] / devicePixelRatio}px` : "";
      }
    });
    this.left = seen ? seen.left / devicePixelRatio : 0;
    this.divide();
  }

  /** What is in view, and a little more, in pixels of the enlarged picture. */
  view() {
    const { made } = this.result;
    const span = (scroll, size, whole) => {
      const start = Math.max(0, Math.round(scroll * devicePixelRatio) - MARGIN);
      return [start, Math.min(whole, Math.ceil((scroll + size) * devicePixelRatio) + MARGIN) - start];
    };
    const [left, width] = span(this.frame.scrollLeft, this.frame.clientWidth, made.width);
    const [top, height] = span(this.frame.scrollTop, this.frame.clientHeight, made.height);
    return { left, top, width, height };
  }

  /** A window of the picture, before (as a browser enlarges it) and after. */
  async cut({ left, top, width, height }) {
    const { made, source, scale } = this.result;
    const from = (start) => Math.max(0, Math.floor(start / scale) - 2);
    const to = (end, size) => Math.min(size, Math.ceil(end / scale) + 2);
    const [x, y] = [from(left), from(top)];
    const [wide, high] = [to(left + width, source.width) - x, to(top + height, source.height) - y];
    const [small, after] = await Promise.all([
      windowOf(source, x, y, wide, high),
      windowOf(made, left, top, width, height),
    ]);
    const [given, before] = [new OffscreenCanvas(wide, high), new OffscreenCanvas(width, height)];
    given.getContext("2d").putImageData(small, 0, 0);
    before.getContext("2d").drawImage(given, x * scale - left, y * scale - top, wide * scale, high * scale);
    return [before, after];
  }

  /** Puts the line where the divider says, as a share of what is in view. */
  divide() {
    const seen = Math.min(this.stage.offsetWidth, this.frame.clientWidth);
    const at = (this.actual ? this.frame.scrollLeft : 0) + (this.divider.value / 100) * seen;
    this.frame.style.setProperty("--divider", `${at}px`);
    this.frame.style.setProperty("--cut", `${at - this.left}px`);
    this.divider.setAttribute("aria-valuetext", `${this.divider.value} % before`);
  }

  /** Dragging in the picture moves the line, or, at actual size, what is in view. */
  drag(down) {
    if (down.button || (this.actual && down.pointerType === "touch")) return;
    this.stage.setPointerCapture(down.pointerId);
    const [left, top] = [this.frame.scrollLeft, this.frame.scrollTop];
    const move = (event) => {
      if (this.actual) {
        this.frame.scrollTo(left + down.clientX - event.clientX, top + down.clientY - event.clientY);
      } else {
        const box = this.stage.getBoundingClientRect();
        this.divider.value = (100 * (event.clientX - box.left)) / box.width;
        this.divide();
      }
    };
    move(down);
    this.stage.addEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"]) {
      this.stage.addEventListener(end, () => this.stage.removeEventListener("pointermove", move), { once: true });
    }
  }
}
