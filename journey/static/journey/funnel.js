// The form of the funnel page, and the choices of its cards. The address holds everything; this only writes it.
"use strict";
(() => {
    const form = document.querySelector(".ajf-form");

    // Fields that belong to a choice show only with it; what does not show is not sent.
    function value(name) {
        const element = form.elements[name];
        return element && !element.closest("[hidden]") ? element.value : "";
    }

    function show() {
        for (const label of form.querySelectorAll("[data-when]")) {
            const [name, wanted] = label.dataset.when.split("=");
            label.hidden = wanted === undefined ? !value(name) : value(name) !== wanted;
        }
    }

    async function offerValues() {
        const list = document.getElementById("ajf-values");
        const field = form.elements.wf.value;
        list.replaceChildren();
        form.elements.wv.value = "";
        if (!field) return;
        const response = await fetch(`${form.dataset.values}&field=${encodeURIComponent(field)}`);
        if (!response.ok || form.elements.wf.value !== field) return;
        const found = await response.json();
        list.replaceChildren(...found.values.map((text) => new Option(text, text)));
        form.elements.wv.focus();
    }

    if (form) {
        show();
        form.addEventListener("change", (event) => {
            show();
            if (event.target.name === "wf") offerValues();
        });
        form.addEventListener("submit", () => {
            for (const element of form.elements) {
                if (element.name && (!element.value || element.closest("[hidden]"))) element.disabled = true;
            }
        });
        window.addEventListener("pageshow", () => {
            for (const element of form.elements) element.disabled = false;
        });
    }

    document.addEventListener("change", (event) => {
        const name = event.target.dataset && event.target.dataset.param;
        if (!name) return;
        const address = new URL(window.location.href);
        if (event.target.value) address.searchParams.set(name, event.target.value);
        else address.searchParams.delete(name);
        window.location.assign(address);
    });
})();
