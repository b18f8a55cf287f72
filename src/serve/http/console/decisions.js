// What a person can decide: how each decision is called, what it does, and what goes with it.

import { path } from "./api.js";

const ofProjection = (verb) => (name) => path("v1", "admin", "projections", name, verb);
const ofSource = (verb) => (name) => path("v1", "admin", "sources", name, verb);
export const text = (member, label, hint) => ({ member, label, hint, type: "text" });
const box = (member, label) => ({ member, label, type: "checkbox" });

/** `what` is told before it is done; `fields` are members of the body beside who and why. */
export const DECISIONS = {
  pause: {
    label: "Pause",
    to: ofProjection("pause"),
    what: "It stops, and what reads it, at one cut, and the memory of its state is freed. Its rows are served as they are, and answers say that it is paused.",
  },
  resume: {
    label: "Resume",
    to: ofProjection("resume"),
    what: "It goes on from where it stopped, with all that was paused with it: what it lacks is read beside, and it joins at the live cut.",
  },
  rebuild: {
    label: "Rebuild",
    to: ofProjection("rebuild"),
    what: "It is built again beside what serves, with all that reads it. What serves goes on until the new generation is promoted.",
    fields: [
      text(
        "fromTimestamp",
        "Only what was published since",
        "RFC 3339, such as 2026-11-01T00:00:00Z; empty for all events. Its rows are others then.",
      ),
    ],
  },
  abort: {
    label: "Abort the build",
    to: ofProjection("abort"),
    what: "The build ends, and of all that is built with it. What serves goes on.",
  },
  promote: {
    label: "Promote",
    to: ofProjection("promote"),
    what: "What was built takes the place of what serves, with all that is built with it, from one cut on.",
    fields: [box("allowBreaking", "Readers of today may miss something (columns, types, the key)")],
  },
  rollback: {
    label: "Roll back",
    to: ofProjection("rollback"),
    what: "The generation that was replaced serves again, at the current cut, with all that was replaced with it.",
  },
  retire: {
    label: "Retire what was replaced",
    to: ofProjection("retire"),
    what: "The generation that was replaced is let go, with its memory. It cannot be rolled back to any more.",
  },
  verify: {
    label: "Verify",
    to: ofProjection("verify"),
    what: "The sources are read once more and the rows are recomputed in batch and compared. Nothing is changed. It takes a while.",
    fields: [text("share", "Share of the keys", "such as 1/20; empty for all")],
    isAnonymous: true,
  },
  "pause-source": {
    label: "Pause",
    to: ofSource("pause"),
    what: "Nothing more is read of this source until it is resumed, also after a restart. Answers say how old they are.",
  },
  "resume-source": { label: "Resume", to: ofSource("resume"), what: "Reading goes on where it was." },
  "accept-gap": {
    label: "Accept the gap",
    to: ofSource("accept-gap"),
    what: "Reading goes on after the messages that the stream has lost. Answers say that they are incomplete.",
    isGrave: true,
  },
  reset: {
    label: "Reset",
    to: ofSource("reset"),
    what: "The stream that there is now is read from its beginning, and all that reads the source is built again. The last rows are served meanwhile.",
    isGrave: true,
  },
  replay: {
    label: "Replay what is parked",
    to: () => "/v1/admin/parked/replay",
    what: "The files are read as they are now, and what is parked is admitted if they can take it and nothing else changes by that; else nothing is done, and the daemon says why.",
  },
  discard: {
    label: "Discard",
    to: () => "/v1/admin/parked/discard",
    what: "These events are given up for good: answers are complete without them, after a rebuild too.",
    needsReason: true,
    isGrave: true,
  },
};
