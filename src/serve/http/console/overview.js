// The overview: whether all is well, the projections, the sources, and what is built.

import { el } from "./dom.js";
import { get, query } from "./api.js";
import { builds } from "./builds.js";
import { freshness, state, toProjection, toSource, when } from "./parts.js";
import { promise } from "./promise.js";
import { rateOf, remember } from "./remember.js";
import { table } from "./table.js";
import { bytes, count, counted, rate, seconds } from "./units.js";

export const overview = { title: () => "Overview", load, view };

async function load() {
  const [ready, projections, sources] = await Promise.all([get("/readyz"), get("/v1/projections"), get("/v1/sources")]);
  remember(sources.items);
  // A source's own count lacks those that only single projections cannot take.
  const totals = await Promise.all(
    sources.items.map(async ({ name }) => (await get("/v1/parked" + query({ source: name, pageSize: 1 }))).page.total),
  );
  const withParked = sources.items.map((source, place) => ({ ...source, parkedInAll: totals[place] }));
  return { ready, projections: projections.items, sources: withParked, freshness: sources.freshness };
}

function view({ ready, projections, sources, freshness: of }) {
  return [
    el("h1", {}, "Overview"),
    readiness(ready),
    freshness(of),
    table("Projections", COLUMNS, projections, {
      key: (one) => one.name,
      note: projections.some((one) => one.slo) && "SLO: share of the time within the promised lag",
    }),
    table("Sources", SOURCES, sources, {
      key: (one) => one.name,
      note: "rates since this page was opened, of 30 seconds at most",
    }),
    builds(projections),
  ];
}

function readiness({ status, reasons, warnings }) {
  return [
    reasons.length > 0 &&
      el(
        "div",
        { class: "note busy" },
        el("strong", {}, `The daemon is ${status}`),
        el(
          "ul",
          {},
          reasons.map((reason) => el("li", {}, reason)),
        ),
      ),
    warnings.length > 0 &&
      el(
        "div",
        { class: "note busy" },
        el("strong", {}, "To be mended by a person"),
        el(
          "ul",
          {},
          warnings.map((warning) => el("li", {}, warning)),
        ),
      ),
  ];
}

const COLUMNS = [
  {
    name: "Projection",
    head: true,
    cell: (one) => [
      el("a", { href: toProjection(one.name) }, one.name),
      el("span", { class: "aside" }, ` ${one.kind}`),
    ],
  },
  {
    name: "State",
    cell: (one) => [
      state(one.state),
      one.freshness &&
        one.freshness.state !== "live" &&
        one.freshness.state !== one.state && [" ", state(one.freshness.state)],
      one.error && el("div", { class: "aside words" }, one.error),
    ],
  },
  {
    name: "Lag",
    number: true,
    cell: (one) =>
      one.freshness
        ? [
            seconds(one.freshness.lagSeconds),
            el("div", { class: "aside" }, counted(one.freshness.lagEvents, "sequence")),
          ]
        : "–",
  },
  { name: "SLO, last hour", number: true, cell: promise },
  { name: "Rows", number: true, cell: (one) => (one.kind === "view" ? "–" : count(one.rows)) },
  { name: "Memory", number: true, cell: (one) => (one.kind === "view" ? "–" : bytes(one.stateBytes)) },
];

const SOURCES = [
  {
    name: "Source",
    head: true,
    cell: (one) => [
      el("a", { href: toSource(one.name) }, one.name),
      el("span", { class: "aside" }, one.stream ? ` stream ${one.stream}` : " file"),
    ],
  },
  { name: "State", cell: (one) => [state(one.state), one.message && el("div", { class: "aside words" }, one.message)] },
  {
    name: "Position",
    number: true,
    cell: (one) => [count(one.position), el("div", { class: "aside" }, `of ${count(one.lastSequence)}`)],
  },
  { name: "Rate", number: true, cell: (one) => (rateOf(one.name) === null ? "–" : `${rate(rateOf(one.name))} /s`) },
  { name: "Watermark", cell: (one) => when(one.watermark, true) },
  { name: "Parked", number: true, cell: parked },
];

function parked({ name, parked, parkedInAll }) {
  if (parkedInAll === 0) return "0";
  const ofSource = Object.values(parked).reduce((sum, one) => sum + one, 0);
  return [
    el("a", { href: "#/parked" + query({ source: name }) }, counted(parkedInAll, "event")),
    el("div", { class: "aside" }, `${count(ofSource)} of them for all projections`),
  ];
}
