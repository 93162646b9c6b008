// The queue of photographs, each a line of the page: waiting, being enlarged, done, or failed.

function element(kind, className, text = "") {
  return Object.assign(document.createElement(kind), { className, textContent: text });
}

class Item {
  constructor(file, network, on) {
    [this.file, this.name, this.network, this.result] = [file, file.name || "pasted.png", network, null];
    this.line = element("li", "item");
    this.progress = Object.assign(document.createElement("progress"), { max: 1, hidden: true });
    this.progress.setAttribute("aria-label", `Progress of ${this.name}`);
    this.said = element("span", "said", "waiting");
    this.show = element("button", "button quiet small", "Show");
    this.drop = element("button", "button quiet small", "Cancel");
    for (const [button, action] of [[this.show, on.show], [this.drop, on.remove]]) {
      button.type = "button";
      button.addEventListener("click", () => action(this));
    }
    this.show.hidden = true;
    this.line.append(element("span", "name", this.name), this.progress, this.said, this.show, this.drop);
    this.move("waiting", "Cancel");
  }

  move(state, word) {
    this.state = this.line.dataset.state = state;
    this.drop.textContent = word;
    this.drop.setAttribute("aria-label", `${word} ${this.name}`);
    this.show.setAttribute("aria-label", `Show ${this.name}`);
  }

  begin() {
    this.progress.hidden = false; // without a value: until the first part is done, there is no telling
    this.said.textContent = "";
    this.move("busy", "Cancel");
  }

  set share(share) {
    this.progress.value = share;
  }

  fail(text) {
    this.progress.hidden = true;
    this.said.className = "said message";
    this.said.setAttribute("role", "alert");
    this.said.textContent = text;
    this.move("wrong", "Remove");
  }

  finish(result) {
    const { made, scale } = (this.result = result);
    this.progress.hidden = true;
    this.said.textContent = `×${scale}, ${made.width} × ${made.height}`;
    this.show.hidden = false;
    this.move("done", "Remove");
  }

  set shown(shown) {
    this.show.setAttribute("aria-pressed", shown);
  }
}

export class Queue {
  /** @param {Element} list where the lines go. @param {{show: function(Item), remove: function(Item)}} on what buttons do. */
  constructor(list, on) {
    [this.list, this.on, this.items] = [list, on, []];
  }

  add(file, network) {
    const item = new Item(file, network, this.on);
    this.items.push(item);
    this.list.append(item.line);
  }

  remove(item) {
    this.items = this.items.filter((each) => each !== item);
    item.line.remove();
  }

  of(state) {
    return this.items.filter((item) => item.state === state);
  }

  get busy() {
    return this.of("busy")[0] ?? null;
  }

  get waiting() {
    return this.of("waiting")[0] ?? null;
  }

  get done() {
    return this.of("done");
  }
}
