// One function for each way of input that a parameter of a criterion may name.

import { checkbox, el, numberInput, select, severalInput, textInput } from "./elements.js";
import { changed, draw } from "./frame.js";
import { fresh, id, schema, urls, words } from "./page.js";

const MOST_TEXT = 1000;
const ORDERINGS = ["above", "at_least", "below", "at_most"]; // operators that only numbers know

export const valueOf = (term, param) => (param.name in term.params ? term.params[param.name] : param.default);
export const isEmpty = (value) => value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length);

const chosen = (value) => (value === "" ? undefined : value);

function plainText(value, set) {
    return textInput(isEmpty(value) ? "" : String(value), (given) => set(chosen(given)), { maxlength: MOST_TEXT });
}

const inputs = {
    number(term, param, _spec, set) {
        const empty = param.clearable ? null : undefined;
        const input = numberInput(param, valueOf(term, param), (given) => set(given === null ? empty : given));
        if (!param.required) input.placeholder = param.clearable || param.default === null ? words.no_limit : String(param.default);
        return input;
    },
    choice(term, param, _spec, set) {
        const none = param.default === null ? [["", param.required ? words.choose : words.any]] : [];
        return select([...none, ...schema.lists[param.list]], valueOf(term, param) ?? "", (given) => {
            set(chosen(given));
            // Another field or journey asks for other values.
            if (schema.kinds[term.kind].params.some((other) => ["value", "stage"].includes(other.input))) draw();
        });
    },
    choices(term, param, _spec, set) {
        return severalInput(schema.lists[param.list], valueOf(term, param) || [], set);
    },
    bool(term, param, _spec, set) {
        return checkbox(valueOf(term, param) === true, set);
    },
    field(term, param, _spec, set) {
        const options = Object.entries(schema.fields).map(([key, known]) => [key, known.label]);
        return select([["", words.choose], ...options], valueOf(term, param) ?? "", (given) => {
            const type = schema.fields[given]?.type;
            if (type !== schema.fields[term.params[param.name]]?.type) {
                delete term.params.value;
                if (type !== "number" && ORDERINGS.includes(term.params.operator)) delete term.params.operator;
            }
            set(chosen(given));
            draw(`${id(term)}:params.${param.name}`);
        });
    },
    stage(term, param, spec, set) {
        const of = spec.params.find((other) => other.name === "journey");
        const options = schema.stages[of && valueOf(term, of)] || [];
        return select([["", words.choose], ...options], valueOf(term, param) ?? "", (given) => set(chosen(given)));
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
        if (operator === "in") return listInput(type, value, set);
        if (Array.isArray(value)) {
            set(value[0]);
            return inputs.value(term, param, spec, set);
        }
        if (type === "number" && operator !== "contains") {
            return numberInput({ whole: false }, value, (given) => set(given === null ? undefined : given));
        }
        if (type === "yes_no") {
            return select([["", words.choose], ["true", words.yes], ["false", words.no]], value ?? "", (given) => set(given === "" ? undefined : given === "true"));
        }
        const input = plainText(value, set);
        suggest(input, key);
        return input;
    },
    text(term, param, _spec, set) {
        return plainText(valueOf(term, param), set);
    },
};

export const paramInput = (term, param, spec, set) => (inputs[param.input] || inputs.text)(term, param, spec, set);

function listInput(type, value, set) {
    const items = Array.isArray(value) ? value : isEmpty(value) ? [] : [value];
    if (!Array.isArray(value) && items.length) set(items);
    const read = (part) => (type === "number" && Number.isFinite(Number(part)) ? Number(part) : part);
    const change = (text) => {
        const parts = text.split(/[,，、;；]/).map((part) => part.trim()).filter(Boolean);
        set(parts.length ? parts.map(read) : undefined);
    };
    return textInput(items.join(", "), change, { title: words.several_values, placeholder: "A, B" });
}

const knownValues = new Map();

// The values a field has now, offered while something is typed.
function suggest(input, key) {
    if (!key) return;
    const list = el("datalist", { id: fresh("ajr-values") });
    input.setAttribute("list", list.id);
    input.addEventListener("focus", async () => {
        if (list.childElementCount) return;
        if (!knownValues.has(key)) knownValues.set(key, valuesOf(key));
        for (const value of await knownValues.get(key)) list.append(el("option", { value }));
        input.after(list);
    });
}

async function valuesOf(key) {
    try {
        const response = await fetch(`${urls.values}?field=${encodeURIComponent(key)}`, { headers: { Accept: "application/json" } });
        return response.ok && !response.redirected ? (await response.json()).values : [];
    } catch {
        return [];
    }
}
