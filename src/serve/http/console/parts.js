// What several pages have: states, times, facts, notes, copying.

import { query } from "./api.js";
import { el } from "./dom.js";
import { age, count, seconds, time } from "./units.js";

const GOOD = ["serving", "live", "ready", "idle"];
const BAD = ["failed", "halted", "disconnected"];
const SIGNS = {
  serving: "●",
  live: "●",
  ready: "●",
  idle: "○",
  paused: "Ⅱ",
  failed: "✕",
  halted: "■",
  disconnected: "⊘",
  catching_up: "↻",
  "catching-up": "↻",
  building: "◔",
  rebuilding: "◔",
  waiting: "…",
  stalled: "◔",
  shadowing: "◐",
  "rolled-back": "↶",
};

/** A state as a sign and a word, so that it does not hang on its colour. */
export function state(name) {
  const kind = GOOD.includes(name) ? "good" : BAD.includes(name) ? "bad" : "busy";
  return el(
    "span",
    { class: `state ${kind}` },
    el("span", { "aria-hidden": "true" }, SIGNS[name] ?? "•"),
    " ",
    name.replaceAll("_", " "),
  );
}

/** A time of the daemon's as local time, with how long ago it was. */
export function when(text, withAge = false) {
  if (!text) return "–";
  const date = new Date(text);
  return el("time", { datetime: text, title: text }, time(date), withAge && ` (${age(date)} ago)`);
}

/** What an answer's freshness says, in a sentence. */
export function freshness(of) {
  const lag =
    of.lagSeconds === 0 || of.lagSeconds === null ? seconds(of.lagSeconds) : `at most ${seconds(of.lagSeconds)}`;
  return el(
    "p",
    { class: "freshness" },
    state(of.state),
    ` lag ${lag}, ${count(of.lagEvents)} sequences; `,
    of.incomplete && el("strong", {}, "incomplete: an event is parked or lost; "),
    of.reason && `${of.reason}; `,
    "as of ",
    when(of.asOf),
    positions(of.positions),
  );
}

function positions(of) {
  const all = Object.entries(of ?? {});
  return all.length > 0 && ` at ${all.map(([source, position]) => `${source}:${position}`).join(", ")}`;
}

/** A list of names with what there is to say of each. */
export function facts(entries) {
  const rows = entries.filter((entry) => entry && entry[1] !== null && entry[1] !== undefined && entry[1] !== false);
  return el(
    "dl",
    { class: "facts" },
    rows.map(([name, ...value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

/** Why something is not shown, in the daemon's words where it has said something. */
export function problem(error) {
  const { title, detail, hint } = error.problem ?? { title: "That did not work", detail: error.message };
  return el(
    "div",
    { class: "note bad", role: "alert" },
    el("strong", {}, title),
    detail && el("p", { class: "words" }, detail),
    hint && el("p", {}, `Hint: ${hint}`),
  );
}

/** A button that puts a text into the clipboard, and says so. */
export function copy(label, text) {
  const onclick = async (event) => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied: the browser does not allow it";
    }
    setTimeout(() => (button.textContent = label), 2000);
  };
  return el(
    "button",
    { type: "button", class: "quiet", "data-own": true, "data-key": `copy ${label}`, onclick },
    label,
  );
}

/** Names as links, with commas between them; a dash for none. */
export function links(names, href) {
  if (names.length === 0) return "–";
  return names.flatMap((name, place) => [place > 0 && ", ", el("a", { href: href(name) }, name)]);
}

export const toProjection = (name) => `#/projection/${encodeURIComponent(name)}`;
/** A declared query in the box for SQL, its parameters by their defaults. */
export function toQuery({ sql, params }) {
  const defaults =
    params.length > 0 ? JSON.stringify(Object.fromEntries(params.map((param) => [param.name, param.default]))) : "";
  return "#/sql" + query({ q: sql.trim(), params: defaults });
}
export const toSource = (name) => `#/source/${encodeURIComponent(name)}`;
