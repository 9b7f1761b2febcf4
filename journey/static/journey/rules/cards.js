// What a stage and an item have in common: a head that opens, tools, and keys that follow a name until they are typed.

import { el, errorSlot, icon, textInput } from "./elements.js";
import { changed, draw, open } from "./frame.js";
import { handle } from "./moving.js";
import { byId, editable, id, words } from "./page.js";

// title: what opens and closes the card; meta, tools: more of its head; body: what stands below.
export function drawCard(list, card, { chip, title, meta, tools, body }) {
    const isOpen = open.has(id(card));
    const toggle = () => {
        if (isOpen) open.delete(id(card));
        else open.add(id(card));
        draw();
    };
    const attributes = { type: "button", class: "ajr-toggle", "aria-expanded": String(isOpen), title: isOpen ? words.close : words.open };
    return el(
        "section",
        { class: "ajr-card", chip, id: `ajr-card-${id(card)}`, "data-field": `${id(card)}:` },
        el(
            "header",
            { class: "ajr-card-head" },
            editable && handle(list, card),
            el(
                "div",
                { class: "ajr-card-title" },
                editable ? el("button", { ...attributes, "data-focus": `${id(card)}:toggle`, on: { click: toggle } }, icon(isOpen ? "expand_more" : "chevron_right"), title) : title,
                meta,
            ),
            el("div", { class: "ajr-card-counts", "data-counts": id(card) }),
            editable && el("div", { class: "ajr-tools" }, tools),
        ),
        errorSlot(),
        body(editable && isOpen),
    );
}

export function goTo(card) {
    const node = byId(`ajr-card-${id(card)}`);
    node?.scrollIntoView({ behavior: "smooth", block: "start" });
    node?.querySelector(".ajr-toggle")?.focus({ preventScroll: true });
}

// ---- keys -----------------------------------------------------------------------------------------------------------

const freshKeys = new WeakSet(); // cards whose key still follows their name
const MOST_KEY = 50;

function slug(text) {
    const plain = text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
    return plain.replace(/[^a-z0-9]+/g, "-").slice(0, MOST_KEY).replace(/^-+|-+$/g, "");
}

// A key made of a name that no other card has. otherwise: for names without Latin letters.
export function freeKey(list, name, otherwise, but = null) {
    const taken = new Set(list.filter((card) => card !== but).map((card) => card.key));
    const base = slug(name) || otherwise;
    let key = base;
    for (let i = 2; taken.has(key); i++) key = `${base}-${i}`;
    return key;
}

export const letKeyFollow = (card) => freshKeys.add(card);

export function followName(list, card, name, otherwise) {
    if (!freshKeys.has(card)) return;
    card.key = freeKey(list, name, otherwise, card);
    const input = document.querySelector(`[data-key="${id(card)}"]`);
    if (input) input.value = card.key;
}

export function keyInput(card) {
    const change = (text) => {
        freshKeys.delete(card);
        card.key = text.trim();
        changed();
    };
    return textInput(card.key, change, { maxlength: 60, spellcheck: "false", class: "ajr-mono", "data-key": id(card) });
}
