// Tables with captions and scopes. Narrow pages show their rows below each other, or scroll them within their frame.

import { el } from "./dom.js";
import { Digits } from "./api.js";

/**
 * `columns`: `{name, cell: (item) => content, number, head}`; the cell of the column that is `head` names its row. On narrow pages each row
 * becomes a block of lines: for that its roles are said again, because a browser takes them from the way in which it is laid out.
 */
export function table(caption, columns, items, { note, key } = {}) {
  const headings = columns.map((column) =>
    el("th", { scope: "col", role: "columnheader", class: column.number && "number" }, column.name),
  );
  const rows = items.map((item) =>
    el(
      "tr",
      { role: "row", "data-key": key && `row ${key(item)}` },
      columns.map((column) => cell(column, item)),
    ),
  );
  return el(
    "div",
    { class: "stacked" },
    el(
      "table",
      { role: "table" },
      el("caption", {}, caption, note && el("span", { class: "aside" }, " ", note)),
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, headings)),
      el("tbody", { role: "rowgroup" }, rows),
    ),
    items.length === 0 && el("p", { class: "none" }, "None."),
  );
}

function cell(column, item) {
  const attributes = { "data-label": column.name, class: column.number && "number" };
  if (column.head) return el("th", { ...attributes, scope: "row", role: "rowheader" }, column.cell(item));
  return el("td", { ...attributes, role: "cell" }, el("div", {}, column.cell(item)));
}

/** Rows of data, whose columns nobody knows before. It scrolls within its frame. */
export function rowTable(caption, names, items) {
  const isAligned = (name) => items.some((item) => isNumber(item[name])) && "number";
  const row = (item) =>
    el(
      "tr",
      {},
      names.map((name) => el("td", { class: isNumber(item[name]) && "number" }, value(item[name]))),
    );
  return el(
    "div",
    { class: "scrolled", tabindex: "0", role: "region", "aria-label": caption },
    el(
      "table",
      { class: "data" },
      el("caption", {}, caption),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          names.map((name) => el("th", { scope: "col", class: isAligned(name) }, name)),
        ),
      ),
      el("tbody", {}, items.map(row)),
    ),
  );
}

const isNumber = (value) => typeof value === "number" || value instanceof Digits;

/** A value as it is written in JSON, but for texts, which stand as they are. */
function value(of) {
  if (of === null || of === undefined) return el("span", { class: "null" }, "NULL");
  if (typeof of === "string") return of;
  return of instanceof Digits || typeof of !== "object" ? String(of) : JSON.stringify(of);
}
