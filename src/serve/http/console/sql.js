// A box for SQL: rows with their freshness, the plan, and the same as a command.

import { el } from "./dom.js";
import { Refused, get, parsed, post } from "./api.js";
import { curlPost } from "./curl.js";
import { copy, freshness, links, problem, toProjection } from "./parts.js";
import { rowTable } from "./table.js";
import { counted, seconds } from "./units.js";

export const sql = { title: () => "SQL", load, view, isStill: true };

async function load() {
  return { projections: (await get("/v1/projections")).items };
}

function view({ projections }, { parameters, memory, draw }) {
  const onsubmit = (event) => {
    event.preventDefault();
    ask(false, memory, draw);
  };
  const onkeydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) onsubmit(event);
  };
  return [
    el("h1", {}, "SQL"),
    el(
      "form",
      { class: "box", onsubmit },
      el(
        "div",
        { "data-own": true },
        el("label", { for: "sql-text" }, "A query that reads"),
        textarea("sql-text", 6, parameters.q ?? "", { onkeydown, required: true, spellcheck: "false" }),
        el(
          "details",
          { open: Boolean(parameters.params) },
          el("summary", {}, "Parameters, positions"),
          el("label", { for: "sql-params" }, "Parameters as JSON: an object for $name, an array for $1"),
          textarea("sql-params", 2, parameters.params ?? "", { spellcheck: "false" }),
          el("label", { for: "sql-position" }, "The answer must contain (such as orders:802711)"),
          el("input", { id: "sql-position", autocomplete: "off" }),
          el(
            "p",
            {},
            el(
              "label",
              {},
              el("input", { type: "checkbox", id: "sql-mixed" }),
              " Relations at different cuts may be read together",
            ),
          ),
        ),
      ),
      el(
        "p",
        { class: "buttons" },
        el("button", { type: "submit", class: "first", "data-key": "run" }, "Run"),
        el("button", { type: "button", "data-key": "plan", onclick: () => ask(true, memory, draw) }, "Show the plan"),
        copy("Copy as curl", () => curlPost("/v1/sql", written())),
      ),
    ),
    el(
      "p",
      { class: "aside" },
      "Relations: ",
      links(
        projections.map((one) => one.name),
        toProjection,
      ),
    ),
    el("p", { role: "status", class: "unseen" }, summary(memory)),
    el("div", { "data-key": "answer" }, answer(memory)),
  ];
}

function textarea(id, rows, value, attributes) {
  return el("textarea", { id, rows, ...attributes }, value);
}

/** The body as it is written in the fields. */
function written(isPlan) {
  const field = (id) => document.getElementById(id);
  const body = { sql: (isPlan ? "EXPLAIN " : "") + field("sql-text").value };
  const params = field("sql-params").value.trim();
  if (params) body.params = parsed(params) ?? params;
  const position = field("sql-position").value.trim();
  if (position) Object.assign(body, { minPosition: position, wait: "5s" });
  if (field("sql-mixed").checked) body.mixedCuts = "allow";
  return body;
}

async function ask(isPlan, memory, draw) {
  if (memory.isAsking) return;
  Object.assign(memory, { isAsking: true, error: null });
  draw();
  const began = performance.now();
  try {
    const answer = await post("/v1/sql", written(isPlan));
    Object.assign(memory, { answer, isPlan, took: (performance.now() - began) / 1000 });
  } catch (error) {
    Object.assign(memory, { answer: null, error });
  }
  memory.isAsking = false;
  draw();
}

/** What screen readers say of the answer. */
function summary({ isAsking, answer, isPlan }) {
  return !isAsking && answer && (isPlan ? "The plan is shown" : `${counted(answer.items.length, "row")} answered`);
}

function answer({ isAsking, error, answer, isPlan, took }) {
  if (isAsking) return el("p", { class: "none" }, "The daemon computes the answer…");
  if (error)
    return [problem(error), error instanceof Refused && error.problem.freshness && freshness(error.problem.freshness)];
  if (!answer) return null;
  const told = freshness(answer.freshness);
  if (isPlan)
    return [
      told,
      answer.items.map(({ plan_type, plan }) => [
        el("h2", {}, plan_type.replaceAll("_", " ")),
        el("pre", { tabindex: "0", "aria-label": plan_type }, plan.trim()),
      ]),
    ];
  return [
    told,
    rowTable(
      `Answer: ${counted(answer.items.length, "row")} in ${seconds(took)}`,
      answer.columns.map((column) => column.name),
      answer.items,
    ),
  ];
}
