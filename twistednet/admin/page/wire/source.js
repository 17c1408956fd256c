// The code of a callback, in a dialog.

import { RequestError, source } from "../lib/api.js";
import { safe } from "../lib/bytes.js";
import { copyButton, fill, h } from "../lib/dom.js";

const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("source"));

/** What opens it for a callback. @param {string} service */
export function sourceOpener(service) {
  return async (/** @type {string} */ callback) => {
    const close = h("button", { type: "button", class: "quiet", on: { click: closeSource } }, "Close");
    const title = h("h2", { id: "source-title" }, `${safe(service)}: ${safe(callback)}`);
    const body = h("div", {}, h("p", { class: "muted" }, "Asking the daemon…"));
    fill(dialog, h("div", { class: "dialog-top" }, title, close), body);
    if (!dialog.open) dialog.showModal();
    try {
      const { where, line, lines } = await source(service, callback);
      fill(body,
        h("p", { class: "where" }, h("code", {}, safe(where), h("span", { class: "muted" }, `, line ${line}`)), copyButton(() => where, "the place in the source")),
        h("pre", { class: "code", tabindex: 0, role: "region", "aria-label": `Source of ${callback}` },
          lines.map((text, index) => h("span", { class: "code-line" },
            h("span", { class: "number" }, String(line + index).padStart(4)), ` ${text}\n`))));
    } catch (why) {
      fill(body, h("p", {}, why instanceof RequestError ? why.message : String(why)));
    }
  };
}

export function closeSource() {
  if (dialog.open) dialog.close();
}

dialog.addEventListener("click", (event) => {
  if (event.target === dialog) closeSource();
});
