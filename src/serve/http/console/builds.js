// Generations of projections: what is built, what serves, what was replaced, and how their rows differ.

import { el } from "./dom.js";
import { facts, links, state, toProjection, when } from "./parts.js";
import { table } from "./table.js";
import { bytes, count, counted, rate, seconds, time } from "./units.js";

/** What is built or kept beside projections; nothing if that is nothing. */
export function builds(projections) {
  const all = projections.flatMap(beside);
  return all.length > 0 && table("Builds", BUILDS, all, { key: (one) => `${one.name} ${one.generation}` });
}

/** All generations of a projection. */
export function generations(item) {
  const all = [{ ...item, role: "serves" }, ...beside(item)];
  return table("Generations", GENERATIONS, all, { key: (one) => `${one.role} ${one.generation}` });
}

/** What is built beside a projection, and what was replaced and is kept. */
function beside({ name, build, kept }) {
  return [build && { name, role: "built", ...build }, kept && { name, role: "kept", ...kept }].filter(Boolean);
}

const BUILDS = [
  { name: "Projection", head: true, cell: (one) => links([one.name], toProjection) },
  { name: "Generation", number: true, cell: (one) => one.generation || "–" },
  { name: "State", cell: (one) => [state(one.state), one.message && el("div", { class: "aside words" }, one.message)] },
  { name: "Progress", cell: progress },
];

/** How far it is, source by source; of what is kept, until when. */
function progress(one) {
  if (one.role === "kept" && one.state === "failed") return "cannot be rolled back to";
  if (one.role === "kept") return ["can be rolled back to until ", when(new Date(one.untilUs / 1000).toISOString())];
  const bars = Object.entries(one.sources ?? {}).map(([source, { position, target }]) =>
    el(
      "div",
      { class: "progress" },
      el("progress", {
        max: Math.max(1, Number(target)),
        value: Number(position),
        "aria-label": `${one.name} from ${source}`,
      }),
      ` ${source} ${count(position)} of ${count(target)}`,
    ),
  );
  const pace = [
    one.sequencesPerSecond > 0 && `${rate(one.sequencesPerSecond)} sequences/s`,
    one.remainingSeconds > 0 && `${seconds(one.remainingSeconds)} left`,
    one.waitingSinceUs && `waits since ${time(new Date(one.waitingSinceUs / 1000))}`,
  ];
  return [bars, el("div", { class: "aside" }, pace.filter(Boolean).join(", "))];
}

const GENERATIONS = [
  { name: "Generation", head: true, cell: (one) => one.generation || "–" },
  { name: "Is", cell: (one) => one.role },
  { name: "State", cell: (one) => [state(one.state), one.message && el("div", { class: "aside words" }, one.message)] },
  { name: "Rows", number: true, cell: (one) => count(one.rows) },
  { name: "Memory", number: true, cell: (one) => bytes(one.stateBytes) },
  { name: "Progress", cell: (one) => (one.role === "serves" ? "–" : progress(one)) },
];

/** How the rows of what was built differ from those that serve. */
export function comparison(of) {
  const outcome = of.equal ? "equal" : "different";
  return [
    el("h2", {}, `What was built is ${outcome}`),
    facts([
      ["Rows", `${count(of.rowsBefore)} before, ${count(of.rowsNow)} now`],
      ["Only before", counted(of.onlyBefore, "key")],
      ["Only now", counted(of.onlyNow, "key")],
      ["With other values", counted(of.otherwise, "key")],
      ["Columns that are not compared", of.notCompared?.join(", ")],
    ]),
    of.differences?.length > 0 &&
      el(
        "details",
        {},
        el("summary", {}, "The first differences"),
        table("Keys whose rows differ", DIFFERENCES, of.differences),
      ),
  ];
}

const DIFFERENCES = [
  { name: "Key", head: true, cell: (one) => one.key },
  { name: "Is", cell: (one) => one.difference },
  {
    name: "Columns, before and now",
    cell: (one) =>
      Object.entries(one.columns ?? {}).map(([name, [before, now]]) =>
        el("div", {}, `${name}: ${before ?? "NULL"} → ${now ?? "NULL"}`),
      ),
  },
];
