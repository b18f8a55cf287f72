// The token that a daemon may ask for. This tab keeps it until it is closed.

import { el } from "./dom.js";

const NAME = "readside.token";

/** The headers of a request by whoever has signed in. */
export function authorization() {
  const token = sessionStorage.getItem(NAME);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

export const isSignedIn = () => sessionStorage.getItem(NAME) !== null;

/** Asks for a token where the daemon has refused to answer without one, or with this one. */
export function signIn(refused, done) {
  const input = el("input", {
    type: "password",
    id: "token",
    required: true,
    autocomplete: "off",
    // What else is in a header no browser sends.
    pattern: "[!-~]+",
    "aria-describedby": "token-hint",
  });
  const onsubmit = (event) => {
    event.preventDefault();
    sessionStorage.setItem(NAME, input.value);
    done();
  };
  // Another refusal is another form; the same one stays while somebody types into it.
  return el(
    "form",
    { "data-own": true, "data-key": `sign in ${isSignedIn()}`, onsubmit },
    el("p", { class: "note bad", role: "alert" }, refused.message),
    el(
      "p",
      { class: "field" },
      el("label", { for: "token" }, "Token"),
      input,
      el("span", { class: "aside", id: "token-hint" }, "kept in this tab until it is closed"),
    ),
    el("p", { class: "buttons" }, el("button", { type: "submit", class: "first" }, "Sign in")),
  );
}
