// Rules and criteria in words. The words of a criterion come from the server.

import { el } from "./elements.js";
import { id, named, say, schema, words } from "./page.js";

const sentences = new WeakMap(); // criterion -> words

export const sentenceOf = (term) => sentences.get(term) || schema.kinds[term.kind]?.label || String(term.kind);
export const forget = (term) => sentences.delete(term);
const sentenceNode = (term) => el("span", { "data-sentence": id(term), text: sentenceOf(term) });

// Below a criterion that is edited, nothing stands until the server has said it.
export const sentenceLine = (term) => el("p", { class: "ajr-sentence", "data-sentence": id(term), text: sentences.get(term) || "" });

// rule: a rule, or its shape when it was sent; answer: {scope: [words], criteria: [words]}.
export function keepSentences(rule, answer) {
    for (const part of ["scope", "criteria"]) {
        rule[part].forEach((term, i) => {
            const text = answer?.[part]?.[i];
            if (text !== undefined) sentences.set(term, text);
        });
    }
}

export function paintSentences(rule) {
    for (const term of [...rule.scope, ...rule.criteria]) {
        for (const node of document.querySelectorAll(`[data-sentence="${id(term)}"]`)) {
            node.textContent = node.matches(".ajr-sentence") ? sentences.get(term) || "" : sentenceOf(term);
        }
    }
}

export function manyOf(rule) {
    if (rule.at_least === null || rule.at_least >= rule.criteria.length) return words.all_of;
    return rule.at_least === 1 ? words.any_of : say("at_least_k", { k: rule.at_least });
}

// A rule in words: what a closed card and a published version show.
export function gistOf(rule, lead = "") {
    const title = [named(rule.name), lead].filter(Boolean).join(" · ");
    return el(
        "div",
        { class: "ajr-gist-rule" },
        el(
            "p",
            { class: "ajr-gist-head" },
            title ? el("strong", { text: title }) : null,
            rule.criteria.length > 1 ? el("span", { class: "aj-muted", text: manyOf(rule) }) : null,
            el("span", { class: "ajr-rule-counts", "data-counts": id(rule) }),
        ),
        rule.scope.length ? el("p", { class: "aj-muted" }, `${words.only_for} `, rule.scope.flatMap((term, i) => [i ? ", " : "", sentenceNode(term)])) : null,
        el("ul", {}, rule.criteria.map((term) => el("li", {}, sentenceNode(term)))),
    );
}
