// Follows the replay of a journey while it runs, and shows the page anew when it has ended.
"use strict";
(() => {
    const box = document.getElementById("ajr-replay");
    if (!box) return;
    const fill = box.querySelector(".aj-fill");
    const text = box.querySelector(".aj-progress-text");
    let failures = 0;

    function show(state) {
        const track = box.querySelector(".aj-progress");
        const title = box.querySelector(".ajr-replay-title");
        const error = box.querySelector(".ajr-replay-error");
        track.hidden = title.hidden = !state.busy;
        error.hidden = !state.error;
        box.hidden = !state.busy && !state.error;
        fill.style.width = `${Math.round(state.progress * 100)}%`;
        text.textContent = state.text;
        error.querySelector(".ajr-replay-reason").textContent = state.error;
    }

    async function ask() {
        let wait = 1000;
        try {
            const response = await fetch(box.dataset.url, { headers: { Accept: "application/json" } });
            if (!response.ok || response.redirected) throw new Error(String(response.status));
            const state = await response.json();
            failures = 0;
            show(state);
            if (!state.busy) {
                window.location.reload();
                return;
            }
        } catch {
            failures += 1;
            wait = Math.min(30000, 1000 * 2 ** failures);
        }
        if (failures < 10) window.setTimeout(ask, wait);
    }

    if (box.dataset.busy === "1") {
        fill.style.width = "0";
        window.setTimeout(ask, 500);
    } else {
        for (const name of [".aj-progress", ".ajr-replay-title"]) box.querySelector(name).hidden = true;
    }
})();
