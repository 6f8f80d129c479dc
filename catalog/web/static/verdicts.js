// The invariants: what each promises, and what was measured last.

import { isLocal, post } from "./api.js";
import { chip, clock, duration, el, fill } from "./dom.js";

const PROMISES = {
  I1: "Each row is the fold of its accepted updates, whatever the order.",
  I2: "Every record is in the archive, byte for byte.",
  I3: "Every rejected record is in quarantine, with its reason.",
  I4: "Once things are quiet, no cached product is older than its row.",
  I5: "What is acknowledged is durable.",
  I6: "Updates reach the catalog without the cache.",
};
const CHIPS = { holds: ["ok", "holds"], broken: ["bad", "broken"], unknown: ["quiet", "not known"] };

const button = document.querySelector("#check");
const state = document.querySelector("#check-state");
const list = document.querySelector(".verdicts");
let hasAsked = false;

const check = () => post("api/check").catch((error) => { state.textContent = error.message; });
button.addEventListener("click", check);

export function showVerdicts({ verdicts, checking_since: checking, took_seconds: took, scope }) {
  button.disabled = Boolean(checking);
  state.textContent = checking
    ? `Checking ${scope}, since ${clock(checking)} …`
    : took ? `Checked ${scope}; it took ${duration(took)}.` : `I1 to I5 are checked when you ask, on ${scope}.`;
  fill(list, verdicts.map((one) => {
    const [kind, text] = CHIPS[one.state];
    return el("li", { class: one.state, data: { invariant: one.id } },
      el("h3", {}, el("span", { class: "id" }, one.id), ` ${one.name}`), chip(kind, text),
      el("p", { class: "promise" }, PROMISES[one.id]),
      el("p", { class: "detail" }, one.detail),
      one.by ? el("p", { class: "by" }, one.at ? `${clock(one.at)}, by ${one.by}` : `by ${one.by}`) : null);
  }));
  // A local run is small enough to be checked when the page opens.
  const isUnchecked = !checking && took === null;
  if (isLocal && isUnchecked && !hasAsked) {
    hasAsked = true;
    check();
  }
}
