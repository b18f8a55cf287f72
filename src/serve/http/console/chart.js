// Freshness over the last hour as bars, one a minute, with the same as a table.

import { el, svg } from "./dom.js";
import { table } from "./table.js";
import { percent, seconds, time } from "./units.js";

const [WIDTH, HEIGHT, BAR] = [610, 96, 10];

/** `minutes` as the daemon keeps them, and the promise if there is one. */
export function freshnessChart(minutes, slo) {
  if (minutes.length === 0) return el("p", { class: "none" }, "Nothing was measured yet.");
  const most = Math.max(slo?.lagSeconds ?? 0, ...minutes.map((minute) => minute.lagSecondsMax ?? 0), 0.001) * 1.1;
  const first = Date.now() - 60 * 60_000;
  const bars = minutes.map((minute) => bar(minute, (new Date(minute.at) - first) / 60_000, most));
  const promise = slo && HEIGHT - (slo.lagSeconds / most) * HEIGHT;
  const missed = minutes.filter((minute) => minute.missedSeconds > 0).length;
  const unknown = minutes.filter((minute) => minute.lagSecondsMax === null).length;
  const greatest = Math.max(...minutes.map((minute) => minute.lagSecondsMax ?? 0));
  const summary = [
    `greatest lag ${seconds(greatest)}`,
    slo && `${missed} of ${minutes.length} minutes with time beyond the promised ${seconds(slo.lagSeconds)}`,
    unknown > 0 && `lag unknown in ${unknown}`,
  ]
    .filter(Boolean)
    .join("; ");
  return el(
    "figure",
    { class: "chart" },
    svg(
      "svg",
      {
        viewBox: `0 -4 ${WIDTH} ${HEIGHT + 8}`,
        role: "img",
        "aria-label": `Lag by minute over the last hour: ${summary}`,
        preserveAspectRatio: "none",
      },
      svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT, class: "axis" }),
      bars,
      slo && svg("line", { x1: 0, x2: WIDTH, y1: promise, y2: promise, class: "promise" }),
    ),
    el(
      "figcaption",
      {},
      el("span", { class: "ends" }, el("span", {}, "60 minutes ago"), el("span", {}, "now")),
      `Greatest lag of each minute: ${summary}.`,
      slo && " The dashed line is the promise; minutes with a cap have time beyond it.",
    ),
    el(
      "details",
      {},
      el("summary", {}, "The same as a table"),
      table("Freshness by minute", COLUMNS, [...minutes].reverse(), { key: (minute) => minute.at }),
    ),
  );
}

function bar(minute, place, most) {
  const isUnknown = minute.lagSecondsMax === null;
  const isMissed = minute.missedSeconds > 0 || isUnknown;
  // What nobody knows is drawn as high as there is room.
  const height = isUnknown ? HEIGHT : Math.max(2, (minute.lagSecondsMax / most) * HEIGHT);
  const x = Math.max(0, place) * BAR;
  return svg(
    "g",
    { class: isUnknown ? "unknown" : isMissed ? "missed" : "kept" },
    svg("title", {}, `${time(new Date(minute.at))}: ${seconds(minute.lagSecondsMax)}`),
    svg("rect", { x, y: HEIGHT - height, width: BAR - 2, height }),
    isMissed && svg("rect", { x: x - 1, y: HEIGHT - height - 3, width: BAR, height: 3, class: "cap" }),
  );
}

const COLUMNS = [
  { name: "Minute", head: true, cell: (minute) => time(new Date(minute.at)) },
  { name: "Greatest lag", number: true, cell: (minute) => seconds(minute.lagSecondsMax) },
  { name: "Measured", number: true, cell: (minute) => seconds(minute.observedSeconds) },
  { name: "Unknown", number: true, cell: (minute) => seconds(minute.unknownSeconds) },
  {
    name: "Within the promise",
    number: true,
    cell: (minute) =>
      minute.missedSeconds === undefined ? "–" : percent(1 - minute.missedSeconds / minute.observedSeconds),
  },
];
