// Elements of the page: built with listeners, never from text with tags in it.

import { fresh, id, say, words } from "./page.js";

const HEX = /^#[0-9a-fA-F]{6}$/;
export const GREY = "#94a3b8";
export const colour = (value) => (HEX.test(value) ? value : GREY);

const PROPERTIES = ["value", "checked", "disabled", "selected"];

export function el(tag, props = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
        if (value === undefined || value === null || value === false) continue;
        if (name === "text") node.textContent = value;
        else if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
        else if (name === "chip") node.style.setProperty("--chip", colour(value));
        else if (PROPERTIES.includes(name)) node[name] = value;
        else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return node;
}

export const icon = (name) => el("span", { class: "material-symbols-outlined", "aria-hidden": "true", text: name });
export const errorSlot = () => el("p", { class: "ajr-error", hidden: true });

// A small button with a picture. `data-focus` says which one it is, so that it keeps the focus when all is drawn anew.
export function tool(owner, name, glyph, label, click, more = {}) {
    const attributes = { type: "button", class: "ajr-tool", title: label, "aria-label": label, "data-focus": `${id(owner)}:${name}` };
    return el("button", { ...attributes, on: { click }, ...more }, icon(glyph));
}

// An input with its label. `data-field` is where a problem of the field is told.
export function field(owner, name, label, input, help = "", kind = "") {
    input.dataset.focus ||= `${id(owner)}:${name}`;
    return el(
        "div",
        { class: `ajr-field ${kind}`, "data-field": `${id(owner)}:${name}` },
        el("label", { class: "ajr-label", text: label, title: help || undefined, for: controlId(input) }),
        input,
    );
}

function controlId(input) {
    const control = input.matches("input, select, textarea") ? input : input.querySelector("input, select, summary");
    if (!control) return undefined;
    control.id ||= fresh("ajr-input");
    return control.id;
}

export function textInput(value, change, more = {}) {
    const input = el("input", { type: "text", value, ...more, on: { input: () => change(input.value) } });
    return input;
}

export function checkbox(checked, change, more = {}) {
    const input = el("input", { type: "checkbox", checked, ...more, on: { change: () => change(input.checked) } });
    return input;
}

// options: [key, label] or {group, options}. A value that is not among them stays chosen and says that it is gone.
export function select(options, value, change, more = {}) {
    const node = el("select", { ...more, on: { change: () => change(node.value) } });
    let known = false;
    const option = ([key, label]) => {
        known ||= key === String(value);
        return el("option", { value: key, text: label, selected: key === String(value) });
    };
    for (const entry of options) {
        node.append(Array.isArray(entry) ? option(entry) : el("optgroup", { label: entry.group }, entry.options.map(option)));
    }
    if (!known) node.append(el("option", { value: String(value), text: say("gone", { value }), selected: true }));
    return node;
}

export function numberInput(bounds, value, change) {
    const input = el("input", {
        type: "number",
        class: "ajr-number",
        min: bounds.min,
        max: bounds.max,
        step: bounds.whole ? 1 : "any",
        inputmode: bounds.whole ? "numeric" : "decimal",
        value: typeof value === "number" ? value : "",
        on: {
            input: () => {
                if (input.validity.badInput) change("?"); // no number at all: the server says so at this field
                else change(input.value === "" ? null : Number(input.value));
            },
            wheel: () => input.blur(), // scrolling the page must not change a threshold
        },
    });
    return input;
}

// Several of a list: a summary that opens into check boxes.
export function severalInput(options, chosen, set) {
    const picked = new Set(chosen);
    const labels = new Map(options);
    const all = [...options, ...chosen.filter((value) => !labels.has(value)).map((value) => [value, say("gone", { value })])];
    const summary = el("summary", {});
    const list = el("div", { class: "ajr-options" });
    const tell = () => {
        const texts = all.filter(([value]) => picked.has(value)).map(([, label]) => label);
        summary.textContent = texts.length ? texts.join(", ") : words.choose;
        summary.classList.toggle("ajr-none", !texts.length);
    };
    for (const [value, label] of all) {
        const box = checkbox(picked.has(value), (checked) => {
            if (checked) picked.add(value);
            else picked.delete(value);
            tell();
            set(all.map(([key]) => key).filter((key) => picked.has(key)));
        });
        list.append(el("label", {}, box, el("span", { text: label })));
    }
    if (!all.length) list.append(el("p", { class: "aj-muted", text: words.nothing_to_choose }));
    if (all.length > 10) list.prepend(searchOf(list));
    tell();
    const details = el("details", { class: "ajr-several" }, summary, list);
    details.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || !details.open) return;
        details.open = false;
        summary.focus();
    });
    return details;
}

function searchOf(list) {
    const search = el("input", {
        type: "search",
        placeholder: words.search,
        "aria-label": words.search,
        on: {
            input: () => {
                const text = search.value.toLocaleLowerCase();
                for (const label of list.querySelectorAll("label")) label.hidden = !label.textContent.toLocaleLowerCase().includes(text);
            },
        },
    });
    return search;
}

document.addEventListener("click", (event) => {
    for (const details of document.querySelectorAll(".ajr-several[open]")) if (!details.contains(event.target)) details.open = false;
});
