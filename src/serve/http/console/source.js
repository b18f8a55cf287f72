// One source: how far it is, what it declares, and what can be decided about it.

import { el } from "./dom.js";
import { get, path, query } from "./api.js";
import { button } from "./actions.js";
import { facts, freshness, state, when } from "./parts.js";
import { rateOf, remember } from "./remember.js";
import { table } from "./table.js";
import { count, counted, rate, seconds } from "./units.js";

export const source = { title: ([name]) => `Source ${name}`, load, view };

async function load({ names: [name] }) {
  const [answer, parked] = await Promise.all([
    get(path("v1", "sources", name)),
    get("/v1/parked" + query({ source: name, pageSize: 1 })),
  ]);
  remember([answer.item]);
  return { ...answer, parked: parked.page.total };
}

function view({ item, freshness: of, parked }, { again }) {
  const isStopped = item.state === "paused";
  return [
    el("h1", {}, `Source ${item.name} `, state(item.state)),
    freshness(of),
    item.message && el("div", { class: "note bad words" }, item.message),
    el(
      "p",
      { class: "buttons" },
      isStopped ? button("resume-source", item.name, again) : button("pause-source", item.name, again),
      item.state === "halted" && [button("accept-gap", item.name, again), button("reset", item.name, again)],
    ),
    facts([
      ["Reads", item.stream ? `the stream ${item.stream}` : "a file"],
      ["Position", `${count(item.position)} of ${count(item.lastSequence)}`],
      ["Lag", `${seconds(item.lagSeconds)}, ${counted(item.lagEvents, "sequence")}`],
      ["Rate, since this page was opened", rateOf(item.name) === null ? "–" : `${rate(rateOf(item.name))} sequences/s`],
      ["Watermark", when(item.watermark, true)],
      ["Late events", `${count(item.lateEvents)}, of which ${count(item.lateEventsDropped)} dropped`],
      ["Heard of", when(item.heardAt, true)],
      ["Caught up at", when(item.caughtUpAt, true)],
      ["Counts from sequence", item.since && count(item.since)],
      ["Lost before they were read", item.lost && counted(item.lost.messages, "message")],
      [
        "Parked",
        parked ? el("a", { href: "#/parked" + query({ source: item.name }) }, counted(parked, "event")) : "0 events",
      ],
    ]),
    table("Event types", TYPES(item), item.types ?? [], { key: (one) => one.name }),
  ];
}

const TYPES = (item) => [
  { name: "Type", head: true, cell: (one) => one.name },
  { name: "In SQL", cell: (one) => el("code", {}, `${item.name}.${one.table}`) },
  { name: "Version", number: true, cell: (one) => one.version },
  { name: "Parked for all projections", number: true, cell: (one) => count(item.parked[one.name] ?? 0) },
];
