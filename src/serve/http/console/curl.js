// Commands for a shell that do what the page does.

/** A text as one word of a POSIX shell. */
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

export function curlGet(path) {
  return `curl -sS ${quoted(location.origin + path)}`;
}

export function curlPost(path, body) {
  return `${curlGet(path)} -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body))}`;
}
