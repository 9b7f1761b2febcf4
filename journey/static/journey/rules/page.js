// What the server has sent with the page, and how the parts of an editor name things.

const sent = JSON.parse(document.getElementById("ajr-state").textContent);
const language = document.documentElement.lang || undefined;
const ids = new WeakMap();
let lastId = 0;

export const page = sent;
export const { words, schema, urls, editable } = sent;

export const byId = (name) => document.getElementById(name);
export const fresh = (prefix) => `${prefix}-${++lastId}`;
export const figure = (value) => new Intl.NumberFormat(language).format(value);
export const signed = (value) => (value > 0 ? `+${figure(value)}` : value < 0 ? `−${figure(-value)}` : "");
export const say = (name, values = {}) => words[name].replace(/%\((\w+)\)s/g, (all, key) => (key in values ? String(values[key]) : all));

// Names that are stored as they came with the product are shown translated, until somebody changes them.
export const named = (text) => (Object.hasOwn(sent.names, text) ? sent.names[text] : text);

// The same number for an object as long as the page lives, by which elements are found.
export function id(object) {
    if (!ids.has(object)) ids.set(object, String(++lastId));
    return ids.get(object);
}
