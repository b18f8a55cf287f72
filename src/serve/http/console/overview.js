// The overview: whether all is well, the projections, the sources, and what is built.

import { el } from "./dom.js";
import { get, query } from "./api.js";
import { freshness, links, state, toProjection, toSource, when } from "./parts.js";
import { rateOf, remember } from "./remember.js";
import { table } from "./table.js";
import { bytes, count, counted, percent, rate, seconds, time } from "./units.js";

export const overview = { title: () => "Overview", load, view };

async function load() {
  const [ready, projections, sources] = await Promise.all([get("/readyz"), get("/v1/projections"), get("/v1/sources")]);
  remember(sources.items);
  // A source's own count lacks those that only single projections cannot take.
  const totals = await Promise.all(sources.items.map(async ({ name }) => (await get("/v1/parked" + query({ source: name, pageSize: 1 }))).page.total));
  const counted = sources.items.map((source, place) => ({ ...source, parkedInAll: totals[place] }));
  return { ready, projections: projections.items, sources: counted, freshness: sources.freshness };
}

function view({ ready, projections, sources, freshness: of }) {
  const beside = projections.filter((one) => one.build || one.kept);
  return [
    el("h1", {}, "Overview"),
    readiness(ready),
    freshness(of),
    table("Projections", COLUMNS, projections, { key: (one) => one.name, note: projections.some((one) => one.slo) && "SLO: share of the time within the promised lag" }),
    table("Sources", SOURCES, sources, { key: (one) => one.name, note: "rates since this page was opened, of 30 seconds at most" }),
    beside.length > 0 && table("Builds", BUILDS, beside.flatMap(generations), { key: (one) => `${one.name} ${one.generation}` }),
  ];
}

function readiness({ status, reasons, warnings }) {
  return [
    reasons.length > 0 && el("div", { class: "note busy" }, el("strong", {}, `The daemon is ${status}`), el("ul", {}, reasons.map((reason) => el("li", {}, reason)))),
    warnings.length > 0 && el("div", { class: "note busy" }, el("strong", {}, "To be mended by a person"), el("ul", {}, warnings.map((warning) => el("li", {}, warning)))),
  ];
}

const COLUMNS = [
  { name: "Projection", head: true, cell: (one) => [el("a", { href: toProjection(one.name) }, one.name), el("span", { class: "aside" }, ` ${one.kind}`)] },
  { name: "State", cell: (one) => [state(one.state), one.freshness && one.freshness.state !== "live" && one.freshness.state !== one.state && [" ", state(one.freshness.state)], one.error && el("div", { class: "aside words" }, one.error)] },
  { name: "Lag", number: true, cell: (one) => (one.freshness ? [seconds(one.freshness.lagSeconds), el("div", { class: "aside" }, counted(one.freshness.lagEvents, "sequence"))] : "–") },
  { name: "SLO, last hour", number: true, cell: slo },
  { name: "Rows", number: true, cell: (one) => (one.kind === "view" ? "–" : count(one.rows)) },
  { name: "Memory", number: true, cell: (one) => (one.kind === "view" ? "–" : bytes(one.stateBytes)) },
];

/** In which share of the time the promise was kept, and whether that is enough. */
export function slo({ slo, lastHour }) {
  if (!slo) return el("span", { class: "aside" }, "no promise");
  const promise = `${percent(slo.objective)} within ${seconds(slo.lagSeconds)}`;
  if (!lastHour?.observedSeconds) return [el("span", {}, "not measured yet"), el("div", { class: "aside" }, promise)];
  const kept = 1 - (lastHour.missedSeconds ?? 0) / lastHour.observedSeconds;
  const isKept = kept >= slo.objective;
  const over = lastHour.observedSeconds < 3300 ? ` over ${seconds(lastHour.observedSeconds)}` : "";
  return [
    el("span", { class: `state ${isKept ? "good" : "bad"}` }, el("span", { "aria-hidden": "true" }, isKept ? "✓" : "✕"), ` ${percent(kept)} ${isKept ? "kept" : "missed"}`),
    el("div", { class: "aside" }, promise + over),
  ];
}

const SOURCES = [
  { name: "Source", head: true, cell: (one) => [el("a", { href: toSource(one.name) }, one.name), el("span", { class: "aside" }, one.stream ? ` stream ${one.stream}` : " file")] },
  { name: "State", cell: (one) => [state(one.state), one.message && el("div", { class: "aside words" }, one.message)] },
  { name: "Position", number: true, cell: (one) => [count(one.position), el("div", { class: "aside" }, `of ${count(one.lastSequence)}`)] },
  { name: "Rate", number: true, cell: (one) => (rateOf(one.name) === null ? "–" : `${rate(rateOf(one.name))} /s`) },
  { name: "Watermark", cell: (one) => when(one.watermark, true) },
  { name: "Parked", number: true, cell: parked },
];

function parked({ name, parked, parkedInAll }) {
  if (parkedInAll === 0) return "0";
  const ofSource = Object.values(parked).reduce((sum, one) => sum + one, 0);
  return [el("a", { href: "#/parked" + query({ source: name }) }, counted(parkedInAll, "event")), el("div", { class: "aside" }, `${count(ofSource)} of them for all projections`)];
}

/** What is built beside a projection, and what was replaced and is kept. */
export function generations({ name, build, kept }) {
  return [build && { name, role: "built", ...build }, kept && { name, role: "kept", ...kept }].filter(Boolean);
}

const BUILDS = [
  { name: "Projection", head: true, cell: (one) => links([one.name], toProjection) },
  { name: "Generation", number: true, cell: (one) => one.generation || "–" },
  { name: "State", cell: (one) => [state(one.state), one.message && el("div", { class: "aside words" }, one.message)] },
  { name: "Progress", cell: progress },
];

/** How far it is, source by source; of what is kept, until when. */
export function progress(one) {
  if (one.role === "kept") return ["can be rolled back to until ", when(new Date(one.untilUs / 1000).toISOString())];
  const bars = Object.entries(one.sources ?? {}).map(([source, { position, target }]) =>
    el("div", { class: "progress" },
      el("progress", { max: Math.max(1, Number(target)), value: Number(position), "aria-label": `${one.name} from ${source}` }),
      ` ${source} ${count(position)} of ${count(target)}`));
  const pace = [
    one.sequencesPerSecond > 0 && `${rate(one.sequencesPerSecond)} sequences/s`,
    one.remainingSeconds > 0 && `${seconds(one.remainingSeconds)} left`,
    one.waitingSinceUs && `waits since ${time(new Date(one.waitingSinceUs / 1000))}`,
  ];
  return [bars, el("div", { class: "aside" }, pace.filter(Boolean).join(", "))];
}
