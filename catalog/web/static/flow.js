// Throughput, lag and pending invalidations as they move, and the stages of a batch.

import { isLocal } from "./api.js";
import { Chart } from "./charts.js";
import { chip, clock, count, duration, el, fill, many, table } from "./dom.js";

const MOST = 600;
const BATCHES = 7;
// What one second brings depends on when batches end; five show how it goes.
const MEAN = 5;
const STAGES = ["decode", "archive", "quarantine", "catalog", "invalidate"];
const NOTES = {
  decode: "bytes to updates",
  archive: "every record to S3",
  quarantine: "rejected ones to S3",
  catalog: "fold, upsert, invalidate",
  invalidate: "of it: delete cached copies",
};

const rate = (number) => number.toFixed(number < 10 ? 1 : 0);
const figures = document.querySelector(".figures");
const batchBox = document.querySelector("#batch .batch");
let moments = [];
let chosen = null;
let charts = null;

function open() {
  const parent = document.querySelector(".charts");
  const line = (label, colour, name, more = {}) => ({ label, colour, value: (moment) => moment[name], shown: rate, ...more });
  charts = [
    new Chart(parent, "Records a second", [
      line("received", "--blue", "received", { fill: true }),
      line("accepted", "--green", "accepted"),
      line("rejected", "--red", "rejected"),
    ]),
    new Chart(parent, "Lag: age of the oldest record not done", [line("lag", "--violet", "lag_seconds", { fill: true, shown: duration })]),
  ];
  if (isLocal) {
    charts.push(new Chart(parent, "Pending invalidations", [line("pending", "--amber", "pending", { fill: true, shown: count })]));
  }
}

const names = ["received", "accepted", "rejected", "changed"];

function meanOf(all) {
  return all.map((moment, place) => {
    const some = all.slice(Math.max(0, place - MEAN + 1), place + 1);
    const means = names.map((name) => [name, some.reduce((sum, one) => sum + one[name], 0) / some.length]);
    return { ...moment, ...Object.fromEntries(means) };
  });
}

export function showFlow(data) {
  charts ?? open();
  moments = (data.replace ? data.moments : [...moments, ...data.moments]).slice(-MOST);
  const shown = data.every_seconds === 1 ? meanOf(moments) : moments;
  charts.forEach((chart) => chart.show(shown, data.every_seconds));
  const last = shown.at(-1);
  setFigure("received", "Records a second", last?.received == null ? "–" : rate(last.received));
  setFigure("lag", "Lag", duration(last?.lag_seconds));
}

export function setFigure(id, label, value, kind = "") {
  let box = figures.querySelector(`[data-figure=${id}]`);
  if (!box) {
    box = el("div", { data: { figure: id } }, el("dt", {}, label), el("dd"));
    figures.append(box);
  }
  box.className = kind;
  const text = box.lastChild;
  if (text.textContent !== value) text.textContent = value;
}

export function showBatches(batches) {
  if (!batches.length) {
    fill(batchBox, el("p", { class: "hint" }, "No batch yet."));
    return;
  }
  const last = batches.at(-1);
  const batch = batches.find((one) => one.request_id === chosen) ?? last;
  if (batch === last) chosen = null;
  const rows = batches.slice(-BATCHES).reverse().map((one) => {
    const button = el("button", { type: "button", class: "link", "aria-pressed": String(one === batch), data: { batch: one.request_id } }, clock(one.at));
    button.addEventListener("click", () => {
      chosen = one.request_id;
      showBatches(batches);
      batchBox.querySelector(`[data-batch="${CSS.escape(chosen)}"]`)?.focus();
    });
    const rejected = Object.values(one.rejected).reduce((sum, number) => sum + number, 0);
    const state = one.is_unfinished ? chip("bad", "comes again") : one.pending_added ? chip("wait", "done, cache later") : chip("ok", "done");
    return [button, count(one.records), count(one.accepted), count(rejected), count(one.products_changed), count(one.pending_added), state];
  });
  const focused = document.activeElement?.dataset?.batch;
  fill(
    batchBox,
    stages(batch.stage_ms, `${many(batch.records, "record")} at ${clock(batch.at)}${batch === last ? ", the last batch" : ""}`),
    table("The last batches", ["ended", "records", "accepted", "rejected", "products", "pending", "state"], rows),
  );
  if (focused) batchBox.querySelector(`[data-batch="${CSS.escape(focused)}"]`)?.focus();
}

export function showAverage(averages) {
  const known = Object.fromEntries(Object.entries(averages).filter(([, value]) => value !== null));
  fill(
    batchBox,
    Object.keys(known).length
      ? stages(known, "on average, in the last minute that CloudWatch has")
      : el("p", { class: "hint" }, "CloudWatch has no stage times of the last hour."),
  );
}

// After decoding, three things happen at the same time; invalidating is the end of the catalog's.
function stages(spent, caption) {
  const decode = spent.decode ?? 0;
  const begins = { decode: 0, archive: decode, quarantine: decode, catalog: decode, invalidate: decode + (spent.catalog ?? 0) - (spent.invalidate ?? 0) };
  const total = Math.max(...STAGES.map((name) => begins[name] + (spent[name] ?? 0)), 0.1);
  const rows = STAGES.filter((name) => spent[name] !== undefined).map((name) => {
    const bar = el("span", { class: `bar ${name}` });
    bar.style.marginInlineStart = `${(Math.max(begins[name], 0) / total) * 100}%`;
    bar.style.inlineSize = `${Math.max((spent[name] / total) * 100, 0.6)}%`;
    return el("li", {}, el("span", { class: "stage" }, el("b", {}, name), el("small", {}, NOTES[name])), el("span", { class: "track" }, bar), el("span", { class: "ms" }, `${spent[name].toFixed(1)} ms`));
  });
  return el("figure", { class: "stages" }, el("figcaption", {}, `${caption}: `, el("b", {}, `${total.toFixed(1)} ms`)), el("ol", {}, rows));
}
