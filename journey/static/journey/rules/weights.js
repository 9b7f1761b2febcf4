// How much the engagement of people counts by their rank, for a whole journey.

import { el, errorSlot, icon, numberInput } from "./elements.js";
import { changed } from "./frame.js";
import { byId, editable, schema, words } from "./page.js";

export function drawWeights(weights) {
    const box = byId("ajr-weights");
    const given = Object.keys(weights).length > 0;
    if (!editable && !given) return;
    const wasOpen = box.querySelector("details")?.open ?? given;
    const replace = (fresh) => {
        for (const key of Object.keys(weights)) delete weights[key];
        Object.assign(weights, fresh);
        changed(true);
    };
    const button = (name, label, fresh) => el("button", { type: "button", class: "ajr-button", "data-focus": `weights:${name}`, on: { click: () => replace(fresh) } }, label);
    const gist = given ? schema.seniorities.map(([key, label]) => `${label} ${weights[key] ?? 100} %`).join(" · ") : words.clear_weights;
    box.replaceChildren(
        el(
            "details",
            { class: "ajr-weights", open: wasOpen },
            el("summary", {}, icon("chevron_right"), words.weights, el("span", { class: "aj-muted", text: gist })),
            el("p", { class: "aj-muted", text: words.weights_help }),
            el(
                "table",
                {},
                el("thead", {}, el("tr", {}, el("th", { text: words.rank }), el("th", { class: "aj-right", text: words.per_cent }))),
                el("tbody", {}, schema.seniorities.map(([key, label]) => weightRow(weights, key, label))),
            ),
            editable && el("div", { class: "ajr-weight-buttons" }, button("preset", words.use_preset, schema.preset_weights), button("clear", words.clear_weights, {})),
        ),
    );
}

function weightRow(weights, key, label) {
    if (!editable) return el("tr", {}, el("td", { text: label }), el("td", { class: "aj-right", text: `${weights[key] ?? 100} %` }));
    const input = numberInput({ min: 0, max: 1000, whole: true }, weights[key], (value) => {
        if (value === null) delete weights[key];
        else weights[key] = value;
        changed();
    });
    input.placeholder = "100";
    input.dataset.focus = `weights:${key}`;
    input.setAttribute("aria-label", label);
    return el("tr", {}, el("td", { text: label }), el("td", { class: "aj-right", "data-field": `:seniority_weights.${key}` }, input, " %", errorSlot()));
}
