// What a person can decide: each decision is told in words, confirmed in a dialog, and answered as the daemon words it.

import { el, show } from "./dom.js";
import { Unreachable, path, post } from "./api.js";
import { curlPost } from "./curl.js";
import { open } from "./keys.js";
import { copy, facts, problem } from "./parts.js";

const NAME = "readside.actor";

const ofProjection = (verb) => (name) => path("v1", "admin", "projections", name, verb);
const ofSource = (verb) => (name) => path("v1", "admin", "sources", name, verb);
const text = (member, label, hint) => ({ member, label, hint, type: "text" });
const box = (member, label) => ({ member, label, type: "checkbox" });

/** `what` is told before it is done; `fields` are members of the body beside who and why. */
const ACTIONS = {
  pause: { label: "Pause", to: ofProjection("pause"), what: "It stops, and what reads it, at one cut, and the memory of its state is freed. Its rows are served as they are, and answers say that it is paused." },
  resume: { label: "Resume", to: ofProjection("resume"), what: "It goes on from where it stopped, with all that was paused with it: what it lacks is read beside, and it joins at the live cut." },
  rebuild: {
    label: "Rebuild", to: ofProjection("rebuild"), what: "It is built again beside what serves, with all that reads it. What serves goes on until the new generation is promoted.",
    fields: [text("fromTimestamp", "Only what was published since", "RFC 3339, such as 2026-11-01T00:00:00Z; empty for all events. Its rows are others then.")],
  },
  abort: { label: "Abort the build", to: ofProjection("abort"), what: "The build ends, and of all that is built with it. What serves goes on." },
  promote: {
    label: "Promote", to: ofProjection("promote"), what: "What was built takes the place of what serves, with all that is built with it, from one cut on.",
    fields: [box("allowBreaking", "Readers of today may miss something (columns, types, the key)")],
  },
  rollback: { label: "Roll back", to: ofProjection("rollback"), what: "The generation that was replaced serves again, at the current cut, with all that was replaced with it." },
  retire: { label: "Retire what was replaced", to: ofProjection("retire"), what: "The generation that was replaced is let go, with its memory. It cannot be rolled back to any more." },
  verify: {
    label: "Verify", to: ofProjection("verify"), what: "The sources are read once more and the rows are recomputed in batch and compared. Nothing is changed. It takes a while.",
    fields: [text("share", "Share of the keys", "such as 1/20; empty for all")], isAnonymous: true,
  },
  "pause-source": { label: "Pause", to: ofSource("pause"), what: "Nothing more is read of this source until it is resumed, also after a restart. Answers say how old they are." },
  "resume-source": { label: "Resume", to: ofSource("resume"), what: "Reading goes on where it was." },
  "accept-gap": { label: "Accept the gap", to: ofSource("accept-gap"), what: "Reading goes on after the messages that the stream has lost. Answers say that they are incomplete.", isGrave: true },
  reset: { label: "Reset", to: ofSource("reset"), what: "The stream that there is now is read from its beginning, and all that reads the source is built again. The last rows are served meanwhile.", isGrave: true },
  replay: { label: "Replay what is parked", to: () => "/v1/admin/parked/replay", what: "The files are read as they are now, and what is parked is admitted if they can take it and nothing else changes by that; else nothing is done, and the daemon says why." },
  discard: { label: "Discard", to: () => "/v1/admin/parked/discard", what: "These events are given up for good: answers are complete without them, after a rebuild too.", needsReason: true, isGrave: true },
};

/** A button that asks for confirmation. `given` are members of the body that are decided already, and `what` of them is told. */
export function button(kind, name, done, { given = {}, told, label } = {}) {
  const action = ACTIONS[kind];
  const onclick = () => confirm(action, name, given, told, done);
  return el("button", { type: "button", class: action.isGrave && "grave", "aria-haspopup": "dialog", "data-key": `do ${kind}`, onclick }, `${label ?? action.label}…`);
}

function confirm(action, name, given, told, done) {
  const fields = [...(action.fields ?? [])];
  if (!action.isAnonymous) fields.push(text("actor", "Who decides", "kept in the history"), { ...text("reason", "Why", "kept in the history"), isNeeded: action.needsReason });
  const title = name ? `${action.label}: ${name}` : action.label;
  const dialog = el("dialog", { "aria-labelledby": "do-title", "aria-describedby": "do-what" });
  const form = el("form", { method: "dialog" });
  const body = () => ({ ...given, ...written(form, fields) });
  const result = el("div", { class: "result", role: "status" });
  const yes = el("button", { type: "submit", class: action.isGrave ? "grave" : "first" }, action.label);
  form.append(
    el("h2", { id: "do-title" }, title), el("p", { id: "do-what" }, action.what), told ? el("p", { class: "words" }, told) : "",
    ...fields.map(field), result,
    el("p", { class: "buttons" }, yes, el("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), copy("Copy as curl", () => curlPost(action.to(name), body()))),
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    const asked = body();
    if (asked.actor) localStorage.setItem(NAME, asked.actor);
    [yes.disabled, yes.textContent] = [true, "Waiting for the daemon…"];
    await answer(action.to(name), asked, result);
    yes.remove();
    form.querySelector(".buttons button").textContent = "Close";
    form.querySelector(".buttons button").focus();
    done();
  };
  dialog.append(form);
  open(dialog);
}

function field({ member, label, hint, type, isNeeded }) {
  const input = el("input", { type, name: member, id: `do-${member}`, required: isNeeded, "aria-describedby": hint && `do-${member}-hint`, autocomplete: "off" });
  if (member === "actor") input.value = localStorage.getItem(NAME) ?? "";
  const name = el("label", { for: `do-${member}` }, label, isNeeded && " (needed)");
  if (type === "checkbox") return el("p", { class: "field" }, input, " ", name);
  return el("p", { class: "field" }, name, input, hint && el("span", { class: "aside", id: `do-${member}-hint` }, hint));
}

/** The members that are filled in. */
function written(form, fields) {
  const values = fields.map(({ member, type }) => {
    const input = form.elements.namedItem(member);
    return [member, type === "checkbox" ? input.checked || null : input.value.trim() || null];
  });
  return Object.fromEntries(values.filter(([, value]) => value !== null));
}

async function answer(to, body, result) {
  try {
    show(result, told(await post(to, body)));
  } catch (error) {
    if (error instanceof Unreachable) show(result, problem(new Error("The daemon did not answer. Whether it has done this is not known: look at the history.")));
    else show(result, problem(error));
  }
}

/** What the daemon answered: a sentence, what a reload changes, or what a verification found. */
function told(answer) {
  if (answer.detail) return el("p", { class: "note good words" }, answer.detail);
  if (answer.builds) {
    const built = answer.builds.map((names) => el("li", {}, `built together: ${names.join(", ")}`));
    const changed = answer.changes.map(({ kind, name, change, detail }) => el("li", {}, `${kind} ${name}: ${change}${detail ? `: ${detail}` : ""}`));
    return el("div", { class: "note good" }, el("ul", {}, built, changed), built.length + changed.length === 0 && "Nothing changes.");
  }
  const { result, ...rest } = answer;
  const entries = Object.entries(rest).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : value]);
  return el("div", { class: `note ${result === "equal" ? "good" : "busy"}` }, el("strong", {}, result), facts(entries));
}
