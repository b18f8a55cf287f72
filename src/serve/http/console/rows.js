// The rows of a relation, page after page, as they were when somebody asked for them.

import { ROWS_MS, get, path, query } from "./api.js";
import { curlGet } from "./curl.js";
import { el } from "./dom.js";
import { copy, problem, when } from "./parts.js";
import { rowTable } from "./table.js";

const PAGE = 20;

/** What was asked for so far; `draw` shows what came. */
export function pages(name, draw) {
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

/** The page that was asked for last, and what leads on. */
export function rowsOf(item, rows, draw) {
  const names = item.columns.map((column) => column.name);
  const { answer, error, number } = rows;
  return el(
    "section",
    { "aria-label": "Rows" },
    error && problem(error),
    answer && [
      rowTable(
        `Rows of ${item.name}, page ${number}`,
        names.length > 0 ? names : Object.keys(answer.items[0] ?? {}),
        answer.items,
      ),
      answer.page.cutChanged &&
        el("p", { class: "note busy" }, "Commits came between this page and the one before it: rows may have moved."),
      el(
        "p",
        { class: "aside" },
        "As of ",
        when(answer.freshness.asOf),
        "; these rows are asked for again only by the buttons.",
      ),
    ],
    el(
      "p",
      { class: "buttons" },
      el("button", { type: "button", onclick: () => rows.first().then(draw) }, "First page, now"),
      answer?.page.nextPageToken && el("button", { type: "button", onclick: () => rows.next() }, "Next page"),
      copy("Copy as curl", () => curlGet(rows.asked)),
    ),
  );
}
