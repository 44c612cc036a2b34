"use strict";
// Whatever comes from an image becomes text nodes and attributes, never markup.

const data = JSON.parse(document.getElementById("data").textContent);

function put(element, children) {
  for (const child of children.flat(Infinity))
    if (child !== null && child !== undefined && child !== false)
      element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  return element;
}

function attributes(element, values) {
  for (const [name, value] of Object.entries(values || {}))
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  return element;
}

const h = (tag, values, ...children) => put(attributes(document.createElement(tag), values), children);
const svg = (tag, values, ...children) =>
  put(attributes(document.createElementNS("http://www.w3.org/2000/svg", tag), values), children);

const hex = (value, width) => "0x" + value.toString(16).padStart(width || 1, "0");
const grouped = value => String(value).replace(/\B(?=(\d{3})+$)/g, "\u2009");
const counted = (count, noun) => grouped(count) + " " + noun + (count === 1 ? "" : "s");

// Where no package was written, nothing was replaced.
const kVerdicts = {replaced: data.result === "refused" ? "changed" : "replaced", added: "new", refused: "refused"};
const state = {selected: null, listeners: []};

function select(index, why) {
  if (index === state.selected || !data.changes[index]) return;
  state.selected = index;
  history.replaceState(null, "", "#show-" + index); // no id: the page is not to scroll there
  for (const listener of state.listeners) listener(index, why);
}
