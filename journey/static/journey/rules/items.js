// The items of a checklist as cards, in their order.

import { drawCard, followName, freeKey, keyInput, letKeyFollow } from "./cards.js";
import { checkbox, el, errorSlot, field, icon, numberInput, select, textInput, tool } from "./elements.js";
import { changed, open } from "./frame.js";
import { movers, sortable } from "./moving.js";
import { byId, editable, figure, id, named, page, say, schema, signed, words } from "./page.js";
import { newRule, ruleParts } from "./rule.js";
import { gistOf, paintSentences } from "./sentences.js";

const RULE = "rule";
const COLOURS = { considerations: "#0ea5e9", loyalty: "#14b8a6", custom: "#a855f7" };
const GRADES = { A: "#16a34a", B: "#0ea5e9", C: "#f59e0b", D: "#dc2626", "": "#94a3b8" };

// An item answered by a person keeps a rule too, in case it becomes one: nothing typed is lost by trying.
export const items = page.document.items.map((item) => ({ ...item, rule: item.rule || newRule() }));
export const counted = new WeakMap(); // item -> counts
export const isRule = (item) => item.kind === RULE;

const shownText = (item) => named(item.text) || "–";

// ---- new ones -------------------------------------------------------------------------------------------------------

function addItem(kind) {
    const section = items.length ? items[items.length - 1].section : "custom";
    const item = { key: freeKey(items, "", "item"), section, text: "", help: "", kind, rule: newRule(), weight: 1, knock_out: false, unknown: "leave_out" };
    letKeyFollow(item);
    items.push(item);
    open.add(id(item));
    changed(true, `${id(item)}:text`);
}

function copyItem(item) {
    const copy = structuredClone(item);
    copy.text = say("copy_of", { name: named(item.text) });
    copy.key = freeKey(items, item.key, "item");
    letKeyFollow(copy);
    items.splice(items.indexOf(item) + 1, 0, copy);
    open.add(id(copy));
    changed(true, `${id(copy)}:text`);
}

function removeItem(item) {
    if ((item.text || item.rule.criteria.length) && !window.confirm(say("remove_item_ask", { name: shownText(item) }))) return;
    items.splice(items.indexOf(item), 1);
    changed(true);
}

// ---- drawing --------------------------------------------------------------------------------------------------------

export function drawItems() {
    const box = byId("ajr-cards");
    box.replaceChildren();
    if (!items.length) box.append(el("div", { class: "ajr-none-yet" }, el("p", { text: editable ? words.no_items : words.nothing_set })));
    let section = null;
    for (const item of items) {
        if (item.section !== section) {
            section = item.section;
            box.append(el("h2", { class: "ajr-section", text: schema.sections.find(([key]) => key === section)?.[1] || section }));
        }
        box.append(drawItem(item));
    }
    if (editable) box.append(el("div", { class: "ajr-adders" }, schema.answered_by.map(([kind, label]) => addKind(kind, label))));
}

function addKind(kind, label) {
    const attributes = { type: "button", class: "ajr-button", "data-focus": `add:${kind}`, on: { click: () => addItem(kind) } };
    return el("button", attributes, icon("add"), label);
}

function drawItem(item) {
    const node = drawCard(items, item, {
        chip: COLOURS[item.section],
        title: el("span", { class: "ajr-statement", text: shownText(item) }),
        meta: el("span", { class: "ajr-meta" }, metaOf(item)),
        tools: [
            ...movers(items, item),
            tool(item, "copy", "content_copy", say("duplicate_item"), () => copyItem(item)),
            tool(item, "remove", "delete", say("remove_item"), () => removeItem(item)),
        ],
        body: (isOpen) => (isOpen ? itemBody(item) : gist(item)),
    });
    if (editable) sortable(node, items, item);
    return node;
}

function metaOf(item) {
    const kind = schema.kind_names[item.kind] || item.kind;
    const weight = item.weight === 0 ? words.not_counted : say("weight_is", { weight: item.weight });
    return [
        item.knock_out ? el("span", { class: "aj-chip", chip: "#dc2626", text: words.knock_out }) : null,
        el("span", { class: "aj-muted", text: `${kind} · ${weight}` }),
    ];
}

function itemBody(item) {
    const set = (name, structure = false) => (value) => {
        item[name] = value;
        changed(structure);
    };
    const setText = (text) => {
        item.text = text;
        const title = document.querySelector(`#ajr-card-${id(item)} > header .ajr-statement`);
        if (title) title.textContent = text || "–";
        followName(items, item, text, "item");
        changed();
    };
    const knockOut = el("label", { class: "ajr-check" }, checkbox(item.knock_out, set("knock_out", true), { "data-focus": `${id(item)}:knock_out` }), el("span", { text: words.knock_out }));
    return el(
        "div",
        { class: "ajr-card-body" },
        el(
            "div",
            { class: "ajr-grid" },
            field(item, "text", words.statement, textInput(named(item.text), setText, { maxlength: 300, placeholder: words.statement_help }), words.statement_help, "ajr-full"),
            field(item, "kind", words.answered_by, select(schema.answered_by, item.kind, set("kind", true))),
            field(item, "section", words.section, select(schema.sections, item.section, set("section", true))),
            field(item, "weight", words.weight, numberInput({ min: 0, max: 1000, whole: true }, item.weight, set("weight")), words.weight_help, "ajr-narrow"),
            field(item, "unknown", words.unknown_counts, select(schema.unknown, item.unknown, set("unknown")), words.unknown_counts_help),
            el("div", { class: "ajr-field", title: words.knock_out_help, "data-field": `${id(item)}:knock_out` }, el("span", { class: "ajr-label", text: words.knock_out_ask }), knockOut),
            field(item, "help", words.help, textInput(named(item.help), set("help"), { maxlength: 500 }), words.help_help, "ajr-wide"),
            field(item, "key", words.key, keyInput(item), words.item_key_help),
        ),
        isRule(item) ? el("div", { class: "ajr-rule ajr-alone", "data-field": `${id(item.rule)}:` }, errorSlot(), ruleParts(item.rule)) : el("p", { class: "aj-muted", text: schema.asked[item.kind] || "" }),
    );
}

function gist(item) {
    const help = item.help ? el("p", { class: "aj-muted", text: named(item.help) }) : null;
    const rule = isRule(item) && item.rule.criteria.length ? gistOf(item.rule) : null;
    return help || rule ? el("div", { class: "ajr-gist" }, help, rule) : null;
}

// ---- counts ---------------------------------------------------------------------------------------------------------

export function paintItems() {
    for (const item of items) {
        paintItem(item);
        paintSentences(item.rule);
    }
}

function paintItem(item) {
    const row = counted.get(item);
    const box = document.querySelector(`.ajr-card-counts[data-counts="${id(item)}"]`);
    if (box) box.replaceChildren(...(row ? countsOf(item, row) : []));
}

// row: {met, partly, unmet, unknown}, accounts now.
function countsOf(item, row) {
    const all = row.met + row.partly + row.unmet + row.unknown;
    const unknown = row.unknown ? el("span", { class: "aj-warn", title: isRule(item) ? words.unknown_help : words.unanswered_help, text: isRule(item) ? say("unknown", { n: figure(row.unknown) }) : say("unanswered", { n: figure(row.unknown) }) }) : null;
    const met = el("span", { class: "ajr-now" }, el("strong", { text: figure(row.met + row.partly) }), ` ${isRule(item) ? words.match_now : words.answered_so}`);
    return [met, unknown, isRule(item) ? el("span", { class: "aj-muted", text: say("in_scope", { n: figure(all) }) }) : null].filter(Boolean);
}

// counts: of `grades` by these items and, where a version is published, `published` by that.
export function drawGrades(counts) {
    const box = byId("ajr-summary");
    const most = Math.max(1, ...Object.values(counts.grades));
    box.replaceChildren(
        ...Object.entries(GRADES).map(([grade, chip]) => {
            const number = counts.grades[grade] || 0;
            const before = counts.published?.[grade];
            const change = before === undefined ? 0 : number - before;
            const bar = el("span", { class: "ajr-sum-bar" });
            bar.style.width = `${(number / most) * 100}%`;
            return el(
                "div",
                { class: "ajr-sum", chip, title: before === undefined ? undefined : say("published_is", { n: figure(before) }) },
                el("span", { class: "ajr-sum-name", text: grade || words.no_grade }),
                el("span", { class: "ajr-sum-now", text: figure(number) }),
                el("span", { class: "ajr-sum-change aj-muted", text: signed(change) }),
                el("span", { class: "ajr-sum-track" }, bar),
            );
        }),
        el("p", { class: "ajr-divider", text: counts.mean === null ? words.no_verdict : say("mean_fit", { fit: figure(counts.mean) }) }),
        el("p", { class: "aj-muted ajr-sum-foot", text: say("mean_coverage", { coverage: figure(counts.coverage) }) }),
    );
}

