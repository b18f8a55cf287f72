// One projection: its state and freshness, what it is declared as, what it keeps, its generations and its rows.

import { el } from "./dom.js";
import { ROWS_MS, get, path, query } from "./api.js";
import { button } from "./actions.js";
import { freshnessChart } from "./chart.js";
import { curlGet } from "./curl.js";
import { steps } from "./history.js";
import { generations, progress, slo } from "./overview.js";
import { copy, facts, freshness, links, problem, state, toProjection, toQuery, toSource, when } from "./parts.js";
import { rowTable, table } from "./table.js";
import { bytes, count, counted } from "./units.js";

export const projection = { title: ([name]) => `Projection ${name}`, load, view };

const PAGE = 20;

async function load({ names: [name], memory, draw }) {
  const [one, minutes, all, queries, history] = await Promise.all([
    get(path("v1", "projections", name)), get(path("v1", "projections", name) + "/freshness"), get("/v1/projections"), get("/v1/queries"), get("/v1/history?pageSize=200"),
  ]);
  memory.rows ??= pages(name, draw);
  if (memory.rows.isWanted()) await memory.rows.first();
  const readers = [...all.items, ...queries.items].filter((other) => (other.reads ?? []).includes(name));
  const done = history.items.filter((step) => step.subject === `projection ${name}`);
  return { item: one.item, freshness: one.freshness, minutes: minutes.items, readers, steps: done, rows: memory.rows };
}

/** The rows of a relation, page after page, as they were when somebody asked for them. */
function pages(name, draw) {
  const self = { asked: null, answer: null, error: null, number: 0, isWanted, first, next };
  const ask = async (token, number) => {
    self.asked = path("v1", "tables", name) + query({ pageSize: PAGE, pageToken: token });
    try {
      [self.answer, self.error, self.number] = [await get(self.asked, ROWS_MS), null, number];
    } catch (error) {
      [self.answer, self.error] = [null, error];
    }
  };
  /** Whether nothing was ever answered. */
  function isWanted() {
    return !self.answer && !self.error?.status;
  }
  function first() {
    return ask(null, 1);
  }
  async function next() {
    await ask(self.answer.page.nextPageToken, self.number + 1);
    draw();
  }
  return self;
}

function view({ item, freshness: of, minutes, readers, steps: done, rows }, { again, draw }) {
  const isView = item.kind === "view";
  return [
    el("h1", {}, `Projection ${item.name} `, state(item.state)),
    freshness(of),
    item.error && el("div", { class: `note ${item.state === "serving" ? "busy" : "bad"} words` }, item.error),
    !isView && el("p", { class: "buttons" }, actions(item, again)),
    summary(item, readers),
    el("section", { "aria-labelledby": "freshness" }, el("h2", { id: "freshness" }, "Freshness over the last hour"), item.slo && el("p", {}, "Promise: ", slo(item)), freshnessChart(minutes, item.slo)),
    el("section", { "aria-labelledby": "sql" }, el("h2", { id: "sql" }, "SQL"),
      item.sql ? [el("pre", { tabindex: "0", "aria-label": "The SQL of the projection" }, el("code", {}, item.sql.trim())), copy("Copy the SQL", () => item.sql)] : el("p", { class: "none" }, "Not known: an older build has computed these rows.")),
    item.rowErrors?.length > 0 && table(`Rows in error: ${count(item.rowsInError)}`, ERRORS, item.rowErrors),
    !isView && table("Operators", OPERATORS, item.operators, { key: (one) => one.index, note: "memory is of this projection, and counts for each that shares it" }),
    table("Columns", COLUMNS(item), item.columns, { key: (one) => one.name }),
    !isView && table("Generations", GENERATIONS, [{ ...item, role: "serves" }, ...generations(item)], { key: (one) => `${one.role} ${one.generation}` }),
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
    build?.state === "shadowing" && [button("promote", name, again), button("verify", name, again, { given: { built: true }, label: "Verify what was built" })],
    isBuilt && button("abort", name, again),
    kept && [button("rollback", name, again), button("retire", name, again)],
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
    ["Memory", item.kind !== "view" && el("span", {}, `${bytes(item.stateBytes)} of ${bytes(item.stateLimit)} `, el("meter", { min: 0, max: item.stateLimit, high: item.stateLimit * 0.8, value: item.stateBytes, "aria-label": "Share of the memory that it may take" }))],
    ["On disk", item.diskBytes !== undefined && bytes(item.diskBytes)],
    ["Key", item.kind !== "view" && (item.key.join(", ") || "none: there is one row")],
    ["Reads", links(of, (name) => (isOfSource(name) ? toSource(name.slice(0, name.lastIndexOf("."))) : toProjection(name)))],
    ["Read by", links(readers.map((one) => one.name), (name) => readerPage(readers.find((one) => one.name === name)))],
    ["Counts from", item.since && Object.entries(item.since).map(([source, position]) => `${source}:${position}`).join(", ")],
  ]);
}

/** Projections and views have a kind; queries have none. */
function readerPage(reader) {
  return reader.kind ? toProjection(reader.name) : toQuery(reader);
}

const OPERATORS = [
  { name: "Operator", head: true, cell: (one) => `${one.index} ${one.name}` },
  { name: "Grows with", cell: (one) => [one.growsWith ?? "–", one.closedBy && el("div", { class: "aside" }, `closed by the watermark of ${one.closedBy}`)] },
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

const GENERATIONS = [
  { name: "Generation", head: true, cell: (one) => one.generation || "–" },
  { name: "Is", cell: (one) => one.role },
  { name: "State", cell: (one) => [state(one.state), one.message && el("div", { class: "aside words" }, one.message)] },
  { name: "Rows", number: true, cell: (one) => count(one.rows) },
  { name: "Memory", number: true, cell: (one) => bytes(one.stateBytes) },
  { name: "Progress", cell: (one) => (one.role === "serves" ? "–" : progress(one)) },
];

const ERRORS = [
  { name: "Row", head: true, cell: (one) => one.row },
  { name: "Operator", cell: (one) => one.operator },
  { name: "Why", cell: (one) => one.message },
];

/** How the rows of what was built differ from those that serve. */
function comparison(of) {
  const outcome = of.equal ? "equal" : "different";
  return [
    el("h2", {}, `What was built is ${outcome}`),
    facts([["Rows", `${count(of.rowsBefore)} before, ${count(of.rowsNow)} now`], ["Only before", counted(of.onlyBefore, "key")], ["Only now", counted(of.onlyNow, "key")],
      ["With other values", counted(of.otherwise, "key")], ["Columns that are not compared", of.notCompared?.join(", ")]]),
    of.differences?.length > 0 && el("details", {}, el("summary", {}, "The first differences"), table("Keys whose rows differ", DIFFERENCES, of.differences)),
  ];
}

const DIFFERENCES = [
  { name: "Key", head: true, cell: (one) => one.key },
  { name: "Is", cell: (one) => one.difference },
  { name: "Columns, before and now", cell: (one) => Object.entries(one.columns ?? {}).map(([name, [before, now]]) => el("div", {}, `${name}: ${before ?? "NULL"} → ${now ?? "NULL"}`)) },
];

function rowsOf(item, rows, draw) {
  const names = item.columns.map((column) => column.name);
  const { answer, error, number } = rows;
  return el("section", { "aria-label": "Rows" },
    error && problem(error),
    answer && [
      rowTable(`Rows of ${item.name}, page ${number}`, names.length > 0 ? names : Object.keys(answer.items[0] ?? {}), answer.items),
      answer.page.cutChanged && el("p", { class: "note busy" }, "Commits came between this page and the one before it: rows may have moved."),
      el("p", { class: "aside" }, "As of ", when(answer.freshness.asOf), "; these rows are asked for again only by the buttons."),
    ],
    el("p", { class: "buttons" }, el("button", { type: "button", onclick: () => rows.first().then(draw) }, "First page, now"),
      answer?.page.nextPageToken && el("button", { type: "button", onclick: () => rows.next() }, "Next page"),
      copy("Copy as curl", () => curlGet(rows.asked))));
}
