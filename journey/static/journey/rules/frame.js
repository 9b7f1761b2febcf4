// The frame of an editor: draws, counts while something is edited, says what is wrong, saves. What is edited (stages of
// a journey, items of a checklist) is the business of its content, which the entry of the page hands to `start`.
//
// A content has: cards() -> the objects that can be opened; collected() -> the document for the server; draw(), paint();
// locate(path) -> {card, rule, term, field}; nameOf(card); shape() -> a copy to read the answer by; keep(shape, data)
// takes sentences and counts in; counted(data) -> words.

import { id, byId, editable, page, say, urls, words } from "./page.js";
import { problems, paintProblems, paintProblemList, targetOf, take } from "./problems.js";
import { ask } from "./server.js";

export const open = new Set(); // ids of the cards that are open

let content = null;
let basis = page.basis;
let savedText = "";
let saving = false;
let tried = false; // to save: what is wrong is then told at the top of the page too

function noteText() {
    const input = byId("ajr-note");
    return input ? input.value : page.note;
}

const snapshot = () => JSON.stringify([content.collected(), noteText()]);
const isDirty = () => editable && snapshot() !== savedText;

// ---- drawing --------------------------------------------------------------------------------------------------------

// Draws everything anew. The focus goes to `focus`, or stays where it is and so does the page.
export function draw(focus) {
    const active = document.activeElement;
    const wanted = focus || active?.closest?.("[data-focus]")?.dataset.focus;
    const top = wanted && active?.getBoundingClientRect().top;
    content.draw();
    paint();
    const openAll = byId("ajr-open-all");
    if (openAll) {
        openAll.hidden = !editable || !content.cards().length;
        openAll.textContent = open.size ? words.close_all : words.open_all;
    }
    if (wanted) refocus(wanted, focus !== undefined, top);
}

function refocus(wanted, isNew, top) {
    const target = document.querySelector(`[data-focus="${CSS.escape(wanted)}"]`);
    const control = target?.matches("details") ? target.querySelector("summary") : target;
    control?.focus({ preventScroll: !isNew });
    if (isNew && control?.matches("input[type=text]")) control.select();
    if (!isNew && control && typeof top === "number") window.scrollBy(0, control.getBoundingClientRect().top - top);
}

// Puts counts, words and problems where they belong, without drawing anything anew.
function paint() {
    content.paint();
    paintProblems();
    listProblems();
}

function listProblems() {
    paintProblemList({ shown: tried || !editable, nameOf: content.nameOf, go: showProblem });
}

function showProblem(item) {
    if (item.card && editable && !open.has(id(item.card))) {
        open.add(id(item.card));
        draw();
    }
    const target = targetOf(item) || byId("ajr-problems");
    target.scrollIntoView({ behavior: "smooth", block: "center" });
    target.querySelector("input, select, summary, button")?.focus({ preventScroll: true });
}

// Something was edited. structure: cards, rules or criteria came, went or moved, so that all is drawn anew.
export function changed(structure = false, focus = undefined) {
    if (structure) draw(focus);
    tellStatus();
    countSoon();
}

// ---- counting -------------------------------------------------------------------------------------------------------

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
    if (!content.cards().length) {
        byId("ajr-editor").classList.remove("ajr-counting");
        return;
    }
    asking = true;
    byId("ajr-editor").classList.add("ajr-counting");
    byId("ajr-counted").textContent = words.counting;
    const shape = content.shape();
    const begin = performance.now();
    const answer = await ask(urls.preview, editable ? { document: content.collected() } : null);
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
    take(data.problems || [], content.locate);
    byId("ajr-editor").classList.toggle("ajr-stale", !data.counts);
    content.keep(shape, data);
    byId("ajr-counted").textContent = data.counts ? content.counted(data) : words.counts_wait;
    if (!problems.length) tried = false;
    paint();
    if (!saving) tellStatus();
}

// ---- saving ---------------------------------------------------------------------------------------------------------

function tellStatus(text) {
    const box = byId("ajr-status");
    if (!box) return;
    const dirty = isDirty();
    box.textContent = text || (dirty ? words.unsaved : words.all_saved);
    const first = problems.find((item) => item.card) || problems[0];
    if (first && !text && !first.refusal) {
        const link = document.createElement("button");
        link.type = "button";
        link.className = "aj-link ajr-danger";
        link.textContent = problems.length === 1 ? words.problem_link : say("problems_link", { n: problems.length });
        link.addEventListener("click", () => showProblem(first));
        box.append(" · ", link);
    }
    box.classList.toggle("ajr-dirty", dirty);
    byId("ajr-save").disabled = saving || !dirty;
    byId("ajr-publish").disabled = saving || !content.cards().length;
}

async function save() {
    if (saving) return false;
    if (!isDirty()) return true;
    saving = true;
    tellStatus(words.saving);
    const sent = snapshot();
    const [document_, note] = JSON.parse(sent);
    const answer = await ask(urls.save, { document: document_, note, basis });
    saving = false;
    if (answer.ok) {
        basis = answer.data.basis;
        savedText = sent;
        tried = false;
        take([], content.locate);
        paintProblems();
        listProblems();
        tellStatus(isDirty() ? undefined : words.saved);
        if (answer.data.url) window.location.assign(answer.data.url); // something new has a page of its own now
        return true;
    }
    tried = true;
    if (!answer.failure && answer.status === 409 && answer.data.basis) basis = answer.data.basis;
    take(answer.failure ? [{ message: answer.failure, remedy: "", field: "" }] : answer.data.problems, content.locate);
    for (const item of problems) {
        if (item.card) open.add(id(item.card));
        else item.refusal = true;
    }
    draw();
    tellStatus();
    if (problems.length) showProblem(problems[0].card ? problems[0] : { field: "" });
    return false;
}

async function saveAndPublish() {
    if (await save()) window.location.assign(urls.publish);
}

function listen() {
    byId("ajr-save").addEventListener("click", save);
    byId("ajr-publish").addEventListener("click", saveAndPublish);
    byId("ajr-note").addEventListener("input", () => tellStatus());
    byId("ajr-open-all").addEventListener("click", () => {
        if (open.size) open.clear();
        else for (const card of content.cards()) open.add(id(card));
        draw();
    });
    window.addEventListener("beforeunload", (event) => {
        if (isDirty()) event.preventDefault();
    });
    document.addEventListener("keydown", (event) => {
        if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "s") return;
        event.preventDefault();
        save();
    });
    savedText = snapshot();
}

export function start(given) {
    content = given;
    take(page.problems, content.locate);
    if (editable) listen();
    draw();
    tellStatus();
    count();
}
