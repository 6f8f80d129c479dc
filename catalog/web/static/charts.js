// Lines over the last minutes, with a band for each time that a part was away.

import uPlot from "./vendor/uPlot.esm.js";
import { el } from "./dom.js";

const HEIGHT = 160;
const SYNC = uPlot.sync("time");
const charts = new Set();
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Times when a part did not answer: {name, begin, end}, in seconds; `end` is null while it lasts.
const away = [];

export function noteAway(name, isAway) {
  const last = away.findLast((one) => one.name === name);
  const now = Date.now() / 1000;
  if (isAway && (!last || last.end !== null)) away.push({ name, begin: now, end: null });
  if (!isAway && last && last.end === null) last.end = now;
}

export class Chart {
  // lines: [{label, colour: a CSS variable, value: moment → number or null, shown: number → text}]
  constructor(parent, title, lines) {
    this.lines = lines;
    this.span = 600;
    this.values = lines.map(() => el("b"));
    this.box = el("div", { class: "plot", role: "img" });
    this.title = title;
    const keys = lines.map((line, place) => el("li", {}, el("i", { class: `key ${line.colour.slice(2)}` }), `${line.label} `, this.values[place]));
    parent.append(el("figure", { class: "chart" }, el("figcaption", {}, el("h3", {}, title), el("ul", { class: "legend" }, keys)), this.box));
    this.plot = new uPlot(this.options(), [[], ...lines.map(() => [])], this.box);
    new ResizeObserver(() => this.plot.setSize({ width: this.box.clientWidth, height: HEIGHT })).observe(this.box);
    charts.add(this);
  }

  options() {
    const axis = {
      stroke: () => colour("--muted"),
      grid: { stroke: () => colour("--line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
    };
    return {
      width: this.box.clientWidth || 300,
      height: HEIGHT,
      padding: [10, 8, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: SYNC.key }, drag: { x: false, y: false }, y: false, points: { size: 6 } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: {
        x: { range: () => [Date.now() / 1000 - this.span, Date.now() / 1000] },
        y: { range: (_, low, high) => [0, Math.max(high ?? 0, 1) * 1.15] },
      },
      axes: [
        { ...axis, space: 60, size: 26, values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toISOString().slice(11, 16)) },
        { ...axis, size: 46 },
      ],
      series: [
        {},
        ...this.lines.map((line) => ({
          stroke: () => colour(line.colour),
          fill: line.fill ? () => colour(`${line.colour}-fill`) : undefined,
          width: 2,
          spanGaps: false,
          points: { show: false },
        })),
      ],
      hooks: { drawAxes: [(plot) => bands(plot)], setCursor: [() => this.tell()] },
    };
  }

  show(moments, everySeconds) {
    this.span = everySeconds === 1 ? 600 : 3600;
    this.moments = moments;
    this.plot.setData([moments.map((moment) => moment.at), ...this.lines.map((line) => moments.map(line.value))]);
    this.tell();
  }

  // Write the values at the cursor, or the last ones.
  tell() {
    const place = this.plot?.cursor.idx ?? this.moments?.length - 1;
    const moment = this.moments?.[place];
    const texts = this.lines.map((line) => {
      const value = moment ? line.value(moment) : null;
      return value === null || value === undefined ? "–" : line.shown(value);
    });
    texts.forEach((text, line) => { if (this.values[line].textContent !== text) this.values[line].textContent = text; });
    const label = this.lines.map((line, number) => `${line.label} ${texts[number]}`).join(", ");
    this.box.setAttribute("aria-label", `${this.title}: ${label}`);
  }
}

function bands(plot) {
  const { ctx, bbox } = plot;
  const ends = new Map(); // where the last text of each part ends
  for (const { name, begin, end } of away) {
    const left = Math.max(plot.valToPos(begin, "x", true), bbox.left);
    const right = Math.min(plot.valToPos(end ?? Date.now() / 1000, "x", true), bbox.left + bbox.width);
    if (right <= bbox.left) continue;
    if (!ends.has(name)) ends.set(name, { row: ends.size, right: 0 });
    const before = ends.get(name);
    ctx.save();
    ctx.fillStyle = colour("--band");
    ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height);
    ctx.fillStyle = colour("--bad");
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    const text = `${name} away`;
    const { width } = ctx.measureText(text);
    const begins = Math.min(left + 4, bbox.left + bbox.width - width);
    if (begins > before.right) {
      ctx.fillText(text, begins, bbox.top + 2 + before.row * 14 * devicePixelRatio);
      before.right = begins + width + 8;
    }
    ctx.restore();
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.plot.redraw()));
