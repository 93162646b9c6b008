// A network's model card as a page of its own: `card.html?model=x4`.

import { render } from "./markdown.js";

const text = document.getElementById("text");

async function show() {
  const asked = new URLSearchParams(location.search).get("model");
  const { models } = await (await fetch("models/models.json")).json();
  const network = models.find(({ id, card }) => id === asked && card);
  if (!network) throw new Error("no network of that name has one");
  const answer = await fetch(`models/${network.id}/MODEL_CARD.md`);
  if (!answer.ok) throw new Error(answer.status);
  document.title = `Model card of ${network.name}`;
  document.getElementById("back").href = `./?model=${encodeURIComponent(network.id)}`;
  text.replaceChildren(...render(await answer.text()));
}

show().catch((error) => {
  text.className = "message";
  text.textContent = `The model card cannot be shown (${error.message}).`;
});
