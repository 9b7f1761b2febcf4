// The page of a journey's rules: stages with rules to enter and to stay, and the weights of engagement.

import { start } from "./frame.js";
import { figure, named, page, say, words } from "./page.js";
import { locateInRule } from "./problems.js";
import { keepSentences } from "./sentences.js";
import { counted, drawStages, paintStages, stages } from "./stages.js";
import { drawWeights } from "./weights.js";

const PURPOSES = ["enter", "stay"];
const { stages: _stages, ...rest } = page.document;
rest.seniority_weights = { ...(rest.seniority_weights || {}) };

// The server counts from the lowest precedence, the cards from the highest.
const fromBelow = () => stages.slice().reverse();

function collected() {
    const order = fromBelow();
    const rising = order.every((stage, i) => Number.isInteger(stage.precedence) && (i === 0 || stage.precedence > order[i - 1].precedence));
    return { ...rest, stages: order.map((stage, i) => ({ ...stage, precedence: rising ? stage.precedence : i * 10 })) };
}

// Where the path of a problem leads: the stage, rule and criterion it is about, and the field of that.
function locate(path) {
    const [first, key, ...tail] = String(path).split(".");
    const card = first === "stages" && key !== undefined && (stages.find((stage) => stage.key === key) || stages[stages.length - 1 - Number(key)]);
    if (!card) return { field: String(path) };
    const [purpose, number, ...inRule] = tail;
    const rule = PURPOSES.includes(purpose) ? card[purpose][number] : undefined;
    return rule ? { card, ...locateInRule(rule, inRule) } : { card, field: tail.join(".") };
}

// What stands where at this moment: the answer comes when stages may stand elsewhere.
function shape() {
    const copied = (rule) => ({ self: rule, scope: rule.scope.slice(), criteria: rule.criteria.slice() });
    return fromBelow().map((stage) => ({ self: stage, key: stage.key, enter: stage.enter.map(copied), stay: stage.stay.map(copied) }));
}

function keep(order, { sentences, counts }) {
    order.forEach((stage, i) => {
        for (const purpose of PURPOSES) stage[purpose].forEach((rule, k) => keepSentences(rule, sentences?.[i]?.[purpose]?.[k]));
        const row = counts?.stages.find((one) => one.key === stage.key);
        if (!row) return;
        counted.set(stage.self, row);
        [...stage.enter, ...stage.stay].forEach((rule, k) => row.rules[k] && counted.set(rule.self, row.rules[k]));
    });
}

function told({ counts, seconds }) {
    if (!counts.accounts) return words.no_accounts;
    const text = say("counted", { n: figure(counts.accounts), accounts: words.accounts, seconds: figure(seconds) });
    return counts.stages.every((row) => row.published === null) ? `${text}. ${words.none_published}` : text;
}

keep(shape(), { sentences: page.sentences });
start({
    cards: () => stages,
    collected,
    draw() {
        drawStages();
        drawWeights(rest.seniority_weights);
    },
    paint: paintStages,
    locate,
    nameOf: (stage) => named(stage.name) || stage.key,
    shape,
    keep,
    counted: told,
});
