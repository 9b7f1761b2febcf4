// The page of a segment's rules: its name and place in the tree, its three parts, and whom they hold now.

import { drawCard, followName, keyInput, letKeyFollow } from "./cards.js";
import { checkbox, el, errorSlot, field, numberInput, select, textInput } from "./elements.js";
import { changed, open, start } from "./frame.js";
import { byId, editable, figure, id, page, say, schema, urls, words } from "./page.js";
import { locateInRule } from "./problems.js";
import { newRule, paintRuleCounts, ruleParts } from "./rule.js";
import { gistOf, keepSentences, paintSentences } from "./sentences.js";

const details = { ...page.document.details };
const parts = schema.parts.map(({ part }) => ({ part, rule: { ...newRule(), ...page.document.rules[part] } }));
const described = (card) => schema.parts.find(({ part }) => part === card.part);
const counted = new WeakMap(); // part -> counts
if (schema.is_new) letKeyFollow(details);
for (const card of parts) if (card.rule.criteria.length || card.part === "base") open.add(id(card));

// A page nobody has written on yet is not told what is missing.
const isBlank = () => schema.is_new && !details.name && parts.every(({ rule }) => !rule.criteria.length);
const collected = () => ({
    details: { ...details },
    rules: Object.fromEntries(parts.filter(({ rule }) => rule.criteria.length).map(({ part, rule }) => [part, rule])),
});

function locate(path) {
    const [first, ...tail] = String(path).split(".");
    const card = parts.find(({ part }) => part === first);
    if (card) return { card, ...locateInRule(card.rule, tail) };
    return first in details ? { rule: details, field: first } : { field: String(path) };
}

// ---- drawing --------------------------------------------------------------------------------------------------------

function drawDetails() {
    const set = (name) => (value) => {
        details[name] = value;
        changed();
    };
    const setName = (text) => {
        details.name = text;
        followName([details], details, text, "segment");
        changed();
    };
    const active = el("label", { class: "ajr-check" }, checkbox(details.active, set("active"), {}), el("span", { text: words.active }));
    byId("ajr-details").replaceChildren(
        field(details, "name", words.name, textInput(details.name, setName, { maxlength: 120, required: true }), "", "ajr-wide"),
        field(details, "key", words.key, schema.is_new ? keyInput(details) : el("code", { text: details.key }), schema.is_new ? words.key_help : ""),
        field(details, "parent", words.parent, select(schema.parents, details.parent, set("parent")), words.parent_help),
        field(details, "description", words.description, textInput(details.description, set("description"), { maxlength: 500 }), "", "ajr-wide"),
        field(details, "review_days", words.review_days, numberInput({ min: 1, max: 3650, whole: true }, details.review_days, set("review_days")), words.review_days_help, "ajr-narrow"),
        el("div", { class: "ajr-field", title: words.active_help, "data-field": `${id(details)}:active` }, el("span", { class: "ajr-label", text: words.campaigns }), active),
    );
}

function drawPart(card) {
    const { label, help, chip } = described(card);
    return drawCard([], card, {
        chip,
        title: el("span", { class: "ajr-statement", text: label }),
        meta: el("span", { class: "ajr-meta" }, el("span", { class: "aj-muted", text: help })),
        tools: [],
        body: (isOpen) => {
            if (isOpen) return el("div", { class: "ajr-card-body" }, el("div", { class: "ajr-rule ajr-alone", "data-field": `${id(card.rule)}:` }, errorSlot(), ruleParts(card.rule, false)));
            return card.rule.criteria.length ? el("div", { class: "ajr-gist" }, gistOf(card.rule)) : el("p", { class: "aj-muted ajr-gist", text: words.part_empty });
        },
    });
}

function draw() {
    if (editable) drawDetails();
    byId("ajr-cards").replaceChildren(...parts.map(drawPart));
}

// ---- counts ---------------------------------------------------------------------------------------------------------

function paint() {
    for (const card of parts) {
        paintSentences(card.rule);
        const row = counted.get(card);
        const box = document.querySelector(`.ajr-card-counts[data-counts="${id(card)}"]`);
        if (!box) continue;
        box.replaceChildren();
        if (!row) continue;
        box.append(el("span", { class: "ajr-now" }, el("strong", { text: figure(row.matching) }), ` ${words.match_now}`));
        if (row.unknown) box.append(el("span", { class: "aj-warn", title: words.unknown_help, text: say("unknown", { n: figure(row.unknown) }) }));
        paintRuleCounts(card.rule, null);
    }
}

function drawMembers(counts) {
    const line = (text, more = "aj-muted") => el("p", { class: more, text });
    const named = (account) => el("li", {}, el("a", { class: "aj-link", href: urls.account.replace("/0/", `/${account.id}/`), text: account.name }), el("span", { class: "aj-muted", text: [account.industry, account.region].filter(Boolean).join(" · ") }));
    const some = (title, accounts) => (accounts.length ? [el("p", { class: "ajr-divider", text: title }), el("ul", { class: "ajg-sample" }, accounts.map(named))] : []);
    byId("ajr-summary").replaceChildren(
        el("p", { class: "ajg-members" }, el("strong", { text: figure(counts.members) }), ` ${counts.members === 1 ? words.account : words.accounts}`),
        counts.before === null ? line(words.not_built) : line(`${say("published_is", { n: figure(counts.before) })} · ${say("gained_lost", { gained: figure(counts.gained), lost: figure(counts.lost) })}`),
        ...(counts.parent === null ? [] : [line(say("of_parent", { n: figure(counts.parent) }))]),
        ...(counts.unknown ? [el("p", { class: "aj-warn", title: words.unknown_help, text: say("unknown", { n: figure(counts.unknown) }) })] : []),
        ...some(say("coming", { n: figure(counts.gained) }), counts.coming),
        ...some(say("leaving", { n: figure(counts.lost) }), counts.leaving),
        ...some(counts.sample.length < counts.members ? words.some_of_them : words.all_of_them, counts.sample),
    );
}

function keep(shape, { sentences, counts }) {
    for (const row of shape) {
        if (sentences?.[row.self.part]) keepSentences(row.rule, sentences[row.self.part]);
        if (counts) counted.set(row.self, counts.parts[row.self.part]);
    }
    if (counts) drawMembers(counts);
}

const shape = () => parts.map((card) => ({ self: card, rule: { scope: [], criteria: card.rule.criteria.slice() } }));

keep(shape(), { sentences: page.sentences });
start({
    cards: () => (isBlank() ? [] : parts),
    collected,
    draw,
    paint,
    locate,
    nameOf: (card) => described(card).label,
    shape,
    keep,
    counted: ({ counts, seconds }) => (counts.accounts ? say("counted", { n: figure(counts.accounts), accounts: words.accounts, seconds: figure(seconds) }) : words.no_accounts),
});
