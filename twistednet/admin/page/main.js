// Frame of the page: routing between the views, the theme, and the state of the daemon.
//
// Imports go one way, so that a folder can be read without those that use it:
// main -> views -> faults, lessons -> wire -> lib.

import { bolt } from "./lib/bolt.js";
import { announce, fill, h, setText } from "./lib/dom.js";
import { plural, rate } from "./lib/format.js";
import { live, onChange, start, totals } from "./lib/live.js";
import { connectionView } from "./views/connection.js";
import { connectionsView } from "./views/connections.js";
import { faultsView } from "./views/faults.js";
import { lessonsView } from "./views/lessons.js";
import { servicesView } from "./views/services.js";
import { tryView } from "./views/try.js";
import { closeSource } from "./wire/source.js";

/** `show` fills `main` and returns a function that closes the view. Its argument is the part of the hash after the name. */
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
let closeView;

function route(isFirst = false) {
  if (location.hash && !location.hash.startsWith("#/")) return;
  const [, name = "services", ...rest] = location.hash.split("/");
  const view = VIEWS[name] ?? VIEWS.services;
  closeView?.();
  closeSource();
  fill(main);
  closeView = view.show(main, decodeURIComponent(rest.join("/")));
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
  const state = byId("daemon-state");
  state.classList.toggle("off", !live.connected);
  setText(state, live.connected ? `${plural(open, "open", "open")} · ${rate(opened)}/s` : "not connected");
  const banner = byId("banner");
  banner.hidden = live.connected || (!live.failure && !everConnected);
  everConnected ||= live.connected;
  setText(banner, banner.hidden ? "" : live.failure || "The daemon does not answer. The values shown are old; reconnecting.");
}
let everConnected = false;

/** Every view shows this, so that a faulty response is never mistaken for a defect of the server. */
function showFaults() {
  const { faults, playing } = live;
  const count = plural(faults, "active fault");
  const parts = [faults > 0 && count, playing && `${playing.name}, part ${playing.part} of ${playing.of}`];
  const shown = parts.filter(Boolean).join(" · ");
  const badge = byId("active-faults");
  if (badge.textContent !== shown) {
    badge.hidden = !shown;
    fill(badge, bolt(), h("span", {}, shown));
  }
  // The parts are not announced: they may change faster than a screen reader speaks.
  const announced = playing ? `playing scenario ${playing.name}` : count;
  if (announcedFaults !== null && announced !== announcedFaults) announce(announced);
  announcedFaults = announced;
}
/** @type {string | null} */
let announcedFaults = null;

const THEMES = { auto: "Auto", light: "Light", dark: "Dark" };

function showTheme() {
  const chosen = document.documentElement.dataset.theme ?? "auto";
  const button = byId("theme");
  fill(button, h("span", { class: "visually-hidden" }, "Colours: "), h("span", { class: "sign", "aria-hidden": "true" }, "◐ "), h("span", { class: "word" }, THEMES[chosen]));
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
