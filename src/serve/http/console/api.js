// Asks the daemon, through the HTTP interface that anybody has.

import { authorization } from "./token.js";

/** A number whose digits a double would lose. */
export class Digits {
  constructor(text) {
    this.text = text;
  }
  toString() {
    return this.text;
  }
  toJSON() {
    return JSON.rawJSON ? JSON.rawJSON(this.text) : this.text;
  }
}

/** The daemon answered that it cannot or will not: `title`, `detail` and `hint` are its own words. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the daemon answered ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** There was no answer at all. */
export class Unreachable extends Error {}

/** Nothing that is only looked up takes longer. */
const LOOKED_UP_MS = 5_000;
/** Nor do rows, whose time the daemon limits. */
export const ROWS_MS = 120_000;

export function get(path, longest = LOOKED_UP_MS) {
  return ask(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(longest) });
}

export function post(path, body) {
  return ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

async function ask(path, options) {
  let response, text;
  try {
    const headers = { ...options.headers, ...authorization() };
    response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit", redirect: "error" });
    text = await response.text();
  } catch (error) {
    throw new Unreachable(error.message);
  }
  const json = parsed(text);
  // Whether it is ready is an answer.
  if (response.ok || (response.status === 503 && json?.reasons)) return json;
  throw new Refused(response.status, json ?? { title: `Status ${response.status}`, detail: text });
}

/** JSON in which large integers keep all their digits. None if it is no JSON. */
export function parsed(text) {
  try {
    return JSON.parse(text, (_, value, context) => {
      const isLost =
        typeof value === "number" && context && !Number.isSafeInteger(value) && /^-?\d+$/.test(context.source);
      return isLost ? new Digits(context.source) : value;
    });
  } catch {
    return null;
  }
}

/** A path with its parts escaped. */
export function path(...parts) {
  return "/" + parts.map(encodeURIComponent).join("/");
}

/** A query string of what is set; "" if nothing is. */
export function query(parameters) {
  const set = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return set.length ? "?" + new URLSearchParams(set) : "";
}
