// The stages of a journey as cards, the highest precedence first.

import { drawCard, followName, freeKey, goTo, keyInput, letKeyFollow } from "./cards.js";
import { colour, el, errorSlot, field, icon, numberInput, select, textInput, tool } from "./elements.js";
import { changed, open } from "./frame.js";
import { keepLast, movers, sortable } from "./moving.js";
import { byId, editable, figure, id, named, page, say, signed, words } from "./page.js";
import { addButton, drawRule, newRule, paintRuleCounts } from "./rule.js";
import { gistOf, paintSentences } from "./sentences.js";

const COLOURS = ["#38bdf8", "#6366f1", "#a855f7", "#fbbf24", "#f59e0b", "#fb923c", "#f87171", "#16a34a", "#14b8a6", "#64748b"];

export const stages = page.document.stages.slice().reverse();
export const counted = new WeakMap(); // stage or rule -> counts
keepLast(stages); // the floor

const floor = () => stages[stages.length - 1];
const rulesOf = (stage) => [...stage.enter, ...stage.stay];

// ---- the funnel -----------------------------------------------------------------------------------------------------

const funnel = () => stages.filter((stage) => stage.position !== null).sort((a, b) => a.position - b.position);

function place(stage, after) {
    if (after === "out") {
        stage.position = null;
        return;
    }
    const order = funnel().filter((other) => other !== stage);
    const at = after === "first" ? 0 : order.findIndex((other) => id(other) === after) + 1;
    order.splice(at, 0, stage);
    order.forEach((other, i) => (other.position = i));
}

// ---- new ones -------------------------------------------------------------------------------------------------------

function newStage(name, rules) {
    const used = new Set(stages.map((stage) => stage.color));
    const stage = {
        key: freeKey(stages, name, "stage"),
        name,
        description: "",
        precedence: null,
        position: null,
        color: COLOURS.find((other) => !used.has(other)) || COLOURS[0],
        min_stay_days: 0,
        enter: rules,
        stay: [],
    };
    letKeyFollow(stage);
    return stage;
}

function insertStage(at) {
    const stage = newStage(words.new_stage, [newRule()]);
    stages.splice(at, 0, stage);
    const below = stages.slice(at + 1).find((other) => other.position !== null);
    place(stage, below ? id(below) : "first");
    open.add(id(stage));
    changed(true, `${id(stage)}:name`);
}

function splitStage(stage) {
    const copy = structuredClone(stage);
    copy.name = say("copy_of", { name: named(stage.name) });
    copy.key = freeKey(stages, stage.key, "stage");
    copy.precedence = null;
    letKeyFollow(copy);
    stages.splice(stages.indexOf(stage), 0, copy);
    if (stage.position !== null) {
        copy.position = null;
        place(copy, id(stage));
    }
    open.add(id(copy));
    changed(true, `${id(copy)}:name`);
}

function removeStage(stage) {
    if (!window.confirm(say("remove_stage_ask", { name: named(stage.name) }))) return;
    stages.splice(stages.indexOf(stage), 1);
    changed(true);
}

function firstStages() {
    const engaged = { kind: "engaged_minutes", params: { minutes: 0, comparator: ">", window_days: 90 }, negate: false };
    const top = newStage(words.engaged, [{ ...newRule(), criteria: [engaged] }]);
    const bottom = newStage(words.no_engagement, []);
    stages.push(top, bottom);
    top.color = "#38bdf8";
    bottom.color = "#94a3b8";
    bottom.position = 0;
    top.position = 1;
    open.add(id(top));
    changed(true, `${id(top)}:name`);
}

// ---- drawing --------------------------------------------------------------------------------------------------------

export function drawStages() {
    const box = byId("ajr-cards");
    box.replaceChildren();
    if (!stages.length) {
        const first = editable && el("button", { type: "button", class: "ajr-button ajr-primary", on: { click: firstStages } }, words.add_first_stage);
        box.append(el("div", { class: "ajr-none-yet" }, el("p", { text: editable ? words.no_stages : words.nothing_set }), first));
    }
    stages.forEach((stage, i) => {
        if (editable) {
            const insert = { type: "button", "data-focus": `insert:${i}`, on: { click: () => insertStage(i) } };
            box.append(el("div", { class: "ajr-insert" }, el("button", insert, icon("add"), words.add_stage)));
        }
        box.append(drawStage(stage));
    });
}

function drawStage(stage) {
    const isFloor = stage === floor();
    const node = drawCard(stages, stage, {
        chip: stage.color,
        title: el("span", { class: "aj-stage", chip: stage.color, text: named(stage.name) || "–" }),
        meta: el("span", { class: "aj-muted ajr-meta", text: metaOf(stage) }),
        tools: !isFloor && [
            ...movers(stages, stage),
            tool(stage, "split", "call_split", say("split"), () => splitStage(stage)),
            tool(stage, "remove", "delete", say("remove_stage"), () => removeStage(stage)),
        ],
        body: (isOpen) => (isOpen ? stageBody(stage, isFloor) : gist(stage, isFloor)),
    });
    if (editable) sortable(node, stages, stage);
    return node;
}

function metaOf(stage) {
    const where = stage.position === null ? words.parking_short : say("place", { place: stage.position });
    return stage.min_stay_days ? `${where} · ${say("stays_at_least", { days: stage.min_stay_days })}` : where;
}

const chipsOf = (stage) => document.querySelectorAll(`#ajr-card-${id(stage)} > header .aj-stage`);

function stageBody(stage, isFloor) {
    const setColour = (value) => {
        stage.color = value;
        for (const part of [byId(`ajr-card-${id(stage)}`), ...chipsOf(stage)]) part.style.setProperty("--chip", value);
        changed();
    };
    const setDescription = (text) => {
        stage.description = text;
        changed();
    };
    const setStay = (value) => {
        stage.min_stay_days = value === null ? 0 : value;
        changed();
    };
    const colourInput = el("input", { type: "color", value: colour(stage.color), on: { input: (event) => setColour(event.target.value) } });
    return el(
        "div",
        { class: "ajr-card-body" },
        el(
            "div",
            { class: "ajr-grid" },
            field(stage, "name", words.stage_name, textInput(named(stage.name), (text) => rename(stage, text), { maxlength: 120 }), "", "ajr-wide"),
            field(stage, "position", words.in_funnel, positionSelect(stage)),
            !isFloor && field(stage, "min_stay_days", words.min_stay, numberInput({ min: 0, max: 36500, whole: true }, stage.min_stay_days, setStay), words.min_stay_help),
            field(stage, "color", words.colour, colourInput, "", "ajr-narrow"),
            field(stage, "description", words.description, textInput(named(stage.description), setDescription, { maxlength: 300 }), "", "ajr-wide"),
            field(stage, "key", words.key, keyInput(stage), words.key_help),
        ),
        isFloor
            ? el("div", { "data-field": `${id(stage)}:rules` }, el("p", { class: "aj-muted", text: words.floor }), drawRules(stage, "enter", true))
            : [drawRules(stage, "enter"), drawRules(stage, "stay")],
    );
}

function positionSelect(stage) {
    const order = funnel().filter((other) => other !== stage);
    const before = stage.position === null ? null : order.filter((other) => other.position < stage.position).pop();
    const chosen = stage.position === null ? "out" : before ? id(before) : "first";
    const after = order.map((other) => [id(other), say("place_after", { stage: named(other.name) })]);
    return select([["out", words.parking], ["first", words.place_first], ...after], chosen, (value) => {
        place(stage, value);
        changed(true);
    });
}

function rename(stage, text) {
    stage.name = text;
    for (const chip of chipsOf(stage)) chip.textContent = text || "–";
    followName(stages, stage, text, "stage");
    drawSummary();
    changed();
}

function drawRules(stage, purpose, isFloor = false) {
    const list = stage[purpose];
    const isStay = purpose === "stay";
    if (isFloor && !list.length) return null;
    const add = addButton(`${id(stage)}:add-${purpose}`, isStay ? words.add_stay_rule : words.add_rule, () => {
        const rule = newRule();
        list.push(rule);
        changed(true, `${id(rule)}:add-criteria`);
    });
    if (isStay && !list.length) return el("div", { class: "ajr-rules ajr-empty-rules" }, add);
    return el(
        "div",
        { class: "ajr-rules", "data-field": `${id(stage)}:${isStay ? "stay" : "rules"}` },
        el("h3", { text: isStay ? words.to_stay : words.to_enter }),
        isStay ? el("p", { class: "aj-muted", text: words.to_stay_help }) : null,
        list.length > 1 ? el("p", { class: "aj-muted", text: words.first_rule_decides }) : null,
        errorSlot(),
        list.map((rule, i) => drawRule(list, rule, i)),
        isFloor ? null : add,
    );
}

// A stage in words: what a closed card and a published version show.
function gist(stage, isFloor) {
    return el(
        "div",
        { class: "ajr-gist" },
        stage.description ? el("p", { class: "aj-muted", text: named(stage.description) }) : null,
        isFloor && !rulesOf(stage).length ? el("p", { class: "aj-muted", text: words.floor }) : null,
        stage.enter.map((rule) => gistOf(rule)),
        stage.stay.map((rule) => gistOf(rule, words.to_stay)),
    );
}

// ---- counts ---------------------------------------------------------------------------------------------------------

export function paintStages() {
    for (const stage of stages) {
        paintStage(stage);
        for (const rule of rulesOf(stage)) {
            paintRuleCounts(rule, counted.get(rule));
            paintSentences(rule);
        }
    }
    drawSummary();
}

function paintStage(stage) {
    const box = document.querySelector(`.ajr-card-counts[data-counts="${id(stage)}"]`);
    const row = counted.get(stage);
    if (!box) return;
    box.replaceChildren();
    if (!row) return;
    box.append(el("span", { class: "ajr-now" }, el("strong", { text: figure(row.accounts) }), ` ${words.now}`));
    if (row.published === null || !(row.gained || row.lost)) return;
    box.append(
        el("span", { class: "aj-muted", text: say("published_is", { n: figure(row.published) }) }),
        el(
            "span",
            { class: "ajr-moves", title: movesOf(row) },
            row.gained ? el("span", { class: "aj-good", text: `+${figure(row.gained)}` }) : null,
            row.lost ? el("span", { class: "aj-warn", text: `−${figure(row.lost)}` }) : null,
        ),
    );
}

const movesOf = (row) => say("gained_lost", { gained: figure(row.gained), lost: figure(row.lost) });

function drawSummary() {
    const box = byId("ajr-summary");
    const parking = stages.filter((stage) => stage.position === null);
    const most = Math.max(1, ...stages.map((stage) => counted.get(stage)?.accounts || 0));
    box.replaceChildren(...funnel().map((stage) => summaryLine(stage, most)));
    if (parking.length) box.append(el("p", { class: "ajr-divider", text: words.outside_funnel }), ...parking.map((stage) => summaryLine(stage, most)));
}

function summaryLine(stage, most) {
    const row = counted.get(stage);
    const bar = el("span", { class: "ajr-sum-bar" });
    bar.style.width = `${((row?.accounts || 0) / most) * 100}%`;
    const change = row && row.published !== null ? row.accounts - row.published : 0;
    const moved = row && row.published !== null && (row.gained || row.lost);
    const title = moved ? `${say("published_is", { n: figure(row.published) })}; ${movesOf(row)}` : undefined;
    return el(
        "button",
        { type: "button", class: "ajr-sum", chip: stage.color, title, on: { click: () => goTo(stage) } },
        el("span", { class: "ajr-sum-name", text: named(stage.name) || "–" }),
        el("span", { class: "ajr-sum-now", text: row ? figure(row.accounts) : "–" }),
        el("span", { class: `ajr-sum-change ${change > 0 ? "aj-good" : change < 0 ? "aj-warn" : "aj-muted"}`, text: moved ? signed(change) || "±0" : "" }),
        el("span", { class: "ajr-sum-track" }, bar),
    );
}
