// The page of a profile's checklist: its items, and what they make of the accounts now.

import { start } from "./frame.js";
import { counted, drawGrades, drawItems, isRule, items, paintItems } from "./items.js";
import { byId, figure, named, page, say, words } from "./page.js";
import { locateInRule } from "./problems.js";
import { keepSentences } from "./sentences.js";

const collected = () => ({ items: items.map((item) => ({ ...item, rule: isRule(item) ? item.rule : null })) });

// Where the path of a problem leads: the item, the criterion of its rule, and the field of that.
function locate(path) {
    const [first, place, ...tail] = String(path).split(".");
    const card = first === "items" && place !== undefined && (items.find((item) => item.key === place) || items[Number(place)]);
    if (!card) return { field: String(path) };
    return tail[0] === "rule" ? { card, ...locateInRule(card.rule, tail.slice(1)) } : { card, field: tail.join(".") };
}

const shape = () => items.map((item) => ({ self: item, rule: { scope: item.rule.scope.slice(), criteria: item.rule.criteria.slice() } }));

function keep(order, { sentences, counts }) {
    order.forEach((item, i) => {
        if (sentences?.[i]) keepSentences(item.rule, sentences[i]);
        if (counts) counted.set(item.self, counts.items[i]);
    });
    if (counts) drawGrades(counts);
}

function told({ counts, seconds }) {
    if (!counts.accounts) return words.no_accounts;
    const text = say("counted", { n: figure(counts.accounts), accounts: words.accounts, seconds: figure(seconds) });
    return counts.published ? text : `${text}. ${words.no_published_grades}`;
}

keep(shape(), { sentences: page.sentences });
start({
    cards: () => items,
    collected,
    draw() {
        drawItems();
        if (!items.length) byId("ajr-summary").replaceChildren();
    },
    paint: paintItems,
    locate,
    nameOf: (item) => named(item.text) || item.key,
    shape,
    keep,
    counted: told,
});
