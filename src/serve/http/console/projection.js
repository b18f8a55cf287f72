// One projection: its state and freshness, what it is declared as, what it keeps, its generations and its rows.

import { el } from "./dom.js";
import { get, path } from "./api.js";
import { button } from "./actions.js";
import { comparison, generations } from "./builds.js";
import { freshnessChart } from "./chart.js";
import { steps } from "./history.js";
import { copy, facts, freshness, links, state, toProjection, toQuery, toSource } from "./parts.js";
import { promise } from "./promise.js";
import { pages, rowsOf } from "./rows.js";
import { table } from "./table.js";
import { bytes, count } from "./units.js";

export const projection = { title: ([name]) => `Projection ${name}`, load, view };

async function load({ names: [name], memory, draw }) {
  const [one, minutes, all, queries, history] = await Promise.all([
    get(path("v1", "projections", name)),
    get(path("v1", "projections", name) + "/freshness"),
    get("/v1/projections"),
    get("/v1/queries"),
    get("/v1/history?pageSize=200"),
  ]);
  memory.rows ??= pages(name, draw);
  if (memory.rows.isWanted()) await memory.rows.first();
  const readers = [...all.items, ...queries.items].filter((other) => (other.reads ?? []).includes(name));
  const done = history.items.filter((step) => step.subject === `projection ${name}`);
  return { item: one.item, freshness: one.freshness, minutes: minutes.items, readers, steps: done, rows: memory.rows };
}

function view({ item, freshness: of, minutes, readers, steps: done, rows }, { again, draw }) {
  const isView = item.kind === "view";
  return [
    el("h1", {}, `Projection ${item.name} `, state(item.state)),
    freshness(of),
    item.error && el("div", { class: `note ${item.state === "serving" ? "busy" : "bad"} words` }, item.error),
    !isView && el("p", { class: "buttons" }, actions(item, again)),
    summary(item, readers),
    el(
      "section",
      { "aria-labelledby": "freshness" },
      el("h2", { id: "freshness" }, "Freshness over the last hour"),
      item.slo && el("p", {}, "Promise: ", promise(item)),
      freshnessChart(minutes, item.slo),
    ),
    el(
      "section",
      { "aria-labelledby": "sql" },
      el("h2", { id: "sql" }, "SQL"),
      item.sql
        ? [
            el("pre", { tabindex: "0", "aria-label": "The SQL of the projection" }, el("code", {}, item.sql.trim())),
            copy("Copy the SQL", () => item.sql),
          ]
        : el("p", { class: "none" }, "Not known: an older build has computed these rows."),
    ),
    item.rowErrors?.length > 0 && table(`Rows in error: ${count(item.rowsInError)}`, ERRORS, item.rowErrors),
    !isView &&
      table("Operators", OPERATORS, item.operators, {
        key: (one) => one.index,
        note: "memory is of this projection, and counts for each that shares it",
      }),
    table("Columns", COLUMNS(item), item.columns, { key: (one) => one.name }),
    !isView && generations(item),
    item.build?.comparison && comparison(item.build.comparison),
    done.length > 0 && steps("What was done to it", done),
    rowsOf(item, rows, draw),
  ];
}

function actions({ name, state, build, kept }, again) {
  const isBuilt = build && !["failed", "rolled-back"].includes(build.state);
  return [
    state === "paused" ? button("resume", name, again) : button("pause", name, again),
    button("rebuild", name, again),
    button("verify", name, again),
    build?.state === "shadowing" && [
      button("promote", name, again),
      button("verify", name, again, { given: { built: true }, label: "Verify what was built" }),
    ],
    isBuilt && button("abort", name, again),
    kept && [kept.state !== "failed" && button("rollback", name, again), button("retire", name, again)],
  ];
}

function summary(item, readers) {
  const of = item.reads ?? [];
  const isOfSource = (name) => name.includes(".");
  return facts([
    ["Kind", item.kind],
    ["Owner", item.owner],
    ["Generation", item.kind !== "view" && item.generation],
    ["Rows", item.kind !== "view" && count(item.rows)],
    [
      "Memory",
      item.kind !== "view" &&
        el(
          "span",
          {},
          `${bytes(item.stateBytes)} of ${bytes(item.stateLimit)} `,
          el("meter", {
            min: 0,
            max: item.stateLimit,
            high: item.stateLimit * 0.8,
            value: item.stateBytes,
            "aria-label": "Share of the memory that it may take",
          }),
        ),
    ],
    ["On disk", item.diskBytes !== undefined && bytes(item.diskBytes)],
    ["Key", item.kind !== "view" && (item.key.join(", ") || "none: there is one row")],
    [
      "Reads",
      links(of, (name) => (isOfSource(name) ? toSource(name.slice(0, name.lastIndexOf("."))) : toProjection(name))),
    ],
    [
      "Read by",
      links(
        readers.map((one) => one.name),
        (name) => readerPage(readers.find((one) => one.name === name)),
      ),
    ],
    [
      "Counts from",
      item.since &&
        Object.entries(item.since)
          .map(([source, position]) => `${source}:${position}`)
          .join(", "),
    ],
  ]);
}

/** Projections and views have a kind; queries have none. */
function readerPage(reader) {
  return reader.kind ? toProjection(reader.name) : toQuery(reader);
}

const OPERATORS = [
  { name: "Operator", head: true, cell: (one) => `${one.index} ${one.name}` },
  {
    name: "Grows with",
    cell: (one) => [
      one.growsWith ?? "–",
      one.closedBy && el("div", { class: "aside" }, `closed by the watermark of ${one.closedBy}`),
    ],
  },
  { name: "Rows kept", number: true, cell: (one) => count(one.rows) },
  { name: "Memory", number: true, cell: (one) => bytes(one.bytes) },
  { name: "Rows looked at", number: true, cell: (one) => count(one.touched) },
  { name: "Shared with", cell: (one) => links(one.sharedWith ?? [], toProjection) },
];

const COLUMNS = (item) => [
  { name: "Column", head: true, cell: (one) => el("code", {}, one.name) },
  { name: "Type", cell: (one) => one.dataType },
  { name: "NULL", cell: (one) => (one.nullable ? "possible" : "never") },
  { name: "Key", cell: (one) => (item.key.includes(one.name) ? `${item.key.indexOf(one.name) + 1}.` : "–") },
];

const ERRORS = [
  { name: "Row", head: true, cell: (one) => one.row },
  { name: "Operator", cell: (one) => one.operator },
  { name: "Why", cell: (one) => one.message },
];
