// Dialog with the source code of a callback.

import { RequestError, source } from "../lib/api.js";
import { safe } from "../lib/bytes.js";
import { copyButton, fill, h } from "../lib/dom.js";

const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("source"));

/** A function that opens the dialog for a callback of this service. @param {string} service */
export function sourceOpener(service) {
  return async (/** @type {string} */ callback) => {
    const close = h("button", { type: "button", class: "quiet", on: { click: closeSource } }, "Close");
    const title = h("h2", { id: "source-title" }, `${safe(service)}: ${safe(callback)}`);
    const body = h("div", {}, h("p", { class: "muted" }, "Loading…"));
    fill(dialog, h("div", { class: "dialog-top" }, title, close), body);
    if (!dialog.open) dialog.showModal();
    try {
      const { where, line, lines } = await source(service, callback);
      fill(body,
        h("p", { class: "where" }, h("code", {}, safe(where), h("span", { class: "muted" }, `, line ${line}`)), copyButton(() => where, "the location in the source")),
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
