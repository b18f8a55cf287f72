// The page: which part of it is shown, and asking the daemon again while somebody looks.
//
// A part has `title`, `load` (what it asks the daemon), `view` (what that looks like), and `isStill` if it is asked for only once.

import { el, show } from "./dom.js";
import { Unreachable, get } from "./api.js";
import { hasAnswered, hasNotAnswered } from "./connection.js";
import { listen } from "./keys.js";
import { problem } from "./parts.js";
import { overview } from "./overview.js";
import { projection } from "./projection.js";
import { source } from "./source.js";
import { graph } from "./graph.js";
import { parkedEvent, parkedEvents } from "./parked.js";
import { sql } from "./sql.js";
import { search } from "./search.js";
import { history } from "./history.js";
import { signIn } from "./token.js";

const EVERY_MS = 2_000;
const PARTS = {
  "": overview,
  projection,
  source,
  graph,
  parked: parkedEvents,
  event: parkedEvent,
  sql,
  search,
  history,
};
const MENU = { "": "overview", projection: "overview", source: "overview", event: "parked" };

const main = document.getElementById("main");
let shown = null;

/** What the address names: `#/projection/totals?page=2`. */
function addressed() {
  const [path, parameters] = location.hash.replace(/^#?\/?/, "").split("?");
  let [name, ...names] = path.split("/");
  try {
    names = names.map(decodeURIComponent);
  } catch {
    name = "?";
  }
  return { name, names, parameters: Object.fromEntries(new URLSearchParams(parameters ?? "")) };
}

/** Shows what the address names. */
function go() {
  const { name, names, parameters } = addressed();
  const part = PARTS[name];
  shown = { part, names, parameters, again, draw, memory: {}, data: null };
  for (const link of document.querySelectorAll("#pages a")) {
    const isIt = link.dataset.page === (MENU[name] ?? name);
    isIt ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  main.replaceChildren();
  if (!part) {
    document.title = "Readside";
    show(main, el("h1", {}, "No such page"), el("p", {}, el("a", { href: "#/" }, "To the overview")));
    return;
  }
  document.title = `${part.title(names)} – Readside`;
  show(main, el("h1", {}, part.title(names)), el("p", { class: "none" }, "Asking the daemon…"));
  again();
}

/** Asks the daemon for what is shown, now. */
async function again() {
  const asked = shown;
  if (!asked.part || asked.isAsking) return;
  asked.isAsking = true;
  try {
    const data = await asked.part.load(asked);
    if (asked !== shown) return;
    asked.data = data;
    hasAnswered();
    draw();
  } catch (error) {
    if (asked !== shown) return;
    if (error instanceof Unreachable) {
      hasNotAnswered();
    } else {
      if (error.status) hasAnswered();
      else console.error(error);
      const told = error.status === 401 ? signIn(error, again) : problem(error);
      show(main, el("h1", {}, asked.part.title(asked.names)), told);
    }
  } finally {
    asked.isAsking = false;
  }
}

function draw() {
  if (shown.data) show(main, shown.part.view(shown.data, shown));
}

function later() {
  if (document.hidden || !shown.part) return;
  if (shown.part.isStill && shown.data) get("/livez").then(hasAnswered, hasNotAnswered);
  else again();
}

window.addEventListener("hashchange", () => {
  go();
  window.scrollTo(0, 0);
  main.focus({ preventScroll: true });
});
document.addEventListener("visibilitychange", later);
listen(() => again());
go();
setInterval(later, EVERY_MS);
