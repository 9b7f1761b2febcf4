// Asking the server. It alone evaluates: words, counts and problems come from there.

import { say, words } from "./page.js";

function token() {
    const cookie = document.cookie.split("; ").find((part) => part.startsWith("csrftoken="));
    return cookie ? decodeURIComponent(cookie.slice("csrftoken=".length)) : document.querySelector("#content-main [name=csrfmiddlewaretoken]").value;
}

// {ok, status, data} or {failure: words}
export async function ask(url, body) {
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
