// Commands for a shell that do what the page does.

import { isSignedIn } from "./token.js";

/** A text as one word of a POSIX shell. */
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The token is named and not written: commands are pasted into chats. */
export function curlGet(path) {
  const token = isSignedIn() ? ' -H "Authorization: Bearer $READSIDE_TOKEN"' : "";
  return `curl -sS ${quoted(location.origin + path)}${token}`;
}

export function curlPost(path, body) {
  return `${curlGet(path)} -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body))}`;
}
