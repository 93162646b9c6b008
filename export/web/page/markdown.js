// As much of Markdown as model cards are written in: headings, paragraphs, lists, tables, code; bold, code and links.

/** @returns {Element[]} what a text says; nothing in it becomes markup but this. */
export function render(text) {
  const lines = text.replace(/^---\n[^]*?\n---\n/, "").split("\n"); // without front matter, which is for catalogues
  const made = [];
  while (lines.length) {
    if (!lines[0].trim()) lines.shift();
    else made.push(BLOCKS.find(({ begins }) => begins.test(lines[0])).take(lines));
  }
  return made;
}

const BLOCKS = [
  { begins: /^```/, take: code },
  { begins: /^#{1,6} /, take: heading },
  { begins: /^\|/, take: table },
  { begins: /^- /, take: list },
  { begins: /^/, take: paragraph },
];

/** Takes the lines from the front that a pattern holds for. */
function taken(lines, pattern) {
  let count = 0;
  while (count < lines.length && pattern.test(lines[count])) count++;
  return lines.splice(0, count);
}

function element(kind, ...children) {
  const made = document.createElement(kind);
  made.append(...children);
  return made;
}

function code(lines) {
  lines.shift();
  const inner = taken(lines, /^(?!```)/);
  lines.shift();
  const made = element("pre", element("code", inner.join("\n")));
  made.tabIndex = 0; // wide ones are scrolled by keyboard, too
  return made;
}

function heading(lines) {
  const [, marks, text] = /^(#+) (.*)/.exec(lines.shift());
  return element(`h${marks.length}`, ...inline(text));
}

function table(lines) {
  const rows = taken(lines, /^\|/).map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  const row = (kind) => (cells) => element("tr", ...cells.map((cell) => element(kind, ...inline(cell))));
  const [head, , ...body] = rows;
  const made = element("table", element("thead", row("th")(head)), element("tbody", ...body.map(row("td"))));
  const area = element("div", made);
  area.className = "scroll";
  area.tabIndex = 0;
  area.setAttribute("role", "region");
  area.setAttribute("aria-label", `Table: ${head.filter(Boolean).join(", ")}`);
  return area;
}

function list(lines) {
  const items = [];
  for (const line of taken(lines, /^(- | {2}\S)/)) {
    if (line.startsWith("- ")) items.push(line.slice(2));
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  return element("ul", ...items.map((item) => element("li", ...inline(item))));
}

function paragraph(lines) {
  const first = lines.shift();
  return element("p", ...inline([first, ...taken(lines, /^(?!\s*$|```|#{1,6} |\||- )/)].join(" ")));
}

/** Bold, code and links; these only to places on the network, since files beside the card are not beside the page. */
function inline(text) {
  return text.split(/(\*\*.+?\*\*|`.+?`|\[.+?\]\(.+?\))/).map((part) => {
    if (/^\*\*.+\*\*$/.test(part)) return element("strong", ...inline(part.slice(2, -2)));
    if (/^`.+`$/.test(part)) return element("code", part.slice(1, -1));
    const [, label, address] = /^\[(.+)\]\((.+)\)$/.exec(part) ?? [];
    if (!label) return part;
    return /^https?:\/\//.test(address) ? Object.assign(element("a", label), { href: address }) : label;
  });
}
