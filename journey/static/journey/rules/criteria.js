// The criteria of a rule as rows: kind, parameters, negation.

import { checkbox, el, errorSlot, field, select, tool } from "./elements.js";
import { changed, draw } from "./frame.js";
import { isEmpty, paramInput, valueOf } from "./inputs.js";
import { handle, movers, sortable } from "./moving.js";
import { id, say, schema, words } from "./page.js";
import { forget, sentenceLine } from "./sentences.js";

const narrowed = new Set(); // "id:param" of limits asked for and still empty

export function kindOptions(isScope) {
    const groups = new Map();
    for (const [kind, spec] of Object.entries(schema.kinds)) {
        if (isScope && !spec.scope) continue;
        if (!groups.has(spec.group)) groups.set(spec.group, []);
        groups.get(spec.group).push([kind, spec.label]);
    }
    return [...groups].map(([group, options]) => ({ group, options }));
}

// The only kind a scope may have, when there is one: it needs no choice.
export function onlyScopeKind() {
    const kinds = kindOptions(true).flatMap((group) => group.options);
    return kinds.length === 1 ? kinds[0][0] : null;
}

export function newTerm(kind) {
    return { kind, params: {}, negate: false };
}

// Where to type first in a criterion that was just added.
export function firstInput(term) {
    const shown = schema.kinds[term.kind].params.filter((param) => !param.narrows);
    const first = shown.find((param) => isEmpty(param.default)) || shown[0];
    return first ? `${id(term)}:params.${first.name}` : `${id(term)}:kind`;
}

export function drawTerm(rule, part, term) {
    const list = rule[part];
    const spec = schema.kinds[term.kind];
    const negate = (value) => {
        term.negate = value;
        changed();
    };
    const not = checkbox(term.negate === true, negate, { "data-focus": `${id(term)}:not` });
    const single = part === "scope" && spec && onlyScopeKind() === term.kind;
    const params = el("div", { class: "ajr-params" }, spec ? drawParams(term, spec) : null);
    const node = el(
        "div",
        { class: "ajr-term", "data-field": `${id(term)}:` },
        el(
            "div",
            { class: "ajr-term-head" },
            handle(list, term),
            el("label", { class: "ajr-not", title: words.not_help }, not, el("span", { text: words.not })),
            single ? params : el("div", { class: "ajr-field ajr-kind", "data-field": `${id(term)}:kind` }, kindSelect(term, part)),
            el(
                "div",
                { class: "ajr-tools" },
                movers(list, term),
                tool(term, "copy", "content_copy", say("duplicate"), () => {
                    const copy = structuredClone(term);
                    list.splice(list.indexOf(term) + 1, 0, copy);
                    changed(true, `${id(copy)}:kind`);
                }),
                tool(term, "remove", "close", say("remove"), () => removeTerm(rule, part, term)),
            ),
        ),
        single ? null : params,
        errorSlot(),
        sentenceLine(term),
    );
    sortable(node, list, term);
    return node;
}

function removeTerm(rule, part, term) {
    rule[part].splice(rule[part].indexOf(term), 1);
    const left = rule.criteria.length;
    if (left && rule.at_least > left) rule.at_least = left;
    changed(true);
}

const nature = (param) => `${param.name}/${param.input}/${param.list}`;

function kindSelect(term, part) {
    const spec = schema.kinds[term.kind];
    const change = (kind) => {
        term.kind = kind;
        // What the new kind knows too is kept: a window, a limit to marketing.
        const known = new Set(schema.kinds[kind].params.map(nature));
        const kept = (spec ? spec.params : []).filter((param) => param.name in term.params && known.has(nature(param)));
        term.params = Object.fromEntries(kept.map((param) => [param.name, term.params[param.name]]));
        forget(term);
        changed(true, `${id(term)}:kind`);
    };
    const more = { "data-focus": `${id(term)}:kind`, "aria-label": words.choose_kind, title: spec?.help || undefined };
    return select(kindOptions(part === "scope"), term.kind, change, more);
}

function drawParams(term, spec) {
    const isShown = (param) => !param.narrows || !isEmpty(valueOf(term, param)) || narrowed.has(`${id(term)}:${param.name}`);
    const hidden = spec.params.filter((param) => !isShown(param));
    const unknown = Object.keys(term.params).filter((name) => !spec.params.some((param) => param.name === name));
    return [
        spec.params.filter(isShown).map((param) => drawParam(term, param, spec)),
        unknown.map((name) => drawUnknown(term, name)),
        hidden.length ? narrower(term, hidden) : null,
    ];
}

function drawParam(term, param, spec) {
    const set = (value) => {
        if (value === undefined) delete term.params[param.name];
        else term.params[param.name] = value;
        changed();
    };
    const box = field(term, `params.${param.name}`, param.label, paramInput(term, param, spec, set), param.help);
    if (!param.narrows) return box;
    const drop = (event) => {
        event.preventDefault();
        narrowed.delete(`${id(term)}:${param.name}`);
        delete term.params[param.name];
        changed(true, `${id(term)}:narrow`);
    };
    box.querySelector(".ajr-label").append(tool(term, `drop-${param.name}`, "close", say("unnarrow", { limit: param.label }), drop));
    return box;
}

// A parameter the kind does not know: shown as it is stored, to be removed.
function drawUnknown(term, name) {
    const drop = () => {
        delete term.params[name];
        changed(true);
    };
    const value = el("code", { text: JSON.stringify(term.params[name]) });
    return field(term, `params.${name}`, name, el("span", { class: "ajr-inline" }, value, tool(term, `drop-${name}`, "close", say("remove"), drop)));
}

function narrower(term, hidden) {
    const add = (name) => {
        if (!name) return;
        narrowed.add(`${id(term)}:${name}`);
        draw(`${id(term)}:params.${name}`);
    };
    const options = [["", words.narrow], ...hidden.map((param) => [param.name, param.label])];
    return el("div", { class: "ajr-field ajr-narrower" }, select(options, "", add, { "aria-label": words.narrow, "data-focus": `${id(term)}:narrow` }));
}
