// Makes elements, and brings what is shown to what it is to be.
//
// Values become text or attributes and never HTML: payloads and rows are data of strangers.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (`onclick` and the like are handlers) and children: nodes, texts, lists; nothing for null and false. */
export function el(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
export function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

/** Shows `wanted` in the place of the children of `parent`, keeping the elements that are alike: focus, selection and scrolling stay. */
export function show(parent, ...wanted) {
  const target = document.createElement("div");
  append(target, wanted);
  become(parent, [...target.childNodes]);
}

function become(parent, wanted) {
  wanted.forEach((node, place) => {
    const old = parent.childNodes[place];
    if (!old) parent.append(node);
    else if (isAlike(old, node)) update(old, node);
    else parent.replaceChild(node, old);
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}

function isAlike(old, node) {
  if (old.nodeType !== node.nodeType) return false;
  return old.nodeType !== Node.ELEMENT_NODE || (old.tagName === node.tagName && key(old) === key(node));
}

/** Elements of another key are another thing, with a state of its own. */
function key(element) {
  return element.getAttribute("data-key") ?? element.id;
}

function update(old, node) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== node.data) old.data = node.data;
    return;
  }
  for (const name of ["onclick", "onsubmit", "onchange", "onkeydown"]) old[name] = node[name];
  // What is within is its own: somebody types there, or it says what it has done.
  if (old.hasAttribute("data-own")) return;
  // What a person has opened stays open.
  const isKept = (name) => name === "open";
  for (const { name } of [...old.attributes]) if (!node.hasAttribute(name) && !isKept(name)) old.removeAttribute(name);
  for (const { name, value } of node.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  become(old, [...node.childNodes]);
}
