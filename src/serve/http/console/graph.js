// What reads what: sources, event types, projections and queries in columns, as a drawing and as a list.

import { el, svg } from "./dom.js";
import { get } from "./api.js";
import { links, toProjection, toQuery, toSource } from "./parts.js";
import { table } from "./table.js";

export const graph = { title: () => "Graph", load, view };

const [NODE_WIDTH, NODE_HEIGHT, GAP_X, GAP_Y] = [170, 34, 70, 12];
const LETTERS_MAX = 22;

async function load() {
  const [sources, projections, queries] = await Promise.all([
    get("/v1/sources"),
    get("/v1/projections"),
    get("/v1/queries"),
  ]);
  return nodes(sources.items, projections.items, queries.items);
}

/** All nodes by what SQL calls them, each with what it reads. */
function nodes(sources, projections, queries) {
  const all = new Map();
  const add = (id, node) => all.set(id, { id, reads: [], ...node });
  for (const { name, types = [] } of sources) {
    // SQL has all types of a source as its `events`.
    add(`${name}.events`, { kind: "source", name, href: toSource(name) });
    for (const type of types)
      add(`${name}.${type.table}`, {
        kind: "event type",
        name: type.name,
        reads: [`${name}.events`],
        href: toSource(name),
      });
  }
  for (const { name, kind, state, reads } of projections)
    add(name, { kind, name, state, reads: reads ?? [], href: toProjection(name) });
  for (const declared of queries)
    add(`query ${declared.name}`, {
      kind: "query",
      name: declared.name,
      reads: declared.reads,
      href: toQuery(declared),
    });
  for (const node of all.values()) node.reads = node.reads.filter((id) => all.has(id) && id !== node.id);
  return [...all.values()];
}

/** The nodes by columns: what reads something stands to the right of it, and queries stand last. */
function columns(all) {
  const byId = new Map(all.map((node) => [node.id, node]));
  const first = { source: 0, "event type": 1 };
  const depth = (node) => {
    if (node.kind in first) return first[node.kind];
    return (node.depth ??= Math.max(1, ...node.reads.map((id) => depth(byId.get(id)))) + 1);
  };
  const kept = all.filter((node) => node.kind !== "query");
  const last = Math.max(0, ...kept.map(depth)) + 1;
  const made = Array.from({ length: last + 1 }, () => []);
  for (const node of all) made[node.kind === "query" ? last : depth(node)].push(node);
  return made.filter((column) => column.length > 0);
}

function view(all) {
  const made = columns(all);
  const tallest = Math.max(1, ...made.map((column) => column.length));
  const [width, height] = [made.length * (NODE_WIDTH + GAP_X) - GAP_X, tallest * (NODE_HEIGHT + GAP_Y)];
  const places = new Map();
  made.forEach((column, x) =>
    column.forEach((node, y) => {
      const top = (height - column.length * (NODE_HEIGHT + GAP_Y)) / 2;
      places.set(node.id, { x: x * (NODE_WIDTH + GAP_X), y: top + y * (NODE_HEIGHT + GAP_Y) });
    }),
  );
  const edges = all.flatMap((node) => node.reads.map((id) => edge(places.get(id), places.get(node.id))));
  return [
    el("h1", {}, "Graph"),
    el("p", {}, "From left to right: what is read, and what reads it. The table below says the same."),
    el(
      "div",
      { class: "scrolled", tabindex: "0", role: "region", "aria-label": "Drawing of the graph" },
      svg(
        "svg",
        {
          class: "graph",
          width: width + 2,
          height: height + 2,
          viewBox: `-1 -1 ${width + 2} ${height + 2}`,
          "aria-hidden": "true",
        },
        edges,
        all.map((node) => drawn(node, places.get(node.id))),
      ),
    ),
    table("Nodes of the graph", COLUMNS(all), all, { key: (node) => node.id }),
  ];
}

function edge(from, to) {
  const [x1, y1, x2, y2] = [from.x + NODE_WIDTH, from.y + NODE_HEIGHT / 2, to.x, to.y + NODE_HEIGHT / 2];
  const bend = Math.max(20, (x2 - x1) / 2);
  return svg("path", { class: "edge", d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}` });
}

/** The table has the links for the keyboard, so those of the drawing are for the mouse alone. */
function drawn(node, { x, y }) {
  const shown = node.name.length > LETTERS_MAX ? `${node.name.slice(0, LETTERS_MAX - 1)}…` : node.name;
  const box = [
    svg("title", {}, `${node.kind} ${node.name}`),
    svg("rect", { x, y, width: NODE_WIDTH, height: NODE_HEIGHT, rx: node.kind === "query" ? 16 : 4 }),
    svg("text", { x: x + 10, y: y + 15 }, shown),
    svg(
      "text",
      { x: x + 10, y: y + 27, class: "kind" },
      node.state && node.state !== "serving" ? `${node.kind}, ${node.state}` : node.kind,
    ),
  ];
  const group = svg("g", { class: `node ${node.kind.replace(" ", "-")}`, "data-node": node.id }, box);
  return node.href ? svg("a", { href: node.href, tabindex: "-1" }, group) : group;
}

const COLUMNS = (all) => {
  const byId = new Map(all.map((node) => [node.id, node]));
  const named = (ids) =>
    ids.map((id) => byId.get(id)).map((node) => (node.href ? el("a", { href: node.href }, node.name) : node.name));
  const joined = (list) => (list.length === 0 ? "–" : list.flatMap((node, place) => [place > 0 && ", ", node]));
  return [
    { name: "Node", head: true, cell: (node) => (node.href ? links([node.name], () => node.href) : node.name) },
    { name: "Kind", cell: (node) => node.kind },
    { name: "Reads", cell: (node) => joined(named(node.reads)) },
    {
      name: "Read by",
      cell: (node) => joined(named(all.filter((other) => other.reads.includes(node.id)).map((other) => other.id))),
    },
  ];
};
