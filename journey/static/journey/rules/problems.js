// What is wrong, told where it is: at the field, at the card, and in a list at the top of the page.

import { el, icon } from "./elements.js";
import { byId, editable, fresh, id, say, words } from "./page.js";

export let problems = []; // {problem, card, rule, term, field}

export function take(found, locate) {
    problems = found.map((problem) => ({ problem, ...locate(problem.field) }));
}

const textOf = ({ problem }) => [problem.message, problem.remedy].filter(Boolean).join(" ");

// Where the rest of a path leads within a rule: to a criterion, and the field of that.
export function locateInRule(rule, parts) {
    const [part, number, ...tail] = parts;
    const term = ["scope", "criteria"].includes(part) ? rule[part][number] : undefined;
    return term ? { rule, term, field: tail.join(".") } : { rule, field: parts.join(".") };
}

export function targetOf(item) {
    const owner = item.term || item.rule || item.card;
    if (!owner) return document.querySelector(`[data-field="${CSS.escape(`:${item.field}`)}"]`);
    const exact = document.querySelector(`[data-field="${CSS.escape(`${id(owner)}:${item.field}`)}"]`);
    return exact || document.querySelector(`[data-field="${id(owner)}:"]`) || (item.card ? byId(`ajr-card-${id(item.card)}`) : null);
}

export function paintProblems() {
    for (const node of document.querySelectorAll(".ajr-bad")) node.classList.remove("ajr-bad");
    for (const node of document.querySelectorAll("#ajr-editor [aria-invalid]")) node.removeAttribute("aria-invalid");
    for (const node of document.querySelectorAll(".ajr-error")) {
        node.hidden = true;
        node.textContent = "";
    }
    for (const item of problems) {
        if (item.card) byId(`ajr-card-${id(item.card)}`)?.classList.add("ajr-bad");
        const target = targetOf(item);
        if (target) tellAt(target, textOf(item));
    }
}

function tellAt(target, text) {
    target.classList.add("ajr-bad");
    let slot = target.querySelector(":scope > .ajr-error");
    if (!slot) {
        slot = el("p", { class: "ajr-error" });
        target.append(slot);
    }
    slot.hidden = false;
    slot.textContent = slot.textContent ? `${slot.textContent} ${text}` : text;
    slot.id ||= fresh("ajr-error");
    const control = target.classList.contains("ajr-field") && target.querySelector("input, select, summary");
    if (control) {
        control.setAttribute("aria-invalid", "true");
        control.setAttribute("aria-describedby", slot.id);
    }
}

const MOST = 12;

// shown: the list stands there, whatever it is about; else only for what has no place on the page.
export function paintProblemList({ shown, nameOf, go }) {
    const box = byId("ajr-problems");
    const elsewhere = problems.some((item) => !item.card && !targetOf(item));
    box.hidden = !problems.length || !(shown || elsewhere || !editable);
    box.replaceChildren();
    if (box.hidden) return;
    const n = problems.length;
    const title = problems.some((item) => item.refusal) ? words.not_saved : n === 1 ? words.problems_one : say("problems", { n });
    const line = (item) =>
        item.card
            ? el("li", {}, el("button", { type: "button", class: "aj-link", on: { click: () => go(item) } }, nameOf(item.card)), ` ${textOf(item)}`)
            : el("li", { text: textOf(item) });
    box.append(el("p", {}, icon("error"), title), el("ul", {}, problems.slice(0, MOST).map(line)));
    if (n > MOST) box.append(el("p", { text: "…" }));
}
