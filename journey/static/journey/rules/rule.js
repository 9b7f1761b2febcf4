// A rule: for whom it is meant, what must hold, and how much of that.

import { drawTerm, firstInput, kindOptions, newTerm, onlyScopeKind } from "./criteria.js";
import { el, errorSlot, icon, numberInput, select, textInput, tool } from "./elements.js";
import { changed } from "./frame.js";
import { handle, movers, sortable } from "./moving.js";
import { figure, id, named, say, words } from "./page.js";

export const newRule = () => ({ name: "", at_least: null, scope: [], criteria: [] });

export const addButton = (focus, label, click) => el("button", { type: "button", class: "ajr-add", "data-focus": focus, on: { click } }, icon("add"), label);

// One of several rules of a stage, with its name and place.
export function drawRule(list, rule, i) {
    const rename = (text) => {
        rule.name = text;
        changed();
    };
    const more = { maxlength: 120, placeholder: words.rule_name, "aria-label": words.rule_name, "data-focus": `${id(rule)}:name` };
    const node = el(
        "div",
        { class: "ajr-rule", "data-field": `${id(rule)}:` },
        el(
            "div",
            { class: "ajr-rule-head" },
            handle(list, rule),
            el("span", { class: "ajr-rule-number", text: say("rule", { number: i + 1 }) }),
            el("div", { class: "ajr-rule-name", "data-field": `${id(rule)}:name` }, textInput(named(rule.name), rename, more)),
            el("span", { class: "ajr-rule-counts", "data-counts": id(rule) }),
            el(
                "div",
                { class: "ajr-tools" },
                movers(list, rule),
                tool(rule, "copy", "content_copy", say("duplicate_rule"), () => {
                    const copy = structuredClone(rule);
                    list.splice(list.indexOf(rule) + 1, 0, copy);
                    changed(true, `${id(copy)}:name`);
                }),
                tool(rule, "remove", "delete", say("remove_rule"), () => {
                    if (rule.criteria.length && !window.confirm(words.remove_rule_ask)) return;
                    list.splice(list.indexOf(rule), 1);
                    changed(true);
                }),
            ),
        ),
        errorSlot(),
        ruleParts(rule),
    );
    sortable(node, list, rule);
    return node;
}

// The body of a rule, also of one that stands alone. scoped: it can be meant for some accounts only.
export function ruleParts(rule, scoped = true) {
    return [
        scoped && el(
            "div",
            { class: "ajr-part", "data-field": `${id(rule)}:scope` },
            el("h4", { text: words.for_which }),
            rule.scope.map((term) => drawTerm(rule, "scope", term)),
            el("div", { class: "ajr-scope-foot" }, rule.scope.length ? null : el("span", { class: "aj-muted", text: words.all_accounts }), adder(rule, "scope", words.add_condition)),
        ),
        el(
            "div",
            { class: "ajr-part", "data-field": `${id(rule)}:criteria` },
            el("div", { class: "ajr-many" }, el("h4", { text: words.must_hold }), manyInput(rule)),
            errorSlot(),
            rule.criteria.map((term) => drawTerm(rule, "criteria", term)),
            adder(rule, "criteria", words.add_criterion),
        ),
    ].filter(Boolean);
}

function manyInput(rule) {
    const n = rule.criteria.length;
    if (n < 2 && rule.at_least === null) return null;
    const mode = rule.at_least === null ? "all" : rule.at_least === 1 ? "any" : "k";
    const choose = (value) => {
        rule.at_least = { all: null, any: 1, k: Math.min(2, Math.max(n, 1)) }[value];
        if (value === "k" && rule.at_least === 1) rule.at_least = n;
        changed(true, `${id(rule)}:many`);
    };
    const options = [["all", words.all_of], ["any", words.any_of], ["k", words.at_least]];
    const box = el("span", { class: "ajr-inline", "data-field": `${id(rule)}:at_least` });
    box.append(select(options, mode, choose, { "data-focus": `${id(rule)}:many`, "aria-label": words.must_hold }));
    if (mode === "k") {
        const input = numberInput({ min: 1, max: Math.max(n, 1), whole: true }, rule.at_least, (value) => {
            rule.at_least = value;
            changed();
        });
        input.dataset.focus = `${id(rule)}:at_least`;
        input.setAttribute("aria-label", words.at_least);
        box.append(input, el("span", { class: "aj-muted", text: say("of_n", { n }) }));
    }
    box.append(errorSlot());
    return box;
}

function adder(rule, part, label) {
    const add = (kind) => {
        if (!kind) return;
        const term = newTerm(kind);
        rule[part].push(term);
        changed(true, firstInput(term));
    };
    const focus = `${id(rule)}:add-${part}`;
    const only = part === "scope" ? onlyScopeKind() : null;
    if (only) return addButton(focus, label, () => add(only));
    const chooser = select([["", label], ...kindOptions(part === "scope")], "", add, { class: "ajr-adder", "data-focus": focus, "aria-label": label });
    return el("span", { class: "ajr-add-box" }, icon("add"), chooser);
}

// How many match now. row: {matching, unknown, in_scope}
export function paintRuleCounts(rule, row) {
    for (const box of document.querySelectorAll(`.ajr-rule-counts[data-counts="${id(rule)}"]`)) {
        box.replaceChildren();
        if (!row) continue;
        box.append(el("strong", { text: say("matching", { n: figure(row.matching) }) }));
        if (row.unknown) box.append(el("span", { class: "aj-warn", title: words.unknown_help, text: say("unknown", { n: figure(row.unknown) }) }));
        box.append(el("span", { class: "aj-muted", text: say("in_scope", { n: figure(row.in_scope) }) }));
    }
}
