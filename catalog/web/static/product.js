// A product: its row, its cached copy, and every update that was received for it.

import { get, isLocal } from "./api.js";
import { chip, count, el, fill, many, table } from "./dom.js";

const form = document.querySelector("#search");
const input = document.querySelector("#product-id");
const suggested = document.querySelector("#suggested");
const state = document.querySelector("#product-state");
const box = document.querySelector("#product .product");
let asked = 0;
let typing = null;

export function openProduct() {
  form.addEventListener("submit", (event) => { event.preventDefault(); show(input.value); });
  input.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(suggest, 150); });
}

async function suggest() {
  try {
    fill(suggested, (await get("api/products", { begin: input.value })).map((id) => el("option", { value: id })));
  } catch {
    fill(suggested); // the search itself says what is wrong
  }
}

async function show(id) {
  const number = ++asked;
  if (!id) return;
  state.textContent = "Reading the row and the cache …";
  fill(box);
  try {
    const { product, damaged } = await get("api/product", { id });
    if (number !== asked) return;
    fill(box, product ? [row(product), cached(product)] : el("p", {}, "The catalog has no such product."), damaged.length ? el("p", { class: "message" }, `Damaged: ${damaged.join("; ")}`) : null);
    state.textContent = "";
  } catch (error) {
    if (number === asked) state.textContent = error.message;
  }
  if (number === asked) await showHistory(id, number, isLocal ? null : 1);
}

async function showHistory(id, number, days) {
  const place = el("div", { class: "history" }, el("h3", {}, "History"), el("p", { class: "hint" }, "Reading the archive …"));
  box.querySelector(".history")?.remove();
  box.append(place);
  try {
    const told = await get("api/history", { id, days });
    if (number !== asked) return;
    const span = told.days ? ` of ${many(told.days, "day")}` : "";
    const verdict = told.differences === null ? null : told.differences.length ? chip("bad", `the row differs: ${told.differences.join("; ")}`) : chip("ok", "the row is what these updates make");
    fill(place, el("h3", {}, "History"),
      el("p", { class: "hint" }, `${many(told.received, "update")} in ${many(told.objects, "object")}${span} of the archive, in version order. `, verdict),
      told.updates.length ? table("History", ["number", "event time, arrived", "supplier", "update", "outcome"], told.updates.map(update)) : null,
      isLocal ? null : spans(id, number, told.days));
  } catch (error) {
    if (number === asked) fill(place, el("h3", {}, "History"), el("p", { class: "message" }, error.message), isLocal ? null : spans(id, number, days));
  }
}

function spans(id, number, days) {
  const buttons = [1, 7, 30, 365].map((some) => {
    const button = el("button", { type: "button", "aria-pressed": String(some === days) }, many(some, "day"));
    button.addEventListener("click", () => showHistory(id, number, some));
    return button;
  });
  return el("p", { class: "spans" }, "Read ", buttons);
}

function row(product) {
  const rows = product.fields.map((field) => [
    el("b", {}, field.name),
    el("span", { class: "value" }, shown(field.value)),
    field.version ? [shorter(field.event_time), el("br"), el("small", {}, `arrived ${shorter(field.arrived)}`)] : "never sent",
    field.supplier ?? "–",
    field.object ? el("code", {}, `${field.object} line ${field.line}`) : "–",
    [field.fault ? chip("bad", field.fault) : null, field.repair ? chip("wait", `repaired: ${field.repair.reason ?? ""}`) : null].filter(Boolean),
  ]);
  return [el("h3", {}, el("code", {}, product.product_id)), el("p", { class: "hint" }, `The row, last updated ${shorter(product.last_updated)} UTC; each field with the record that wrote it.`),
    table("Row", ["field", "value", "event time", "supplier", "archive", "finding"], rows)];
}

function cached({ cache, is_pending: isPending }) {
  const kinds = { equal: "ok", "not cached": "quiet" };
  const expires = cache.expires_in_seconds === null ? "" : ` It expires in ${Math.round(cache.expires_in_seconds)} s.`;
  return el("div", { class: "cached" }, el("h3", {}, "Cached copy"),
    el("p", {}, chip(kinds[cache.state] ?? "bad", cache.state === "equal" ? "equal to the row" : cache.state), ` ${cache.fault ?? ""}${expires}`, isPending ? " Its invalidation is pending." : ""),
    cache.copy ? el("pre", { tabIndex: 0, role: "region", "aria-label": "Cached copy" }, printable(cache.copy)) : null);
}

function became_of({ state, by }) {
  if (state === "current") return chip("ok", state);
  if (state === "missing") return chip("bad", "not in the row");
  return chip("quiet", by === null ? state : `${state}${state === "replaced" ? " by" : ""} ${by}`);
}

function update(one) {
  const values = Object.entries(one.values).map(([name, value]) => el("div", {}, `${name} `, el("b", {}, shown(value))));
  const repair = one.repair ? [el("small", {}, `repaired ${one.repair.at.slice(0, 19)}: ${one.repair.reason ?? ""}`)] : [];
  const became = one.became.map((number) => el("div", {}, `became ${number}`));
  const outcome = one.reason
    ? [chip("bad", `rejected: ${one.reason}`), ...became]
    : Object.entries(one.outcomes).map(([name, told]) => el("div", {}, `${name} `, became_of(told)));
  return [count(one.number), [shorter(one.event_time ?? "–"), el("br"), el("small", {}, `arrived ${shorter(one.arrived)}`)], one.supplier ?? "–",
    one.reason ? [el("small", {}, one.message ?? "")] : [...values, ...repair], outcome];
}

const shown = (value) => (value === null ? "–" : printable(String(value)));
const shorter = (time) => time.replace("T", " ").replace(/(\.\d*?)0+Z$/, "$1").replace(/\.$|Z$|\+00:00$/, "");
// What would turn or hide the text around it is shown as its code.
const printable = (text) => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
