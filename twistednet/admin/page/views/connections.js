// View of the connections: the newest that match the filter, loaded again after each change.

import { connections, services } from "../lib/api.js";
import { bolt } from "../lib/bolt.js";
import { safe } from "../lib/bytes.js";
import { fill, h, setText } from "../lib/dom.js";
import { age, clock, duration, plural, size } from "../lib/format.js";
import { live, onChange } from "../lib/live.js";

const MAX_ROWS = 200;
/** With more new rows at once, none is animated: that many would distract. */
const MAX_ANIMATED = 8;
/** A search takes longer, since the daemon reads all data for it. */
const POLL_MS = { plain: 500, search: 2000 };
/** At most this part of the time is spent on drawing, so that the page stays responsive. */
const DRAW_SHARE = 0.1;

const STATES = [["", "Open and ended"], ["open", "Open"], ["ended", "Ended"], ["client FIN", "Ended: client FIN"],
  ["client RST", "Ended: client RST"], ["service", "Ended: service"], ["idle", "Ended: idle"], ["error", "Ended: error"]];

/** The current filter, kept while other views are shown. */
const filter = { service: "", state: "", peer: "", text: "" };

/** @param {HTMLElement} main @param {string} argument */
export function connectionsView(main, argument) {
  const query = new URLSearchParams(argument.replace(/^\?/, ""));
  if (query.has("service")) Object.assign(filter, { service: query.get("service"), state: "", peer: "", text: "" });

  const body = h("tbody");
  const table = h("table", { class: "list connections" },
    h("caption", { class: "visually-hidden" }, "Connections, the newest first"),
    h("thead", {}, h("tr", {},
      [["Service", "service"], ["Peer", "peer"], ["Opened", "wide"], ["Age", "wide number"], ["In", "number"], ["Out", "number"], ["State", "state"]]
        .map(([name, kind]) => h("th", { scope: "col", class: kind }, name)))),
    body);
  const note = h("p", { class: "empty" });
  const count = h("p", { class: "muted", role: "status" });
  const pause = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const missed = h("p", { class: "muted" });

  let isPaused = false;
  let isLoading = false;
  let isStale = false;
  let seenChanges = -1;
  let loadedAt = 0;
  let drawMs = 0;
  let timer = 0;
  let isClosed = false;
  /** @type {Map<string, ReturnType<typeof row>>} */
  let rows = new Map();

  const show = (found, isMore) => {
    const before = rows;
    rows = new Map(found.map((one) => [one.id, before.get(one.id) ?? row(one)]));
    const isMany = found.filter((one) => !before.has(one.id)).length > MAX_ANIMATED;
    for (const one of found) rows.get(one.id)?.show(one, isMany);
    const elements = [...rows.values()].map((one) => one.element);
    const isSame = elements.length === body.children.length && elements.every((one, at) => one === body.children[at]);
    // Moving the focused row would take the focus from it.
    if (!isSame) keepFocus(body, () => fill(body, elements));
    table.hidden = !found.length;
    note.hidden = found.length > 0;
    setText(note, isFiltered() ? "No connection matches the filter." : "No connections yet.");
    setText(count, isMore ? `the newest ${found.length}` : plural(found.length, "connection"));
  };
  const load = async () => {
    isStale = isLoading;
    if (isLoading || isPaused || isClosed) return;
    isLoading = true;
    seenChanges = live.changes;
    loadedAt = performance.now();
    try {
      const { found, isMore } = await connections({ ...filter, limit: MAX_ROWS });
      const drawingSince = performance.now();
      if (!isClosed && !isPaused) show(found, isMore);
      drawMs = performance.now() - drawingSince;
    } catch (why) {
      setText(count, String(why.message));
    }
    isLoading = false;
    if (isStale) load();
    else schedule();
  };
  const schedule = () => {
    clearTimeout(timer);
    if (isClosed) return;
    const isMoving = seenChanges !== live.changes;
    const interval = Math.max(filter.text ? POLL_MS.search : POLL_MS.plain, drawMs / DRAW_SHARE);
    // The byte counts of open connections change without an event.
    timer = window.setTimeout(load, Math.max(0, loadedAt + (isMoving ? interval : 2 * interval) - performance.now()));
  };
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    if (!isPaused) load();
  });
  const stop = onChange(() => {
    if (seenChanges !== live.changes && !isLoading && !isPaused) schedule();
    setText(missed, live.missed ? `${live.missed.toLocaleString("en")} events were dropped: they came faster than this page could read them.` : "");
  });
  fill(main, h("div", { class: "top" }, h("h1", { tabindex: -1 }, "Connections"), count),
    filters(load, pause), table, note, refusals(), missed);
  load();
  return () => {
    isClosed = true;
    clearTimeout(timer);
    stop();
  };
}

function isFiltered() {
  return Object.values(filter).some(Boolean);
}

function keepFocus(parent, change) {
  const focused = document.activeElement;
  change();
  if (focused instanceof HTMLElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

function filters(load, pause) {
  const change = (name) => (event) => {
    filter[name] = event.target.value;
    load();
  };
  const option = (one) => h("option", { value: one, selected: filter.service === one }, safe(one));
  services().then((all) => element.querySelector("[name=service]")?.append(
    ...all.map((one) => one.name).filter((name) => name !== filter.service).map(option)), () => {});
  const select = (name, label, options) => h("label", { class: "field" }, h("span", { class: "name" }, label),
    h("select", { name, on: { change: change(name) } },
      options.map(([value, shown]) => h("option", { value, selected: filter[name] === value }, shown))));
  const input = (name, label, hint) => h("label", { class: "field" }, h("span", { class: "name" }, label),
    h("input", { name, type: "search", value: filter[name], placeholder: hint, spellcheck: "false", autocomplete: "off",
      on: { input: change(name) } }));
  const element = h("form", { class: "filters", role: "search", on: { submit: (event) => event.preventDefault() } },
    select("service", "Service", [["", "All"], ...(filter.service ? [[filter.service, safe(filter.service)]] : [])]),
    select("state", "State", STATES),
    input("peer", "Peer", "127.0.0.1:5"),
    input("text", "Data contains", "how are u"),
    pause);
  return element;
}

/** @param {import("../lib/api.js").Conversation} of */
function row(of) {
  const cells = Array.from({ length: 7 }, (_, at) => h("td", { class: ["", "", "wide", "wide number", "number client", "number server", "state"][at] }));
  const [name, peer, opened, lasted, bytesIn, bytesOut, state] = cells;
  fill(name, h("a", { href: `#/connections/${of.id}` }, safe(of.service)), h("span", { class: "muted" }, ` #${of.id}`));
  if (of.kind !== "tcp") fill(name, [...name.childNodes], h("span", { class: "tag" }, of.kind));
  const reason = h("span");
  const faultCount = h("span");
  const faults = h("span", { class: "tag fault", hidden: true }, bolt(), faultCount, h("span", { class: "visually-hidden" }, " by faults"));
  fill(state, reason, " ", faults);
  const [, host, port] = /^(.*?)(:\d+)?$/.exec(safe(of.peer)) ?? [];
  fill(peer, host, h("wbr"), port);
  setText(opened, clock(of.opened));
  const element = h("tr", {}, cells);
  return {
    element,
    show(one, isMany) {
      if (!isMany && !element.isConnected) element.className = "fresh";
      setText(lasted, one.reason === null ? age(Math.max(0, Date.now() / 1000 - one.opened)) : duration(one.seconds));
      setText(bytesIn, size(one.bytesIn));
      setText(bytesOut, size(one.bytesOut));
      setText(reason, one.reason === null ? "open" : safe(one.reason));
      setText(faultCount, `×${one.faulted}`);
      faults.hidden = !one.faulted;
      state.className = `state ${stateClass(one.reason)}`;
    },
  };
}

/** @param {string | null} reason */
export function stateClass(reason) {
  if (reason === null) return "good";
  return ["client FIN", "service", "silence"].includes(reason) ? "" : "bad";
}

function refusals() {
  if (!live.refused.length) return null;
  return h("details", { class: "refused" },
    h("summary", {}, `Refused connections: ${live.refused.length}${live.refused.length === 50 ? " or more" : ""}`),
    h("ul", {}, live.refused.map((one) =>
      h("li", { class: "mono" }, `${clock(one.at)}  ${safe(one.service)}  ${safe(one.peer)}  `, h("span", { class: "bad" }, safe(one.limit))))));
}
