// A search box over the search projections: hits with what was found marked, their freshness, and the same as a command.

import { el } from "./dom.js";
import { ROWS_MS, get, path, query } from "./api.js";
import { curlGet } from "./curl.js";
import { copy, freshness, problem } from "./parts.js";
import { table } from "./table.js";
import { counted } from "./units.js";

export const search = { title: () => "Search", load, view, isStill: true };

const SIZE = 20;

async function load() {
  return { names: (await get("/v1/projections")).items.filter((one) => one.kind === "search").map((one) => one.name) };
}

function view({ names }, { parameters, memory, draw }) {
  if (names.length === 0)
    return [el("h1", {}, "Search"), el("p", { class: "none" }, "No projection is declared with kind: search.")];
  const onsubmit = (event) => {
    event.preventDefault();
    ask(memory, draw);
  };
  const option = (name) => el("option", { selected: name === parameters.in }, name);
  return [
    el("h1", {}, "Search"),
    el(
      "form",
      { class: "box", onsubmit, role: "search" },
      el(
        "div",
        { "data-own": true, class: "filters" },
        el("label", {}, "In ", el("select", { id: "search-in" }, names.map(option))),
        el(
          "label",
          {},
          "As ",
          el(
            "select",
            { id: "search-as" },
            el("option", { value: "text" }, "free text"),
            el("option", { value: "q" }, "query language"),
          ),
        ),
        el(
          "label",
          { class: "wide" },
          "What ",
          el("input", { type: "search", id: "search-text", value: parameters.text ?? "", autocomplete: "off" }),
        ),
      ),
      el(
        "p",
        { class: "buttons" },
        el("button", { type: "submit", class: "first", "data-key": "run" }, "Search"),
        copy("Copy as curl", () => curlGet(asked())),
      ),
    ),
    el(
      "p",
      { role: "status", class: "unseen" },
      !memory.isAsking && memory.answer && `${counted(memory.answer.total, "document")} found`,
    ),
    el("div", { "data-key": "answer" }, answer(memory)),
  ];
}

function asked() {
  const value = (id) => document.getElementById(id).value;
  return (
    path("v1", "search", value("search-in")) +
    query({ [value("search-as")]: value("search-text"), highlight: "true", pageSize: SIZE })
  );
}

async function ask(memory, draw) {
  Object.assign(memory, { isAsking: true, error: null });
  draw();
  try {
    memory.answer = await get(asked(), ROWS_MS);
  } catch (error) {
    Object.assign(memory, { answer: null, error });
  }
  memory.isAsking = false;
  draw();
}

function answer({ isAsking, error, answer }) {
  if (isAsking) return el("p", { class: "none" }, "The daemon searches…");
  if (error) return problem(error);
  if (!answer) return null;
  const caption = `${counted(answer.total, "document")} found${answer.items.length < answer.total ? `, the first ${answer.items.length} of them` : ""}`;
  return [
    freshness(answer.freshness),
    answer.items.length === 0 ? el("p", {}, caption) : table(caption, columns(answer.items), answer.items),
  ];
}

function columns(hits) {
  const [first, ...rest] = Object.keys(hits[0].item);
  const cell = (name) => (hit) => found(hit.item[name], hit.highlights?.[name]);
  return [
    { name: first, head: true, cell: cell(first) },
    ...rest.map((name) => ({ name, cell: cell(name), number: typeof hits[0].item[name] === "number" })),
    { name: "score", number: true, cell: (hit) => (hit.score === undefined ? "–" : hit.score.toFixed(3)) },
  ];
}

/** A value with what was found in it marked. `marks` count as JavaScript does. */
function found(value, highlight) {
  if (value === null) return el("span", { class: "null" }, "NULL");
  if (!highlight) return typeof value === "object" ? JSON.stringify(value) : String(value);
  const parts = [];
  let end = 0;
  for (const [from, to] of highlight.marks) {
    parts.push(highlight.text.slice(end, from), el("mark", {}, highlight.text.slice(from, to)));
    end = to;
  }
  return [parts, highlight.text.slice(end)];
}
