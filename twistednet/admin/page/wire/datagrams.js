// Table of a UDP conversation: size of each datagram, and the gap before it.

import { preview } from "../lib/bytes.js";
import { fill, h } from "../lib/dom.js";
import { duration, elapsed, size } from "../lib/format.js";

const MAX_ROWS = 200;

/** @param {import("../lib/api.js").Conversation} conversation */
export function datagramTable({ chunks }) {
  const shown = chunks.slice(-MAX_ROWS);
  const largest = Math.max(1, ...shown.map((one) => one.data.length));
  const first = chunks.length - shown.length;
  const rows = shown.map((one, index) => {
    const before = chunks[first + index - 1];
    const bar = h("span", { class: "size-bar" });
    bar.style.width = `${Math.max(2, (one.data.length / largest) * 72)}px`;
    const kind = one.direction === "in" ? "client" : "server";
    return h("tr", { class: kind },
      h("td", { class: "number" }, first + index + 1),
      h("td", {}, one.direction === "in" ? "client" : "server"),
      h("td", { class: "number" }, before ? `+${duration(one.at - before.at)}` : elapsed(one.at)),
      h("td", { class: "size" }, size(one.data.length), " ", bar),
      h("td", { class: "preview wide" }, preview(one.data, 48)));
  });
  const table = h("table", { class: "list datagrams" },
    h("caption", { class: "visually-hidden" }, "Datagrams, one per row"),
    h("thead", {}, h("tr", {}, [["No.", "number"], ["From", ""], ["Gap", "number"], ["Size", ""], ["Content", "wide"]].map(([name, kind]) =>
      h("th", { scope: "col", class: kind }, name)))),
    h("tbody", {}, rows));
  const box = h("div");
  fill(box, table);
  return box;
}
