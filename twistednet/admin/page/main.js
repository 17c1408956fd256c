// The frame around the views: which one is shown, the theme, and whether the daemon is there.
//
// Imports go one way, so that a folder can be read without those that use it:
// main -> views -> faults, lessons -> wire -> lib.

import { h, fill, say, setText } from "./lib/dom.js";
import { live, onChange, start, totals } from "./lib/live.js";
import { counted, rate } from "./lib/format.js";
import { connectionView } from "./views/connection.js";
import { connectionsView } from "./views/connections.js";
import { lessonsView } from "./views/lessons.js";
import { servicesView } from "./views/services.js";
import { bolt } from "./wire/faultmarks.js";
import { faultsView } from "./views/faults.js";
import { closeSource } from "./wire/source.js";
import { tryView } from "./views/try.js";

/** A view fills `main`, and returns what ends it. What is after the name in the address is its argument. */
const VIEWS = {
  services: { title: "Services", show: servicesView },
  connections: { title: "Connections", show: (main, id) => (id ? connectionView : connectionsView)(main, id) },
  try: { title: "Try it", show: tryView },
  faults: { title: "Faults", show: faultsView },
  lessons: { title: "Lessons", show: lessonsView },
};

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @type {(() => void) | void} */
let leave;

function route(isFirst = false) {
  if (location.hash && !location.hash.startsWith("#/")) return;
  const [, name = "services", ...rest] = location.hash.split("/");
  const view = VIEWS[name] ?? VIEWS.services;
  leave?.();
  closeSource();
  fill(main);
  leave = view.show(main, decodeURIComponent(rest.join("/")));
  document.title = `${view.title} · twistednet`;
  for (const link of document.querySelectorAll(".bar nav a")) {
    const isHere = link.getAttribute("href") === `#/${VIEWS[name] ? name : "services"}`;
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (isFirst !== true) {
    window.scrollTo(0, 0);
    main.querySelector("h1")?.focus();
  }
}

function showState() {
  const { open, opened } = totals();
  const pulse = byId("pulse");
  pulse.classList.toggle("off", !live.connected);
  setText(pulse, live.connected ? `${counted(open, "open", "open")} · ${rate(opened)}/s` : "not connected");
  const banner = byId("banner");
  banner.hidden = live.connected || (!live.gone && !everConnected);
  everConnected ||= live.connected;
  setText(banner, banner.hidden ? "" : live.gone || "The daemon does not answer. What you see is from before; trying again.");
}
let everConnected = false;

/** Nobody is to wonder, in any view, why the server misbehaves. */
function showFaults() {
  const { faults, playing } = live;
  const inForce = `${counted(faults, "fault")} in force`;
  const parts = [faults > 0 && inForce, playing && `${playing.name}, part ${playing.part} of ${playing.of}`];
  const shown = parts.filter(Boolean).join(" · ");
  const badge = byId("in-force");
  if (badge.textContent !== shown) {
    badge.hidden = !shown;
    fill(badge, bolt(), h("span", {}, shown));
  }
  // A scenario may go from part to part faster than anybody can listen.
  const told = playing ? `scenario ${playing.name} is played` : inForce;
  if (toldFaults !== null && told !== toldFaults) say(told);
  toldFaults = told;
}
/** @type {string | null} */
let toldFaults = null;

const THEMES = { auto: "Auto", light: "Light", dark: "Dark" };

function showTheme() {
  const chosen = document.documentElement.dataset.theme ?? "auto";
  const button = byId("theme");
  fill(button, h("span", { class: "unseen" }, "Colours: "), h("span", { class: "sign", "aria-hidden": "true" }, "◐ "), h("span", { class: "word" }, THEMES[chosen]));
}

byId("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const now = document.documentElement.dataset.theme ?? "auto";
  const next = names[(names.indexOf(now) + 1) % names.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  localStorage.setItem("theme", next);
  showTheme();
});

showTheme();
showState();
onChange(showState);
onChange(showFaults);
window.addEventListener("hashchange", () => route());
start();
route(true);
