// Cards, rules and criteria are put into another order by dragging, by arrow keys and by buttons.

import { el, icon, tool } from "./elements.js";
import { changed } from "./frame.js";
import { id, say, words } from "./page.js";

const floors = new WeakSet();
let dragged = null;

// The last entry of this list stays at its end.
export const keepLast = (list) => floors.add(list);

const isFixed = (list, item) => floors.has(list) && item === list[list.length - 1];
const lastPlace = (list) => list.length - (floors.has(list) ? 2 : 1);

function moveTo(list, item, place, focus) {
    const from = list.indexOf(item);
    const to = Math.max(0, Math.min(place, lastPlace(list)));
    if (from < 0 || from === to || isFixed(list, item)) return;
    list.splice(from, 1);
    list.splice(to, 0, item);
    changed(true, focus || `${id(item)}:handle`);
}

export function handle(list, item) {
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

export function movers(list, item) {
    const i = list.indexOf(item);
    return [
        tool(item, "up", "arrow_upward", say("up"), () => moveTo(list, item, i - 1, `${id(item)}:up`), { disabled: i === 0 || isFixed(list, item) }),
        tool(item, "down", "arrow_downward", say("down"), () => moveTo(list, item, i + 1, `${id(item)}:down`), { disabled: i >= lastPlace(list) }),
    ];
}

export function sortable(node, list, item) {
    const grip = node.querySelector(".ajr-handle:not(.ajr-fixed)");
    const clear = () => node.classList.remove("ajr-before", "ajr-after");
    const isElsewhere = () => !dragged || dragged.list !== list || dragged.item === item;
    const isAfter = (event) => {
        const box = node.getBoundingClientRect();
        return event.clientY > box.top + box.height / 2 && !isFixed(list, item);
    };
    grip?.addEventListener("pointerdown", () => (node.draggable = true));
    grip?.addEventListener("pointerup", () => (node.draggable = false));
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
    node.addEventListener("dragover", (event) => {
        if (isElsewhere()) return;
        event.preventDefault();
        event.stopPropagation();
        clear();
        node.classList.add(isAfter(event) ? "ajr-after" : "ajr-before");
    });
    node.addEventListener("dragleave", clear);
    node.addEventListener("drop", (event) => {
        if (isElsewhere()) return;
        event.preventDefault();
        event.stopPropagation();
        clear();
        let to = list.indexOf(item) + (isAfter(event) ? 1 : 0);
        if (list.indexOf(dragged.item) < to) to -= 1;
        moveTo(list, dragged.item, to);
    });
}
