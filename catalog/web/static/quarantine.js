// Quarantine: why records were rejected, their bytes, and a fix to try, confirm and send.

import { environment, get, isLocal, post } from "./api.js";
import { clock, count, el, fill, many, terms } from "./dom.js";

const BY_HAND = "by hand";
const FIRST_BYTES = 256;
const ROW = 16;

const state = document.querySelector("#quarantine-state");
const reasonsBox = document.querySelector("#quarantine .reasons");
const list = document.querySelector("#quarantine .records");
const detail = document.querySelector("#record");
let reason = null;
let chosen = null;
let counted = null;
let waiting = null;

export function openQuarantine() {
  document.querySelector("#quarantine-again").addEventListener("click", read);
  read();
}

// Read again when the counts have changed, but not while they go on changing.
export function quarantineChanged(byReason) {
  const now = JSON.stringify(byReason);
  if (counted !== null && counted !== now) {
    clearTimeout(waiting);
    waiting = setTimeout(read, 500);
  }
  counted = now;
}

async function read() {
  try {
    show(await get("api/quarantine", { reason }));
  } catch (error) {
    state.textContent = error.message;
  }
}

function show(listing) {
  const since = listing.since ? ` since ${listing.since.slice(0, 16)} (UTC)` : "";
  state.textContent = listing.records ? `${many(listing.records, "record")} not mended${since}; the newest ${count(listing.newest.length)}:` : `Nothing to mend${since}.`;
  if (listing.damaged.length) state.textContent += ` ${many(listing.damaged.length, "line")} cannot be read (catalog quarantine list).`;
  const focused = document.activeElement?.dataset;
  const totals = new Map();
  for (const one of listing.counts) totals.set(one.reason, (totals.get(one.reason) ?? 0) + one.records);
  if (reason && !totals.has(reason)) totals.set(reason, 0);
  const buttons = [...totals].map(([name, records]) => {
    const button = el("button", { type: "button", class: "reason", "aria-pressed": String(name === reason), data: { reason: name } }, name, " ", el("b", {}, count(records)));
    button.addEventListener("click", () => { reason = name === reason ? null : name; read(); });
    return button;
  });
  fill(reasonsBox, buttons);
  fill(list, listing.newest.map(row));
  const again = focused?.record ? list.querySelector(`[data-record="${focused.record}"]`) : focused?.reason ? reasonsBox.querySelector(`[data-reason="${focused.reason}"]`) : null;
  again?.focus();
  if (chosen === null && listing.newest.length) choose(listing.newest[0].id);
}

function row(record) {
  const button = el("button", { type: "button", "aria-pressed": String(record.id === chosen), data: { record: record.id } },
    el("span", { class: "what" }, record.reason), el("span", { class: "when" }, record.arrival_time.slice(11, 19)),
    el("span", { class: "why" }, record.message));
  button.addEventListener("click", () => choose(record.id));
  return el("li", {}, button);
}

async function choose(id, said = null) {
  if (chosen !== id) fill(detail, el("p", { class: "hint" }, "Reading …"));
  chosen = id;
  for (const button of list.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.record === id));
  try {
    const record = await get(`api/quarantine/${encodeURIComponent(id)}`);
    if (chosen === id) showRecord(record, said);
  } catch (error) {
    fill(detail, el("p", { class: "message" }, error.message));
  }
}

function showRecord(record, said) {
  const bytes = Uint8Array.from(atob(record.data_base64), (character) => character.charCodeAt(0));
  const isDone = record.redriven !== null;
  fill(
    detail,
    el("h3", {}, "Record ", el("code", {}, record.id)),
    el("p", { class: "message", role: "status" }, said ?? (isDone ? `It was sent again, ${record.redriven}.` : "")),
    terms([
      ["Reason", [el("code", {}, record.reason), ` ${record.sentence}`]],
      ["Found", record.message],
      ["For the supplier", record.remedy],
      ["Supplier", record.supplier ?? "unknown"],
      ["Arrived", `${record.arrival_time.slice(0, 19).replace("T", " ")} UTC`],
      ["Partition key", el("code", {}, record.partition_key ?? "none")],
      ["In the stream", el("code", {}, `${record.shard} ${record.sequence_number}`)],
      ["In S3", el("code", {}, `${record.key} line ${record.line}`)],
    ]),
    el("h4", {}, `Its ${many(record.bytes, "byte")}`),
    hexdump(bytes),
    isDone ? null : fixes(record),
  );
}

// Offset, bytes and printable ASCII. All of it is text.
function hexdump(bytes) {
  const box = el("pre", { class: "bytes", tabIndex: 0, role: "region", "aria-label": "Bytes" });
  const dump = (most) => {
    const lines = [];
    for (let begin = 0; begin < Math.min(bytes.length, most); begin += ROW) {
      const some = [...bytes.slice(begin, Math.min(begin + ROW, most))];
      const hex = some.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
      const text = some.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
      lines.push(`${begin.toString(16).padStart(6, "0")}  ${hex.padEnd(ROW * 3)} ${text}`);
    }
    box.textContent = lines.join("\n") || "no bytes";
  };
  dump(FIRST_BYTES);
  if (bytes.length <= FIRST_BYTES) return box;
  const more = el("button", { type: "button" }, `Show all ${count(bytes.length)} bytes`);
  more.addEventListener("click", () => { dump(bytes.length); more.remove(); box.focus(); });
  return [box, more];
}

function fixes(record) {
  const able = record.options.filter((option) => !option.why_not);
  const unable = record.options.filter((option) => option.why_not);
  return [
    el("h4", {}, "What would mend it"),
    el("ul", { class: "fixes" }, able.map((option) => el("li", {}, el("p", {}, el("b", {}, option.rule), ` ${option.does}`), offer(record, option)))),
    unable.length ? el("ul", { class: "unable hint" }, unable.map((option) => el("li", {}, `${option.rule}: ${option.why_not}`))) : null,
    byHand(record),
  ];
}

// What a dry run shows, and on a local run the way to send it.
function offer(record, option, text = null) {
  const same = option.before === option.after;
  const change = same ? el("p", { class: "hint" }, "The same bytes, checked by today's rules.") : [
    el("p", { class: "hint" }, "Dry run: it would become"),
    el("pre", { class: "after", tabIndex: 0, role: "region", "aria-label": `After ${option.rule}` }, option.after),
  ];
  if (!isLocal) return [change, el("p", { class: "hint" }, "To send it, type:"), el("pre", { class: "command", tabIndex: 0, role: "region", "aria-label": `Command for ${option.rule}` }, command(record, option))];
  const button = el("button", { type: "button", class: "primary" }, same ? "Send it again …" : "Send this …");
  const box = el("div", { class: "confirm" }, button);
  button.addEventListener("click", () => confirm(box, button, record, option, text));
  return [change, box];
}

function confirm(box, before, record, option, text) {
  const why = el("input", { required: true, maxLength: 200, autocomplete: "off" });
  const message = el("p", { class: "message", role: "status" });
  const send = el("button", { type: "submit", class: "primary" }, "Send 1 record");
  const cancel = el("button", { type: "button" }, "Cancel");
  const form = el("form", {}, el("label", {}, "Why, for catalog history ", why), send, cancel, message);
  cancel.addEventListener("click", () => { fill(box, before); before.focus(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    message.textContent = "Sending …";
    try {
      const done = await post("api/send", { id: record.id, rule: option.rule, text, sha256: option.sha256, reason: why.value });
      const failed = [...done.failures, ...done.rejected_again.map((reason) => `rejected again: ${reason}`)];
      await choose(record.id, failed.length ? failed.join("; ") : "Sent, and accepted by the processor.");
      read();
    } catch (error) {
      message.textContent = error.message;
      send.disabled = false;
    }
  });
  fill(box, form);
  why.focus();
}

function byHand(record) {
  const text = el("textarea", { rows: 4, spellcheck: false, value: record.editable });
  const result = el("div", { role: "status" });
  const button = el("button", { type: "submit" }, "Try");
  const form = el("form", { class: "by-hand" }, el("label", {}, "Or write what it should have been", text), button, result);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const tried = await post("api/try", { id: record.id, rule: BY_HAND, text: text.value });
      fill(result, tried.why_not ? el("p", { class: "message" }, tried.why_not) : offer(record, tried, text.value));
    } catch (error) {
      fill(result, el("p", { class: "message" }, error.message));
    }
  });
  return form;
}

function command(record, option) {
  if (option.rule === "as it is") return `catalog quarantine redrive ${record.id} --env ${environment}`;
  if (option.rule === BY_HAND) return `catalog quarantine fix ${record.id} --editor --env ${environment}`;
  return `catalog quarantine fix ${record.id} --rule "${option.rule}" --env ${environment}`;
}
