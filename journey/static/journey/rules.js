// The rule editor: draws the stages, rules and criteria of a version, counts while they are edited, and saves.
// It evaluates nothing itself: words, counts and problems come from the server.
"use strict";
(() => {
    const holder = document.getElementById("ajr-state");
    if (!holder) return;
    const page = JSON.parse(holder.textContent);
    const { words, schema, urls, editable, names } = page;
    const language = document.documentElement.lang || undefined;
    const figure = (value) => new Intl.NumberFormat(language).format(value);
    const COLOURS = ["#38bdf8", "#6366f1", "#a855f7", "#fbbf24", "#f59e0b", "#fb923c", "#f87171", "#16a34a", "#14b8a6", "#64748b"];
    const HEX = /^#[0-9a-fA-F]{6}$/;

    // ---- state ------------------------------------------------------------------------------------------------------

    const stages = page.document.stages.slice().reverse(); // the highest precedence first, as the cards stand
    const rest = { ...page.document };
    delete rest.stages;
    rest.seniority_weights = { ...(rest.seniority_weights || {}) };
    const ids = new WeakMap();
    const open = new Set(); // ids of stages whose rules are shown
    const narrowed = new Set(); // "id:param" of limits asked for and still empty
    const freshKeys = new WeakSet(); // stages whose key still follows their name
    const sentences = new WeakMap(); // criterion -> words
    const counted = new WeakMap(); // stage or rule -> counts
    let problems = page.problems.map((problem) => ({ problem, ...locate(problem.field, stages) }));
    let counts = null;
    let basis = page.basis;
    let lastId = 0;
    let savedText = "";
    let saving = false;
    let tried = false; // to save: what is wrong is then told at the top of the page too

    const id = (object) => {
        if (!ids.has(object)) ids.set(object, String(++lastId));
        return ids.get(object);
    };
    const say = (name, values = {}) =>
        words[name].replace(/%\((\w+)\)s/g, (all, key) => (key in values ? String(values[key]) : all));
    const named = (text) => (Object.hasOwn(names, text) ? names[text] : text);
    const floor = () => stages[stages.length - 1];
    const byId = (name) => document.getElementById(name);

    function collected() {
        const order = stages.slice().reverse();
        const rising = order.every(
            (stage, i) => Number.isInteger(stage.precedence) && (i === 0 || stage.precedence > order[i - 1].precedence),
        );
        return {
            ...rest,
            stages: order.map((stage, i) => ({ ...stage, precedence: rising ? stage.precedence : i * 10 })),
        };
    }

    function noteText() {
        const input = byId("ajr-note");
        return input ? input.value : page.note;
    }

    const snapshot = () => JSON.stringify([collected(), noteText()]);
    const isDirty = () => editable && snapshot() !== savedText;

    // Where the path of a problem leads: the stage, rule and criterion it is about, and the field of that.
    function locate(path, order) {
        const parts = String(path).split(".");
        if (parts[0] !== "stages" || parts.length < 2) return { field: String(path) };
        const same = order.filter((stage) => stage.key === parts[1]);
        // The server counts from the lowest precedence, the cards from the highest.
        const stage = same[0] || order[order.length - 1 - Number(parts[1])];
        if (!stage) return { field: String(path) };
        const found = { stage };
        let tail = parts.slice(2);
        if (["enter", "stay"].includes(tail[0]) && stage[tail[0]][tail[1]]) {
            found.rule = stage[tail[0]][tail[1]];
            tail = tail.slice(2);
            if (["scope", "criteria"].includes(tail[0]) && found.rule[tail[0]][tail[1]]) {
                found.term = found.rule[tail[0]][tail[1]];
                tail = tail.slice(2);
            }
        }
        found.field = tail.join(".");
        return found;
    }

    function keepSentences(order, answer) {
        order.forEach((stage, s) => {
            for (const purpose of ["enter", "stay"]) {
                stage[purpose].forEach((rule, r) => {
                    for (const part of ["scope", "criteria"]) {
                        rule[part].forEach((term, t) => {
                            const text = answer[s]?.[purpose]?.[r]?.[part]?.[t];
                            if (text !== undefined) sentences.set(term, text);
                        });
                    }
                });
            }
        });
    }

    // ---- building elements -------------------------------------------------------------------------------------------

    function el(tag, props = {}, ...children) {
        const node = document.createElement(tag);
        for (const [name, value] of Object.entries(props)) {
            if (value === undefined || value === null || value === false) continue;
            if (name === "text") node.textContent = value;
            else if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
            else if (name === "chip") node.style.setProperty("--chip", HEX.test(value) ? value : "#94a3b8");
            else if (name === "value" || name === "checked" || name === "disabled" || name === "selected") node[name] = value;
            else node.setAttribute(name, value === true ? "" : value);
        }
        node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
        return node;
    }

    const icon = (name) => el("span", { class: "material-symbols-outlined", "aria-hidden": "true", text: name });

    function tool(owner, name, glyph, label, click, more = {}) {
        const attributes = { type: "button", class: "ajr-tool", title: label, "aria-label": label, "data-focus": `${id(owner)}:${name}` };
        return el("button", { ...attributes, on: { click }, ...more }, icon(glyph));
    }

    function field(owner, name, label, input, help = "", kind = "") {
        input.dataset.focus ||= `${id(owner)}:${name}`;
        return el(
            "div",
            { class: `ajr-field ${kind}`, "data-field": `${id(owner)}:${name}` },
            el("label", { class: "ajr-label", text: label, title: help || undefined, for: named_input(input) }),
            input,
        );
    }

    function named_input(input) {
        const control = input.matches("input, select, textarea") ? input : input.querySelector("input, select, summary");
        if (!control) return undefined;
        control.id ||= `ajr-input-${++lastId}`;
        return control.id;
    }

    function select(options, value, change, more = {}) {
        const node = el("select", { ...more, on: { change: () => change(node.value) } });
        let known = false;
        for (const option of options) {
            if (Array.isArray(option)) {
                const [key, label] = option;
                known ||= key === String(value);
                node.append(el("option", { value: key, text: label, selected: key === String(value) }));
            } else {
                const group = el("optgroup", { label: option.group });
                for (const [key, label] of option.options) {
                    known ||= key === String(value);
                    group.append(el("option", { value: key, text: label, selected: key === String(value) }));
                }
                node.append(group);
            }
        }
        if (!known) node.append(el("option", { value: String(value), text: say("gone", { value }), selected: true }));
        return node;
    }

    // ---- moving ------------------------------------------------------------------------------------------------------

    let dragged = null;

    function isFixed(list, item) {
        return list === stages && item === floor();
    }

    function moveTo(list, item, place, focus) {
        const from = list.indexOf(item);
        const most = list === stages ? list.length - 2 : list.length - 1;
        const to = Math.max(0, Math.min(place, most));
        if (from < 0 || from === to || isFixed(list, item)) return;
        list.splice(from, 1);
        list.splice(to, 0, item);
        changed(true, focus || `${id(item)}:handle`);
    }

    function handle(list, item) {
        if (isFixed(list, item)) return el("span", { class: "ajr-handle ajr-fixed" }, icon("vertical_align_bottom"));
        // No button: browsers do not let anything be dragged by one.
        return el(
            "span",
            {
                class: "ajr-tool ajr-handle",
                role: "button",
                tabindex: 0,
                title: words.drag,
                "aria-label": words.drag,
                "data-focus": `${id(item)}:handle`,
                on: {
                    keydown: (event) => {
                        const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
                        if (!step) return;
                        event.preventDefault();
                        moveTo(list, item, list.indexOf(item) + step);
                    },
                },
            },
            icon("drag_indicator"),
        );
    }

    function movers(list, item) {
        const i = list.indexOf(item);
        const last = list === stages ? list.length - 2 : list.length - 1;
        return [
            tool(item, "up", "arrow_upward", say("up"), () => moveTo(list, item, i - 1, `${id(item)}:up`), { disabled: i === 0 || isFixed(list, item) }),
            tool(item, "down", "arrow_downward", say("down"), () => moveTo(list, item, i + 1, `${id(item)}:down`), { disabled: i >= last }),
        ];
    }

    function sortable(node, list, item) {
        const grip = node.querySelector(".ajr-handle:not(.ajr-fixed)");
        const clear = () => node.classList.remove("ajr-before", "ajr-after");
        if (grip) {
            grip.addEventListener("pointerdown", () => (node.draggable = true));
            grip.addEventListener("pointerup", () => (node.draggable = false));
        }
        node.addEventListener("dragstart", (event) => {
            if (!node.draggable || event.target !== node) return;
            dragged = { list, item };
            event.dataTransfer.effectAllowed = "move";
            event.dataTransfer.setData("text/plain", "");
            node.classList.add("ajr-dragged");
        });
        node.addEventListener("dragend", () => {
            node.draggable = false;
            node.classList.remove("ajr-dragged");
            dragged = null;
        });
        const isAfter = (event) => {
            const box = node.getBoundingClientRect();
            return event.clientY > box.top + box.height / 2;
        };
        node.addEventListener("dragover", (event) => {
            if (!dragged || dragged.list !== list || dragged.item === item) return;
            event.preventDefault();
            event.stopPropagation();
            clear();
            node.classList.add(isAfter(event) && !isFixed(list, item) ? "ajr-after" : "ajr-before");
        });
        node.addEventListener("dragleave", clear);
        node.addEventListener("drop", (event) => {
            if (!dragged || dragged.list !== list || dragged.item === item) return;
            event.preventDefault();
            event.stopPropagation();
            clear();
            let to = list.indexOf(item) + (isAfter(event) && !isFixed(list, item) ? 1 : 0);
            if (list.indexOf(dragged.item) < to) to -= 1;
            moveTo(list, dragged.item, to);
        });
    }

    // ---- stages ------------------------------------------------------------------------------------------------------

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

    function slug(text) {
        return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 50).replace(/^-+|-+$/g, "");
    }

    function freeKey(wanted, but = null) {
        const taken = new Set(stages.filter((stage) => stage !== but).map((stage) => stage.key));
        const base = wanted || "stage";
        let key = base;
        for (let i = 2; taken.has(key); i++) key = `${base}-${i}`;
        return key;
    }

    const newRule = () => ({ name: "", at_least: null, scope: [], criteria: [] });

    function newStage(name, rules) {
        const used = new Set(stages.map((stage) => stage.color));
        const stage = {
            key: freeKey(slug(name)),
            name,
            description: "",
            precedence: null,
            position: null,
            color: COLOURS.find((colour) => !used.has(colour)) || COLOURS[0],
            min_stay_days: 0,
            enter: rules,
            stay: [],
        };
        freshKeys.add(stage);
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
        copy.key = freeKey(stage.key);
        copy.precedence = null;
        freshKeys.add(copy);
        stages.splice(stages.indexOf(stage), 0, copy);
        if (stage.position !== null) {
            copy.position = null;
            place(copy, id(stage));
        }
        open.add(id(copy));
        changed(true, `${id(copy)}:name`);
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

    function drawStage(stage) {
        const isOpen = open.has(id(stage));
        const isFloor = stage === floor();
        const chip = el("span", { class: "aj-stage", chip: stage.color, text: named(stage.name) || "–" });
        const title = editable
            ? el(
                  "button",
                  {
                      type: "button",
                      class: "ajr-toggle",
                      "aria-expanded": String(isOpen),
                      title: isOpen ? words.close : words.open,
                      "data-focus": `${id(stage)}:toggle`,
                      on: {
                          click: () => {
                              if (isOpen) open.delete(id(stage));
                              else open.add(id(stage));
                              draw();
                          },
                      },
                  },
                  icon(isOpen ? "expand_more" : "chevron_right"),
                  chip,
              )
            : chip;
        const head = el(
            "header",
            { class: "ajr-stage-head" },
            editable && handle(stages, stage),
            el("div", { class: "ajr-stage-title" }, title, el("span", { class: "aj-muted ajr-meta", text: metaOf(stage) })),
            el("div", { class: "ajr-stage-counts", "data-counts": id(stage) }),
            editable &&
                el(
                    "div",
                    { class: "ajr-tools" },
                    !isFloor && [
                        ...movers(stages, stage),
                        tool(stage, "split", "call_split", say("split"), () => splitStage(stage)),
                        tool(stage, "remove", "delete", say("remove_stage"), () => {
                            if (!window.confirm(say("remove_stage_ask", { name: named(stage.name) }))) return;
                            stages.splice(stages.indexOf(stage), 1);
                            changed(true);
                        }),
                    ],
                ),
        );
        const node = el(
            "section",
            { class: "ajr-stage", chip: stage.color, "data-stage": id(stage), id: `ajr-stage-${id(stage)}`, "data-field": `${id(stage)}:` },
            head,
            el("p", { class: "ajr-error", hidden: true }),
            editable && isOpen ? stageBody(stage, isFloor) : gist(stage, isFloor),
        );
        if (editable) sortable(node, stages, stage);
        return node;
    }

    function metaOf(stage) {
        const where = stage.position === null ? words.parking_short : say("place", { place: stage.position });
        return stage.min_stay_days ? `${where} · ${say("stays_at_least", { days: stage.min_stay_days })}` : where;
    }

    function stageBody(stage, isFloor) {
        const name = el("input", { type: "text", maxlength: 120, value: named(stage.name), on: { input: () => rename(stage, name.value) } });
        const key = el("input", {
            type: "text",
            maxlength: 60,
            value: stage.key,
            spellcheck: "false",
            class: "ajr-mono",
            "data-key": id(stage),
            on: {
                input: () => {
                    freshKeys.delete(stage);
                    stage.key = key.value.trim();
                    changed();
                },
            },
        });
        const colour = el("input", {
            type: "color",
            value: HEX.test(stage.color) ? stage.color : "#94a3b8",
            on: {
                input: () => {
                    stage.color = colour.value;
                    for (const part of document.querySelectorAll(`[data-stage="${id(stage)}"], [data-stage="${id(stage)}"] .aj-stage`)) part.style.setProperty("--chip", colour.value);
                    changed();
                },
            },
        });
        const description = el("input", {
            type: "text",
            maxlength: 300,
            value: named(stage.description),
            on: {
                input: () => {
                    stage.description = description.value;
                    changed();
                },
            },
        });
        const order = funnel().filter((other) => other !== stage);
        const before = stage.position === null ? null : order.filter((other) => other.position < stage.position).pop();
        const chosen = stage.position === null ? "out" : before ? id(before) : "first";
        const where = select(
            [["out", words.parking], ["first", words.place_first], ...order.map((other) => [id(other), say("place_after", { stage: named(other.name) })])],
            chosen,
            (value) => {
                place(stage, value);
                changed(true);
            },
        );
        const stay = numberInput({ min: 0, max: 36500, whole: true }, stage.min_stay_days, (value) => {
            stage.min_stay_days = value === null ? 0 : value;
            changed();
        });
        return el(
            "div",
            { class: "ajr-stage-body" },
            el(
                "div",
                { class: "ajr-grid" },
                field(stage, "name", words.stage_name, name, "", "ajr-wide"),
                field(stage, "position", words.in_funnel, where),
                !isFloor && field(stage, "min_stay_days", words.min_stay, stay, words.min_stay_help),
                field(stage, "color", words.colour, colour, "", "ajr-narrow"),
                field(stage, "description", words.description, description, "", "ajr-wide"),
                field(stage, "key", words.key, key, words.key_help),
            ),
            isFloor
                ? el("div", { "data-field": `${id(stage)}:rules` }, el("p", { class: "aj-muted", text: words.floor }), drawRules(stage, "enter", true))
                : [drawRules(stage, "enter"), drawRules(stage, "stay")],
        );
    }

    function rename(stage, text) {
        stage.name = text;
        for (const chip of document.querySelectorAll(`[data-stage="${id(stage)}"] .aj-stage`)) chip.textContent = text || "–";
        if (freshKeys.has(stage)) {
            stage.key = freeKey(slug(text), stage);
            const input = document.querySelector(`[data-key="${id(stage)}"]`);
            if (input) input.value = stage.key;
        }
        drawSummary();
        changed();
    }

    // A stage in words: what a closed card and a published version show.
    function gist(stage, isFloor) {
        const rules = [...stage.enter.map((rule) => [rule, ""]), ...stage.stay.map((rule) => [rule, words.to_stay])];
        return el(
            "div",
            { class: "ajr-gist" },
            stage.description ? el("p", { class: "aj-muted", text: named(stage.description) }) : null,
            isFloor && !rules.length ? el("p", { class: "aj-muted", text: words.floor }) : null,
            rules.map(([rule, lead]) =>
                el(
                    "div",
                    { class: "ajr-gist-rule" },
                    el(
                        "p",
                        { class: "ajr-gist-head" },
                        rule.name || lead ? el("strong", { text: [named(rule.name), lead].filter(Boolean).join(" · ") }) : null,
                        rule.criteria.length > 1 ? el("span", { class: "aj-muted", text: manyOf(rule) }) : null,
                        el("span", { class: "ajr-rule-counts", "data-counts": id(rule) }),
                    ),
                    rule.scope.length ? el("p", { class: "aj-muted" }, `${words.only_for} `, rule.scope.flatMap((term, i) => [i ? ", " : "", sentenceNode(term)])) : null,
                    el("ul", {}, rule.criteria.map((term) => el("li", {}, sentenceNode(term)))),
                ),
            ),
        );
    }

    function manyOf(rule) {
        if (rule.at_least === null || rule.at_least >= rule.criteria.length) return words.all_of;
        return rule.at_least === 1 ? words.any_of : say("at_least_k", { k: rule.at_least });
    }

    const sentenceNode = (term) => el("span", { "data-sentence": id(term), text: sentenceOf(term) });

    function sentenceOf(term) {
        return sentences.get(term) || schema.kinds[term.kind]?.label || String(term.kind);
    }

    // ---- rules -------------------------------------------------------------------------------------------------------

    function drawRules(stage, purpose, isFloor = false) {
        const list = stage[purpose];
        const isStay = purpose === "stay";
        if (isFloor && !list.length) return null;
        const add = el(
            "button",
            {
                type: "button",
                class: "ajr-add",
                "data-focus": `${id(stage)}:add-${purpose}`,
                on: {
                    click: () => {
                        const rule = newRule();
                        list.push(rule);
                        changed(true, `${id(rule)}:add-criteria`);
                    },
                },
            },
            icon("add"),
            isStay ? words.add_stay_rule : words.add_rule,
        );
        if (isStay && !list.length) return el("div", { class: "ajr-rules ajr-empty-rules" }, add);
        return el(
            "div",
            { class: "ajr-rules", "data-field": `${id(stage)}:${isStay ? "stay" : "rules"}` },
            el("h3", { text: isStay ? words.to_stay : words.to_enter }),
            isStay ? el("p", { class: "aj-muted", text: words.to_stay_help }) : null,
            list.length > 1 ? el("p", { class: "aj-muted", text: words.first_rule_decides }) : null,
            el("p", { class: "ajr-error", hidden: true }),
            list.map((rule, i) => drawRule(list, rule, i)),
            isFloor ? null : add,
        );
    }

    function drawRule(list, rule, i) {
        const name = el("input", {
            type: "text",
            maxlength: 120,
            value: named(rule.name),
            placeholder: words.rule_name,
            "aria-label": words.rule_name,
            "data-focus": `${id(rule)}:name`,
            on: {
                input: () => {
                    rule.name = name.value;
                    changed();
                },
            },
        });
        const node = el(
            "div",
            { class: "ajr-rule", "data-field": `${id(rule)}:` },
            el(
                "div",
                { class: "ajr-rule-head" },
                handle(list, rule),
                el("span", { class: "ajr-rule-number", text: say("rule", { number: i + 1 }) }),
                el("div", { class: "ajr-rule-name", "data-field": `${id(rule)}:name` }, name),
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
            el("p", { class: "ajr-error", hidden: true }),
            el(
                "div",
                { class: "ajr-part", "data-field": `${id(rule)}:scope` },
                el("h4", { text: words.for_which }),
                rule.scope.length ? rule.scope.map((term) => drawTerm(rule.scope, term, true)) : null,
                el(
                    "div",
                    { class: "ajr-scope-foot" },
                    rule.scope.length ? null : el("span", { class: "aj-muted", text: words.all_accounts }),
                    adder(rule, "scope", words.add_condition),
                ),
            ),
            el(
                "div",
                { class: "ajr-part", "data-field": `${id(rule)}:criteria` },
                el("div", { class: "ajr-many" }, el("h4", { text: words.must_hold }), manyInput(rule)),
                el("p", { class: "ajr-error", hidden: true }),
                rule.criteria.map((term) => drawTerm(rule.criteria, term, false)),
                adder(rule, "criteria", words.add_criterion),
            ),
        );
        sortable(node, list, rule);
        return node;
    }

    function manyInput(rule) {
        const n = rule.criteria.length;
        if (n < 2 && rule.at_least === null) return null;
        const mode = rule.at_least === null ? "all" : rule.at_least === 1 ? "any" : "k";
        const options = [["all", words.all_of], ["any", words.any_of], ["k", words.at_least]];
        const box = el("span", { class: "ajr-inline", "data-field": `${id(rule)}:at_least` });
        box.append(
            select(
                options,
                mode,
                (value) => {
                    rule.at_least = { all: null, any: 1, k: Math.min(2, Math.max(n, 1)) }[value];
                    if (value === "k" && rule.at_least === 1) rule.at_least = n;
                    changed(true, `${id(rule)}:many`);
                },
                { "data-focus": `${id(rule)}:many`, "aria-label": words.must_hold },
            ),
        );
        if (mode === "k") {
            const input = numberInput({ min: 1, max: Math.max(n, 1), whole: true }, rule.at_least, (value) => {
                rule.at_least = value;
                changed();
            });
            input.dataset.focus = `${id(rule)}:at_least`;
            input.setAttribute("aria-label", words.at_least);
            box.append(input, el("span", { class: "aj-muted", text: say("of_n", { n }) }));
        }
        box.append(el("p", { class: "ajr-error", hidden: true }));
        return box;
    }

    function adder(rule, part, label) {
        const options = kindOptions(part === "scope");
        const add = (kind) => {
            const term = { kind, params: {}, negate: false };
            rule[part].push(term);
            const shown = schema.kinds[kind].params.filter((param) => !param.narrows);
            const first = shown.find((param) => isEmpty(param.default)) || shown[0];
            changed(true, first ? `${id(term)}:params.${first.name}` : `${id(term)}:kind`);
        };
        const single = options.flatMap((group) => group.options);
        const focus = `${id(rule)}:add-${part}`;
        if (single.length === 1) {
            return el("button", { type: "button", class: "ajr-add", "data-focus": focus, on: { click: () => add(single[0][0]) } }, icon("add"), label);
        }
        const chooser = select([["", label], ...options], "", (value) => value && add(value), { class: "ajr-adder", "data-focus": focus, "aria-label": label });
        return el("span", { class: "ajr-add-box" }, icon("add"), chooser);
    }

    function kindOptions(scopeOnly) {
        const groups = new Map();
        for (const [kind, spec] of Object.entries(schema.kinds)) {
            if (scopeOnly && !spec.scope) continue;
            if (!groups.has(spec.group)) groups.set(spec.group, []);
            groups.get(spec.group).push([kind, spec.label]);
        }
        return [...groups].map(([group, options]) => ({ group, options }));
    }

    // ---- criteria ----------------------------------------------------------------------------------------------------

    function drawTerm(list, term, isScope) {
        const spec = schema.kinds[term.kind];
        const not = el("input", {
            type: "checkbox",
            checked: term.negate === true,
            "data-focus": `${id(term)}:not`,
            on: {
                change: () => {
                    term.negate = not.checked;
                    changed();
                },
            },
        });
        const kind = select(
            kindOptions(isScope),
            term.kind,
            (value) => {
                term.kind = value;
                // What the new kind knows too is kept: a window, a limit to marketing.
                const known = new Set(schema.kinds[value].params.map((param) => `${param.name}/${param.input}/${param.list}`));
                const before = spec ? spec.params : [];
                term.params = Object.fromEntries(
                    before.filter((param) => param.name in term.params && known.has(`${param.name}/${param.input}/${param.list}`)).map((param) => [param.name, term.params[param.name]]),
                );
                sentences.delete(term);
                changed(true, `${id(term)}:kind`);
            },
            { "data-focus": `${id(term)}:kind`, "aria-label": words.choose_kind, title: spec?.help || undefined },
        );
        const single = isScope && spec && kindOptions(true).flatMap((group) => group.options).length === 1;
        const params = spec ? drawParams(term, spec) : null;
        const node = el(
            "div",
            { class: "ajr-term", "data-field": `${id(term)}:` },
            el(
                "div",
                { class: "ajr-term-head" },
                handle(list, term),
                el("label", { class: "ajr-not", title: words.not_help }, not, el("span", { text: words.not })),
                single
                    ? el("div", { class: "ajr-params" }, params)
                    : el("div", { class: "ajr-field ajr-kind", "data-field": `${id(term)}:kind` }, kind),
                el(
                    "div",
                    { class: "ajr-tools" },
                    movers(list, term),
                    tool(term, "copy", "content_copy", say("duplicate"), () => {
                        const copy = structuredClone(term);
                        list.splice(list.indexOf(term) + 1, 0, copy);
                        changed(true, `${id(copy)}:kind`);
                    }),
                    tool(term, "remove", "close", say("remove"), () => removeTerm(list, term)),
                ),
            ),
            single ? null : el("div", { class: "ajr-params" }, params),
            el("p", { class: "ajr-error", hidden: true }),
            el("p", { class: "ajr-sentence", "data-sentence": id(term), text: sentences.get(term) || "" }),
        );
        sortable(node, list, term);
        return node;
    }

    function removeTerm(list, term) {
        list.splice(list.indexOf(term), 1);
        const rule = stages.flatMap((stage) => [...stage.enter, ...stage.stay]).find((one) => one.criteria === list);
        if (rule && list.length && rule.at_least > list.length) rule.at_least = list.length;
        changed(true);
    }

    const valueOf = (term, param) => (param.name in term.params ? term.params[param.name] : param.default);
    const isEmpty = (value) => value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length);

    function drawParams(term, spec) {
        const shown = (param) => !param.narrows || !isEmpty(valueOf(term, param)) || narrowed.has(`${id(term)}:${param.name}`);
        const hidden = spec.params.filter((param) => !shown(param));
        const unknown = Object.keys(term.params).filter((name) => !spec.params.some((param) => param.name === name));
        return [
            spec.params.filter(shown).map((param) => drawParam(term, param, spec)),
            unknown.map((name) =>
                field(
                    term,
                    `params.${name}`,
                    name,
                    el(
                        "span",
                        { class: "ajr-inline" },
                        el("code", { text: JSON.stringify(term.params[name]) }),
                        tool(term, `drop-${name}`, "close", say("remove"), () => {
                            delete term.params[name];
                            changed(true);
                        }),
                    ),
                ),
            ),
            hidden.length
                ? el(
                      "div",
                      { class: "ajr-field ajr-narrower" },
                      select(
                          [["", words.narrow], ...hidden.map((param) => [param.name, param.label])],
                          "",
                          (name) => {
                              if (!name) return;
                              narrowed.add(`${id(term)}:${name}`);
                              draw(`${id(term)}:params.${name}`);
                          },
                          { "aria-label": words.narrow, "data-focus": `${id(term)}:narrow` },
                      ),
                  )
                : null,
        ];
    }

    function drawParam(term, param, spec) {
        const set = (value) => {
            if (value === undefined) delete term.params[param.name];
            else term.params[param.name] = value;
            changed();
        };
        const input = paramInput(term, param, spec, set);
        const box = field(term, `params.${param.name}`, param.label, input, param.help);
        if (param.narrows) {
            box.querySelector(".ajr-label").append(
                tool(term, `drop-${param.name}`, "close", say("unnarrow", { limit: param.label }), (event) => {
                    event.preventDefault();
                    narrowed.delete(`${id(term)}:${param.name}`);
                    delete term.params[param.name];
                    changed(true, `${id(term)}:narrow`);
                }),
            );
        }
        return box;
    }

    // One function for each way of input a parameter may name.
    const inputs = {
        number(term, param, _spec, set) {
            const value = valueOf(term, param);
            const empty = param.clearable ? null : undefined;
            const input = numberInput(param, value, (given) => set(given === null ? empty : given));
            if (!param.required) input.placeholder = param.clearable || param.default === null ? words.no_limit : String(param.default);
            return input;
        },
        choice(term, param, _spec, set) {
            const value = valueOf(term, param);
            const options = schema.lists[param.list];
            const none = param.default === null ? [["", param.required ? words.choose : words.any]] : [];
            return select([...none, ...options], value ?? "", (given) => {
                set(given === "" ? undefined : given);
                // Another field or journey asks for other values.
                if (schema.kinds[term.kind].params.some((other) => ["value", "stage"].includes(other.input))) draw();
            });
        },
        choices(term, param, _spec, set) {
            return severalInput(schema.lists[param.list], valueOf(term, param) || [], set);
        },
        bool(term, param, _spec, set) {
            const input = el("input", { type: "checkbox", checked: valueOf(term, param) === true, on: { change: () => set(input.checked) } });
            return input;
        },
        field(term, param, _spec, set) {
            const options = Object.entries(schema.fields).map(([key, spec]) => [key, spec.label]);
            return select([["", words.choose], ...options], valueOf(term, param) ?? "", (given) => {
                const before = schema.fields[term.params[param.name]]?.type;
                if (schema.fields[given]?.type !== before) {
                    delete term.params.value;
                    if (schema.fields[given]?.type !== "number" && ["above", "at_least", "below", "at_most"].includes(term.params.operator)) delete term.params.operator;
                }
                set(given === "" ? undefined : given);
                draw(`${id(term)}:params.${param.name}`);
            });
        },
        stage(term, param, spec, set) {
            const of = spec.params.find((other) => other.name === "journey");
            const options = schema.stages[of && valueOf(term, of)] || [];
            return select([["", words.choose], ...options], valueOf(term, param) ?? "", (given) => set(given === "" ? undefined : given));
        },
        value(term, param, spec, set) {
            const fieldParam = spec.params.find((other) => other.input === "field");
            const key = fieldParam && valueOf(term, fieldParam);
            const type = schema.fields[key]?.type || "text";
            const operatorParam = spec.params.find((other) => other.name === "operator");
            const operator = operatorParam ? valueOf(term, operatorParam) : "is";
            const value = valueOf(term, param);
            if (operator === "known") {
                if (!isEmpty(value)) {
                    delete term.params[param.name];
                    changed();
                }
                return el("span", { class: "aj-muted ajr-needless", text: words.is_known });
            }
            if (operator === "in") return listInput(key, type, value, set);
            if (Array.isArray(value)) {
                const [first] = value;
                set(first);
                return inputs.value(term, param, spec, set);
            }
            if (type === "number" && operator !== "contains") {
                return numberInput({ whole: false }, typeof value === "number" ? value : null, (given) => set(given === null ? undefined : given));
            }
            if (type === "yes_no") {
                return select([["", words.choose], ["true", words.yes], ["false", words.no]], value ?? "", (given) => set(given === "" ? undefined : given === "true"));
            }
            const input = el("input", { type: "text", maxlength: 1000, value: isEmpty(value) ? "" : String(value), on: { input: () => set(input.value === "" ? undefined : input.value) } });
            suggest(input, key);
            return input;
        },
        text(term, param, _spec, set) {
            const value = valueOf(term, param);
            const input = el("input", { type: "text", maxlength: 1000, value: isEmpty(value) ? "" : String(value), on: { input: () => set(input.value === "" ? undefined : input.value) } });
            return input;
        },
    };

    const paramInput = (term, param, spec, set) => (inputs[param.input] || inputs.text)(term, param, spec, set);

    function numberInput(bounds, value, change) {
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

    function severalInput(options, chosen, set) {
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
            const box = el("input", {
                type: "checkbox",
                checked: picked.has(value),
                on: {
                    change: () => {
                        if (box.checked) picked.add(value);
                        else picked.delete(value);
                        tell();
                        set(all.map(([key]) => key).filter((key) => picked.has(key)));
                    },
                },
            });
            list.append(el("label", {}, box, el("span", { text: label })));
        }
        if (!all.length) list.append(el("p", { class: "aj-muted", text: words.nothing_to_choose }));
        if (all.length > 10) {
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
            list.prepend(search);
        }
        tell();
        const details = el("details", { class: "ajr-several" }, summary, list);
        details.addEventListener("keydown", (event) => {
            if (event.key === "Escape" && details.open) {
                details.open = false;
                summary.focus();
            }
        });
        return details;
    }

    document.addEventListener("click", (event) => {
        for (const details of document.querySelectorAll(".ajr-several[open]")) if (!details.contains(event.target)) details.open = false;
    });

    function listInput(key, type, value, set) {
        const items = Array.isArray(value) ? value : isEmpty(value) ? [] : [value];
        if (!Array.isArray(value) && items.length) set(items);
        const input = el("input", {
            type: "text",
            value: items.join(", "),
            title: words.several_values,
            placeholder: "A, B",
            on: {
                input: () => {
                    const parts = input.value.split(/[,，、;；]/).map((part) => part.trim()).filter(Boolean);
                    const read = (part) => (type === "number" && part !== "" && Number.isFinite(Number(part)) ? Number(part) : part);
                    set(parts.length ? parts.map(read) : undefined);
                },
            },
        });
        return input;
    }

    const knownValues = new Map();

    function suggest(input, key) {
        if (!key) return;
        const list = el("datalist", { id: `ajr-values-${++lastId}` });
        input.setAttribute("list", list.id);
        input.addEventListener("focus", async () => {
            if (list.childElementCount) return;
            if (!knownValues.has(key)) {
                knownValues.set(
                    key,
                    fetch(`${urls.values}?field=${encodeURIComponent(key)}`, { headers: { Accept: "application/json" } })
                        .then((response) => (response.ok && !response.redirected ? response.json() : { values: [] }))
                        .then((answer) => answer.values)
                        .catch(() => []),
                );
            }
            for (const value of await knownValues.get(key)) list.append(el("option", { value }));
            input.after(list);
        });
    }

    // ---- drawing -----------------------------------------------------------------------------------------------------

    function draw(focus) {
        const active = document.activeElement;
        const wanted = focus || active?.closest?.("[data-focus]")?.dataset.focus;
        const top = wanted && active?.getBoundingClientRect().top;
        const box = byId("ajr-stages");
        box.replaceChildren();
        if (!stages.length) {
            box.append(
                el(
                    "div",
                    { class: "ajr-none-yet" },
                    el("p", { text: editable ? words.no_stages : words.nothing_set }),
                    editable && el("button", { type: "button", class: "ajr-button ajr-primary", on: { click: firstStages } }, words.add_first_stage),
                ),
            );
        }
        stages.forEach((stage, i) => {
            if (editable) {
                box.append(el("div", { class: "ajr-insert" }, el("button", { type: "button", "data-focus": `insert:${i}`, on: { click: () => insertStage(i) } }, icon("add"), words.add_stage)));
            }
            box.append(drawStage(stage));
        });
        drawWeights();
        drawSummary();
        paint();
        const openAll = byId("ajr-open-all");
        if (openAll) {
            openAll.hidden = !editable || !stages.length;
            openAll.textContent = open.size ? words.close_all : words.open_all;
        }
        if (wanted) {
            const target = document.querySelector(`[data-focus="${CSS.escape(wanted)}"]`);
            const control = target?.matches("details") ? target.querySelector("summary") : target;
            control?.focus({ preventScroll: focus === undefined });
            if (focus !== undefined && control?.matches("input[type=text]")) control.select();
            if (focus === undefined && control && typeof top === "number") window.scrollBy(0, control.getBoundingClientRect().top - top);
        }
    }

    function drawWeights() {
        const box = byId("ajr-weights");
        const weights = rest.seniority_weights;
        const given = Object.keys(weights).length > 0;
        if (!editable && !given) return;
        const wasOpen = box.querySelector("details")?.open ?? given;
        const rows = schema.seniorities.map(([key, label]) => {
            const value = weights[key];
            if (!editable) return el("tr", {}, el("td", { text: label }), el("td", { class: "aj-right", text: `${value ?? 100} %` }));
            const input = numberInput({ min: 0, max: 1000, whole: true }, value, (given_) => {
                if (given_ === null) delete weights[key];
                else weights[key] = given_;
                changed();
            });
            input.placeholder = "100";
            input.dataset.focus = `weights:${key}`;
            input.setAttribute("aria-label", label);
            return el(
                "tr",
                {},
                el("td", { text: label }),
                el("td", { class: "aj-right", "data-field": `:seniority_weights.${key}` }, input, " %", el("p", { class: "ajr-error", hidden: true })),
            );
        });
        const replace = (fresh) => {
            for (const key of Object.keys(weights)) delete weights[key];
            Object.assign(weights, fresh);
            changed(true);
        };
        const details = el(
            "details",
            { class: "ajr-weights", open: wasOpen },
            el("summary", {}, icon("chevron_right"), words.weights, el("span", { class: "aj-muted", text: given ? schema.seniorities.map(([key, label]) => `${label} ${weights[key] ?? 100} %`).join(" · ") : words.clear_weights })),
            el("p", { class: "aj-muted", text: words.weights_help }),
            el("table", {}, el("thead", {}, el("tr", {}, el("th", { text: words.rank }), el("th", { class: "aj-right", text: words.per_cent }))), el("tbody", {}, rows)),
            editable &&
                el(
                    "div",
                    { class: "ajr-weight-buttons" },
                    el("button", { type: "button", class: "ajr-button", "data-focus": "weights:preset", on: { click: () => replace(schema.preset_weights) } }, words.use_preset),
                    el("button", { type: "button", class: "ajr-button", "data-focus": "weights:clear", on: { click: () => replace({}) } }, words.clear_weights),
                ),
        );
        box.replaceChildren(details);
    }

    function signed(value) {
        return value > 0 ? `+${figure(value)}` : value < 0 ? `−${figure(-value)}` : "";
    }

    function drawSummary() {
        const box = byId("ajr-summary");
        const rows = [...funnel(), ...stages.filter((stage) => stage.position === null)];
        const most = Math.max(1, ...rows.map((stage) => counted.get(stage)?.accounts || 0));
        let divided = false;
        box.replaceChildren();
        for (const stage of rows) {
            const row = counted.get(stage);
            if (stage.position === null && !divided) {
                divided = true;
                box.append(el("p", { class: "ajr-divider", text: words.outside_funnel }));
            }
            const bar = el("span", { class: "ajr-sum-bar" });
            bar.style.width = `${((row?.accounts || 0) / most) * 100}%`;
            const change = row && row.published !== null ? row.accounts - row.published : 0;
            const moved = row && row.published !== null && (row.gained || row.lost);
            box.append(
                el(
                    "button",
                    {
                        type: "button",
                        class: "ajr-sum",
                        chip: stage.color,
                        title: moved ? `${say("published_is", { n: figure(row.published) })}; ${say("gained_lost", { gained: figure(row.gained), lost: figure(row.lost) })}` : undefined,
                        on: { click: () => goTo(stage) },
                    },
                    el("span", { class: "ajr-sum-name", text: named(stage.name) || "–" }),
                    el("span", { class: "ajr-sum-now", text: row ? figure(row.accounts) : "–" }),
                    el("span", { class: `ajr-sum-change ${change > 0 ? "aj-good" : change < 0 ? "aj-warn" : "aj-muted"}`, text: moved ? signed(change) || "±0" : "" }),
                    el("span", { class: "ajr-sum-track" }, bar),
                ),
            );
        }
    }

    function goTo(stage) {
        const card = byId(`ajr-stage-${id(stage)}`);
        card?.scrollIntoView({ behavior: "smooth", block: "start" });
        card?.querySelector(".ajr-toggle")?.focus({ preventScroll: true });
    }

    // Puts counts, words and problems where they belong, without drawing anything anew.
    function paint() {
        for (const stage of stages) {
            paintStage(stage);
            for (const rule of [...stage.enter, ...stage.stay]) {
                paintRule(rule);
                for (const term of [...rule.scope, ...rule.criteria]) {
                    for (const node of document.querySelectorAll(`[data-sentence="${id(term)}"]`)) node.textContent = node.matches(".ajr-sentence") ? sentences.get(term) || "" : sentenceOf(term);
                }
            }
        }
        paintProblems();
    }

    function paintStage(stage) {
        const box = document.querySelector(`.ajr-stage-counts[data-counts="${id(stage)}"]`);
        const row = counted.get(stage);
        if (!box) return;
        box.replaceChildren();
        if (!row) return;
        box.append(el("span", { class: "ajr-now" }, el("strong", { text: figure(row.accounts) }), ` ${words.now}`));
        if (row.published === null) return;
        if (row.gained || row.lost) {
            box.append(
                el("span", { class: "aj-muted", text: say("published_is", { n: figure(row.published) }) }),
                el(
                    "span",
                    { class: "ajr-moves", title: say("gained_lost", { gained: figure(row.gained), lost: figure(row.lost) }) },
                    row.gained ? el("span", { class: "aj-good", text: `+${figure(row.gained)}` }) : null,
                    row.lost ? el("span", { class: "aj-warn", text: `−${figure(row.lost)}` }) : null,
                ),
            );
        }
    }

    function paintRule(rule) {
        const row = counted.get(rule);
        for (const box of document.querySelectorAll(`.ajr-rule-counts[data-counts="${id(rule)}"]`)) {
            box.replaceChildren();
            if (!row) continue;
            box.append(el("strong", { text: say("matching", { n: figure(row.matching) }) }));
            if (row.unknown) box.append(el("span", { class: "aj-warn", title: words.unknown_help, text: say("unknown", { n: figure(row.unknown) }) }));
            box.append(el("span", { class: "aj-muted", text: say("in_scope", { n: figure(row.in_scope) }) }));
        }
    }

    function targetOf(item) {
        const owner = item.term || item.rule || item.stage;
        if (!owner) return document.querySelector(`[data-field="${CSS.escape(`:${item.field}`)}"]`);
        const exact = document.querySelector(`[data-field="${CSS.escape(`${id(owner)}:${item.field}`)}"]`);
        return exact || document.querySelector(`[data-field="${id(owner)}:"]`);
    }

    function paintProblems() {
        for (const node of document.querySelectorAll(".ajr-bad")) node.classList.remove("ajr-bad");
        for (const node of document.querySelectorAll("#ajr-editor [aria-invalid]")) node.removeAttribute("aria-invalid");
        for (const node of document.querySelectorAll(".ajr-error")) {
            node.hidden = true;
            node.textContent = "";
        }
        for (const item of problems) {
            const { problem } = item;
            const text = [problem.message, problem.remedy].filter(Boolean).join(" ");
            const target = targetOf(item);
            if (item.stage) byId(`ajr-stage-${id(item.stage)}`)?.classList.add("ajr-bad");
            if (!target) continue;
            target.classList.add("ajr-bad");
            let slot = target.querySelector(":scope > .ajr-error") ;
            if (!slot) {
                slot = el("p", { class: "ajr-error" });
                target.append(slot);
            }
            slot.hidden = false;
            slot.textContent = slot.textContent ? `${slot.textContent} ${text}` : text;
            slot.id ||= `ajr-error-${++lastId}`;
            const control = target.classList.contains("ajr-field") && target.querySelector("input, select, summary");
            if (control) {
                control.setAttribute("aria-invalid", "true");
                control.setAttribute("aria-describedby", slot.id);
            }
        }
        paintProblemList();
    }

    function paintProblemList() {
        const box = byId("ajr-problems");
        const elsewhere = problems.some((item) => !item.stage && !targetOf(item));
        box.hidden = !problems.length || !(tried || elsewhere || !editable);
        box.replaceChildren();
        if (box.hidden) return;
        const n = problems.length;
        box.append(el("p", {}, icon("error"), problems.some((item) => item.refusal) ? words.not_saved : n === 1 ? words.problems_one : say("problems", { n })));
        box.append(
            el(
                "ul",
                {},
                problems.slice(0, 12).map((item) => {
                    const text = [item.problem.message, item.problem.remedy].filter(Boolean).join(" ");
                    if (!item.stage) return el("li", { text });
                    return el("li", {}, el("button", { type: "button", class: "aj-link", on: { click: () => showProblem(item) } }, named(item.stage.name) || item.stage.key), ` ${text}`);
                }),
            ),
        );
        if (n > 12) box.append(el("p", { text: "…" }));
    }

    function showProblem(item) {
        if (item.stage && editable && !open.has(id(item.stage))) {
            open.add(id(item.stage));
            draw();
        }
        const target = targetOf(item) || byId("ajr-problems");
        target.scrollIntoView({ behavior: "smooth", block: "center" });
        target.querySelector("input, select, summary, button")?.focus({ preventScroll: true });
    }

    // ---- asking the server -------------------------------------------------------------------------------------------

    function token() {
        const cookie = document.cookie.split("; ").find((part) => part.startsWith("csrftoken="));
        return cookie ? decodeURIComponent(cookie.slice("csrftoken=".length)) : document.querySelector("#content-main [name=csrfmiddlewaretoken]").value;
    }

    const plain = (message) => [{ problem: { message, remedy: "" }, field: "" }];

    // {ok, status, data} or {failure: words}
    async function ask(url, body) {
        let response;
        try {
            response = await fetch(url, {
                method: body ? "POST" : "GET",
                headers: { Accept: "application/json", ...(body ? { "Content-Type": "application/json", "X-CSRFToken": token() } : {}) },
                ...(body ? { body: JSON.stringify(body) } : {}),
            });
        } catch {
            return { failure: words.offline };
        }
        const isJson = (response.headers.get("Content-Type") || "").startsWith("application/json");
        if (response.redirected && !isJson) return { failure: words.signed_out };
        if (isJson) return { ok: response.ok, status: response.status, data: await response.json() };
        if (response.status === 403) return { failure: words.forbidden };
        if (response.status === 404) return { failure: words.gone_version };
        return { failure: say("server_failed", { status: response.status }) };
    }

    let timer = 0;
    let asking = false;
    let again = false;
    let took = 0;

    function countSoon() {
        window.clearTimeout(timer);
        byId("ajr-editor").classList.add("ajr-counting"); // what is shown is no longer what is entered
        // Where counting takes long, it waits longer for the end of typing.
        timer = window.setTimeout(count, Math.min(1200, Math.max(350, took / 2)));
    }

    async function count() {
        if (asking) {
            again = true;
            return;
        }
        if (!stages.length) {
            byId("ajr-editor").classList.remove("ajr-counting");
            return;
        }
        asking = true;
        byId("ajr-editor").classList.add("ajr-counting");
        byId("ajr-counted").textContent = words.counting;
        const order = stages.slice().reverse();
        const shape = order.map((stage) => ({
            ...stage,
            enter: stage.enter.map((rule) => ({ ...rule, self: rule, scope: rule.scope.slice(), criteria: rule.criteria.slice() })),
            stay: stage.stay.map((rule) => ({ ...rule, self: rule, scope: rule.scope.slice(), criteria: rule.criteria.slice() })),
        }));
        const begin = performance.now();
        const answer = await ask(urls.preview, editable ? { document: collected() } : null);
        took = performance.now() - begin;
        asking = false;
        if (again) {
            again = false;
            count();
        } else {
            byId("ajr-editor").classList.remove("ajr-counting");
        }
        if (answer.failure) {
            byId("ajr-counted").textContent = say("counts_failed", { reason: answer.failure });
            return;
        }
        const { data } = answer;
        keepSentences(shape, data.sentences || []);
        problems = (data.problems || []).map((problem) => ({ problem, ...locate(problem.field, stages) }));
        byId("ajr-editor").classList.toggle("ajr-stale", !data.counts);
        if (data.counts) keepCounts(order, shape, data.counts);
        byId("ajr-counted").textContent = counting(data);
        if (!problems.length) tried = false;
        paint();
        drawSummary();
        if (!saving) tellStatus();
    }

    function keepCounts(order, shape, fresh) {
        counts = fresh;
        order.forEach((stage, i) => {
            const row = fresh.stages.find((one) => one.key === shape[i].key);
            if (!row) return;
            counted.set(stage, row);
            const rules = [...shape[i].enter, ...shape[i].stay];
            rules.forEach((rule, k) => row.rules[k] && counted.set(rule.self, row.rules[k]));
        });
    }

    function counting(data) {
        if (!data.counts) return words.counts_wait;
        if (!data.counts.accounts) return words.no_accounts;
        const text = say("counted", { n: figure(data.counts.accounts), accounts: words.accounts, seconds: figure(data.seconds) });
        return data.counts.stages.every((row) => row.published === null) ? `${text}. ${words.none_published}` : text;
    }

    // ---- changing and saving -----------------------------------------------------------------------------------------

    function changed(structure = false, focus = undefined) {
        if (structure) draw(focus);
        tellStatus();
        countSoon();
    }

    function tellStatus(text) {
        const box = byId("ajr-status");
        if (!box) return;
        const dirty = isDirty();
        box.textContent = text || (dirty ? words.unsaved : words.all_saved);
        const first = problems.find((item) => item.stage) || problems[0];
        if (first && !text && !first.refusal) {
            const words_ = problems.length === 1 ? words.problem_link : say("problems_link", { n: problems.length });
            box.append(" · ", el("button", { type: "button", class: "aj-link ajr-danger", on: { click: () => showProblem(first) } }, words_));
        }
        box.classList.toggle("ajr-dirty", dirty);
        byId("ajr-save").disabled = saving || !dirty;
        byId("ajr-publish").disabled = saving || !stages.length;
    }

    async function save() {
        if (saving) return false;
        if (!isDirty()) return true;
        saving = true;
        tellStatus(words.saving);
        const sent = snapshot();
        const [document_, note] = JSON.parse(sent);
        const answer = await ask(urls.rules, { document: document_, note, basis });
        saving = false;
        if (answer.ok) {
            basis = answer.data.basis;
            savedText = sent;
            tried = false;
            problems = [];
            paintProblems();
            tellStatus(isDirty() ? undefined : words.saved);
            return true;
        }
        tried = true;
        if (answer.failure) {
            problems = plain(answer.failure);
        } else {
            if (answer.status === 409 && answer.data.basis) basis = answer.data.basis;
            problems = answer.data.problems.map((problem) => ({ problem, ...locate(problem.field, stages) }));
        }
        for (const item of problems) {
            if (item.stage) open.add(id(item.stage));
            else item.refusal = true;
        }
        draw();
        tellStatus();
        if (problems.length) showProblem(problems[0].stage ? problems[0] : { field: "" });
        return false;
    }

    async function saveAndPublish() {
        if (await save()) window.location.assign(urls.publish);
    }

    if (editable) {
        byId("ajr-save").addEventListener("click", save);
        byId("ajr-publish").addEventListener("click", saveAndPublish);
        byId("ajr-note").addEventListener("input", () => tellStatus());
        byId("ajr-open-all").addEventListener("click", () => {
            if (open.size) open.clear();
            else for (const stage of stages) open.add(id(stage));
            draw();
        });
        window.addEventListener("beforeunload", (event) => {
            if (isDirty()) event.preventDefault();
        });
        document.addEventListener("keydown", (event) => {
            if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
                event.preventDefault();
                save();
            }
        });
        savedText = snapshot();
    }
    keepSentences(stages.slice().reverse(), page.sentences);
    draw();
    tellStatus();
    count();
})();
