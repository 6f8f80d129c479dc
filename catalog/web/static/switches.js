// Switches for trouble, of a kept local run only.

import { post } from "./api.js";
import { chip, el, fill } from "./dom.js";

const SWITCHES = [
  ["traffic", "Traffic", { running: ["stop-traffic", "Stop traffic"], stopped: ["start-traffic", "Start traffic"] }],
  ["cache", "Redis", { running: ["stop-cache", "Stop Redis"], stopped: ["start-cache", "Start Redis"] }],
  ["database", "PostgreSQL", { running: ["stop-database", "Stop PostgreSQL"], stopped: ["start-database", "Start PostgreSQL"] }],
  ["network", "Network", { whole: ["cut-network", "Cut the network"], cut: ["heal-network", "Heal the network"] }],
];
const ONCE = [
  ["poison", "Send poison records", "a bad record of each kind, and hostile ones"],
  ["shuffle", "Duplicate and shuffle", "updates of 25 products, each several times, in any order"],
  ["rotate-password", "Rotate the password", "of the processor's database role; its sessions end"],
];
const KINDS = { running: "ok", whole: "ok", stopped: "bad", cut: "bad" };

const section = document.querySelector("#switches");
const box = section.querySelector(".switches");
const onceBox = section.querySelector(".once");
const message = section.querySelector(".message");
let busy = false;
let shown = null;

async function act(word, text) {
  busy = true;
  show();
  message.textContent = `${text} …`;
  try {
    const answer = await post("api/switch", { do: word });
    message.textContent = answer.sent === null ? `${text}: done.` : `${text}: ${answer.sent} records sent.`;
  } catch (error) {
    message.textContent = `${text}: ${error.message}`;
  }
  busy = false;
  show();
}

function button(word, text) {
  // Not `disabled`, which would take the keyboard's focus away.
  const made = el("button", { type: "button", "aria-disabled": String(busy), data: { word } }, text);
  made.addEventListener("click", () => busy || act(word, text));
  return made;
}

function show() {
  const focused = document.activeElement?.closest?.("[data-switch]")?.dataset.switch;
  const words = new Set(shown.words);
  const switches = SWITCHES.filter(([name, , by]) => by[shown[name]] && words.has(by[shown[name]][0])).map(([name, label, by]) => {
    const state = shown[name];
    const kind = name === "traffic" && state === "stopped" ? "quiet" : KINDS[state];
    return el("div", { class: "switch", data: { switch: name } }, el("h3", {}, label), chip(kind, state), button(...by[state]));
  });
  const once = ONCE.filter(([word]) => words.has(word)).map(([word, text, note]) =>
    el("div", { class: "switch", data: { switch: word } }, button(word, text), el("p", { class: "hint" }, note)));
  fill(box, switches);
  fill(onceBox, once);
  if (focused) section.querySelector(`[data-switch="${focused}"] button`)?.focus();
}

export function showSwitches(state) {
  section.hidden = false;
  if (state.error) {
    message.textContent = state.error;
    return;
  }
  if (shown && JSON.stringify(pick(shown)) === JSON.stringify(pick(state))) return;
  shown = state;
  show();
}

const pick = (state) => [...SWITCHES.map(([name]) => state[name]), state.words];
