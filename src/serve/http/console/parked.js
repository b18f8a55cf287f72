// Parked events: which there are and why, one of them with its payload, and what can be decided.

import { el } from "./dom.js";
import { get, path, query } from "./api.js";
import { button } from "./actions.js";
import { copy, facts, freshness, when } from "./parts.js";
import { payload } from "./payload.js";
import { table } from "./table.js";
import { bytes, count, counted } from "./units.js";

export const parkedEvents = { title: () => "Parked events", load, view };
export const parkedEvent = {
  title: ([source, sequence]) => `Parked event ${source} ${sequence}`,
  load: loadOne,
  view: viewOne,
};

const SIZE = 50;
const FILTERS = ["source", "projection", "type", "reason"];
const REASONS = [
  "missing_type",
  "unknown_type",
  "newer_version",
  "unknown_version",
  "malformed",
  "missing_field",
  "wrong_type",
  "out_of_range",
  "upcast",
  "projection",
];

async function load({ parameters }) {
  const wanted = Object.fromEntries(FILTERS.map((name) => [name, parameters[name]]));
  const [answer, sources, projections] = await Promise.all([
    get("/v1/parked" + query({ ...wanted, pageSize: SIZE, pageToken: parameters.after })),
    get("/v1/sources"),
    get("/v1/projections"),
  ]);
  const types = [...new Set(sources.items.flatMap((source) => (source.types ?? []).map((type) => type.name)))];
  const choices = {
    source: sources.items.map((one) => one.name),
    projection: projections.items.filter((one) => one.kind !== "view").map((one) => one.name),
    type: types,
    reason: REASONS,
  };
  return { ...answer, wanted, choices };
}

function view({ items, page, freshness: of, wanted, choices }, { again }) {
  const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value));
  const words = Object.entries(given).map(([name, value]) => `${name} ${value}`);
  const told = `${counted(page.total, "parked event")}: ${words.join(", ")}`;
  return [
    el("h1", {}, "Parked events"),
    freshness(of),
    el(
      "p",
      {},
      "Events that some read models lack, and why. Correct the declaration and replay them, or give them up.",
    ),
    el(
      "form",
      { class: "filters", onsubmit: (event) => event.preventDefault() },
      FILTERS.map((name) => filter(name, wanted, choices[name])),
    ),
    el(
      "p",
      { class: "buttons" },
      button("replay", "", again),
      page.total > 0 &&
        words.length > 0 &&
        button("discard", "", again, { given: { which: given }, told, label: `Discard these ${count(page.total)}` }),
    ),
    table(counted(page.total, "parked event"), COLUMNS, items, {
      key: (one) => `${one.source} ${one.sequence} ${one.projection} ${one.generation}`,
    }),
    page.nextPageToken &&
      el("p", {}, el("a", { href: address({ ...wanted, after: page.nextPageToken }) }, "Next page")),
  ];
}

const address = (parameters) => "#/parked" + query(parameters);

function filter(name, wanted, choices) {
  const onchange = (event) => (location.hash = address({ ...wanted, [name]: event.target.value }));
  const option = (value) => el("option", { value, selected: (wanted[name] ?? "") === value }, value || "all");
  return el(
    "label",
    {},
    name,
    " ",
    el("select", { name, onchange, "data-key": `${name} ${wanted[name] ?? ""}` }, ["", ...choices].map(option)),
  );
}

const COLUMNS = [
  {
    name: "Event",
    head: true,
    cell: (one) =>
      el("a", { href: `#/event/${encodeURIComponent(one.source)}/${one.sequence}` }, `${one.source} ${one.sequence}`),
  },
  { name: "Type", cell: (one) => one.eventType ?? "–" },
  { name: "Missing in", cell: (one) => one.projection ?? "all projections" },
  {
    name: "Why",
    cell: (one) => [
      el("code", {}, one.reason),
      el("div", { class: "words" }, one.pointer && el("code", {}, one.pointer), one.pointer && " ", one.detail),
    ],
  },
  { name: "Published", cell: (one) => when(one.publishedAt) },
  { name: "Size", number: true, cell: (one) => bytes(one.bodyBytes) },
];

function loadOne({ names: [source, sequence] }) {
  return get(path("v1", "parked", source, sequence));
}

function viewOne({ item, freshness: of }, { again }) {
  const pointers = item.faults.map((fault) => fault.pointer).filter(Boolean);
  const given = { which: { source: item.source, sequences: [item.sequence] } };
  return [
    el("h1", {}, `Parked event ${item.source} ${item.sequence}`),
    freshness(of),
    el(
      "p",
      { class: "buttons" },
      button("replay", "", again),
      button("discard", "", again, {
        given,
        told: `Event ${item.sequence} of ${item.source}, for everything that it is parked for.`,
      }),
    ),
    table("Faults", FAULTS, item.faults),
    facts([
      ["Subject", item.subject],
      ["Published", when(item.publishedAt)],
      ["Size", bytes(item.bodyBytes)],
    ]),
    table("Headers", HEADERS, item.headers),
    el("h2", {}, "Payload"),
    body(item, pointers),
  ];
}

function body(item, pointers) {
  if (item.bodyText !== undefined)
    return [el("p", {}, "It is text and no JSON:"), el("pre", { tabindex: "0", class: "payload" }, item.bodyText)];
  if (item.bodyBase64 !== undefined)
    return [el("p", {}, "It is no text. In base64:"), el("pre", { tabindex: "0", class: "payload" }, item.bodyBase64)];
  return [payload(item.body, pointers), copy("Copy the payload", () => JSON.stringify(item.body))];
}

const FAULTS = [
  { name: "Missing in", head: true, cell: (one) => one.projection ?? "all projections" },
  { name: "Type", cell: (one) => one.eventType ?? "–" },
  { name: "Reason", cell: (one) => el("code", {}, one.reason) },
  { name: "Place", cell: (one) => (one.pointer ? el("code", {}, one.pointer) : "–") },
  { name: "Detail", cell: (one) => one.detail },
];

const HEADERS = [
  { name: "Header", head: true, cell: (one) => one.name },
  { name: "Value", cell: (one) => one.value },
];
