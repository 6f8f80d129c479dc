// The parts of `catalog status`, each with when it was read.

import { noteAway } from "./charts.js";
import { chip, clock, count, duration, el, fill, many, since, size } from "./dom.js";
import { setFigure } from "./flow.js";

const list = document.querySelector(".parts");
const known = new Map();

const LABELS = {
  alarms: "Alarms", lag: "Lag", throughput: "Throughput", failures: "Failed batches", rejections: "Rejected",
  pending: "Invalidations", database: "Database", cache: "Cache",
};

const SAY = {
  alarms(alarms) {
    const on = alarms.filter((alarm) => alarm.state === "ALARM");
    setFigure("alarms", "Alarms on", count(on.length), on.length ? "bad" : "");
    if (!alarms.length) return ["quiet", "CloudWatch has none of this environment"];
    return on.length ? ["bad", on.map((alarm) => `${alarm.name}: ${alarm.reason}`).join("; ")] : ["ok", `none of ${alarms.length} is on`];
  },
  lag(lag) {
    const behind = lag.shards.filter((shard) => shard.behind_seconds !== 0);
    const worst = Math.max(0, ...behind.map((shard) => shard.behind_seconds ?? 0));
    const text = behind.length ? `${behind.length} behind, at most ${duration(worst)}` : "none behind in the archive";
    return [behind.length ? "wait" : "ok", `${many(lag.shards.length, "shard")}, ${text}`];
  },
  throughput(part) {
    const texts = Object.entries(part.counts).map(([name, counts]) => `${counts ? count(counts[0]) : "–"} ${name}`);
    return ["ok", `in 5 min: ${texts.join(", ")}`];
  },
  failures(part) {
    setFigure("failures", "Failed batches", count(part.objects), part.objects ? "bad" : "");
    return [part.objects ? "bad" : "ok", `${count(part.objects)} to redrive; about ${many(part.queue_messages, "message")}`];
  },
  rejections(part) {
    const total = Object.values(part.by_reason).reduce((sum, counts) => sum + counts[1], 0);
    setFigure("rejected", "Rejected in 24 h", count(total));
    const first = Object.entries(part.by_reason).slice(0, 3).map(([reason, counts]) => `${reason} ${count(counts[1])}`);
    return ["ok", total ? `in 24 h: ${count(total)}; ${first.join(", ")}, …` : "none in 24 h"];
  },
  pending(part) {
    setFigure("pending", "Pending invalidations", count(part.count), part.count ? "wait" : "");
    const oldest = part.oldest_at ? `, the oldest for ${duration(since(part.oldest_at))}` : "";
    return [part.count ? "wait" : "ok", `${count(part.count)} pending${oldest}`];
  },
  database(part) {
    const longest = part.longest_statement_seconds;
    const runs = longest === null ? "no statement runs" : `longest statement ${duration(longest)}`;
    const blocked = part.blockers.map((one) => `; statements wait for a lock of process ${one.pid} (${one.application || "no name"})`);
    return [blocked.length ? "bad" : "ok", `${part.connections} of ${part.connections_allowed} connections, ${size(part.size_bytes)}, ${runs}${blocked.join("")}`];
  },
  cache(part) {
    const hits = part.hit_rate === null ? "–" : `${(part.hit_rate * 100).toFixed(1)} %`;
    return ["ok", `${part.memory_bytes === null ? "–" : size(part.memory_bytes)}, ${count(part.evictions)} evictions, ${hits} hits`];
  },
};

export function showPart(name, { at, part }) {
  const isAway = Boolean(part.error);
  if (name === "cache" || name === "database") noteAway(name, isAway);
  const [kind, text] = isAway ? ["bad", part.error] : SAY[name](part);
  const before = known.get(name);
  known.set(name, { kind, text });
  if (before?.kind === kind && before.text === text) {
    list.querySelector(`[data-part=${name}] time`).textContent = clock(at);
    return;
  }
  const label = { ok: "well", bad: isAway ? "away" : "look", wait: "waiting", quiet: "–" }[kind];
  const item = el("li", { data: { part: name } }, el("h3", {}, LABELS[name]), chip(kind, label), el("p", {}, text), el("time", {}, clock(at)));
  const old = list.querySelector(`[data-part=${name}]`);
  if (old) old.replaceWith(item);
  else {
    const order = Object.keys(LABELS);
    fill(list, [...list.children, item].sort((a, b) => order.indexOf(a.dataset.part) - order.indexOf(b.dataset.part)));
  }
}

// All that is not well, for the head of the page.
export const troubles = () => [...known].filter(([, { kind }]) => kind === "bad").map(([name]) => LABELS[name].toLowerCase());
