// What was done to projections, sources and parked events, by whom and why: the newest first.

import { el } from "./dom.js";
import { get, query } from "./api.js";
import { when } from "./parts.js";
import { table } from "./table.js";

export const history = { title: () => "History", load, view };

const SIZE = 50;

function load({ parameters }) {
  return get("/v1/history" + query({ pageSize: SIZE, pageToken: parameters.before }));
}

function view({ items, page }) {
  return [
    el("h1", {}, "History"),
    steps("What was done, the newest first", items),
    page.nextPageToken && el("p", {}, el("a", { href: `#/history?before=${page.nextPageToken}` }, "Older steps")),
  ];
}

/** Steps as a table. */
export function steps(caption, items) {
  return table(caption, COLUMNS, items, { key: (step) => step.number });
}

const COLUMNS = [
  { name: "When", head: true, cell: (step) => when(step.at) },
  { name: "What", cell: (step) => step.action },
  { name: "Of", cell: (step) => step.subject },
  { name: "From", cell: (step) => step.from ?? "–" },
  { name: "To", cell: (step) => step.to ?? "–" },
  { name: "By", cell: (step) => step.actor ?? "–" },
  { name: "Why", cell: (step) => step.reason ?? "–" },
];
