// Elements made of names, properties and text. Text is never HTML: what suppliers wrote stays text.

export function el(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") node.className = value;
    else if (key === "data") Object.assign(node.dataset, value);
    else if (key in node) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

// A state in words and colour: ok, bad, wait or quiet.
export const chip = (kind, text) => el("span", { class: `chip ${kind}` }, text);

export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
}

// A table that scrolls by itself where it is too wide, with the keyboard too.
export function table(label, headings, rows) {
  const head = el("thead", {}, el("tr", {}, headings.map((text) => el("th", { scope: "col" }, text))));
  const body = el("tbody", {}, rows.map((row) => (row instanceof Node ? row : el("tr", {}, row.map(cell)))));
  return el("div", { class: "scrolls", tabIndex: 0, role: "region", "aria-label": label }, el("table", {}, head, body));
}

const cell = (content) => el("td", {}, content);

export const terms = (pairs) =>
  el("dl", { class: "terms" }, pairs.filter(Boolean).flatMap(([term, text]) => [el("dt", {}, term), el("dd", {}, text)]));

export const count = (number) => (number === null || number === undefined ? "–" : Number(number).toLocaleString("en"));

export const many = (number, what) => `${count(number)} ${what}${number === 1 ? "" : "s"}`;

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= 2 * size) return `${Math.round(seconds / size)} ${unit}`;
  }
  return `${seconds.toFixed(1)} s`;
}

export function size(bytes) {
  let left = bytes;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (left < 1000) return `${Number(left.toPrecision(3))} ${unit}`;
    left /= 1000;
  }
  return `${Number(left.toPrecision(3))} TB`;
}

// All times are in UTC.
export const clock = (time) => new Date(typeof time === "number" ? time * 1000 : time).toISOString().slice(11, 19);

export const since = (time) => (Date.now() - new Date(time).getTime()) / 1000;
