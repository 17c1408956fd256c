// What is known right now, bounded, and told to the views at most four times a second.

import { watch } from "./api.js";

/** Seconds of rates that are kept, and milliseconds between two redrawings. */
export const KEPT = 60;
const PACE = 250;
/** Refusals that are kept. */
const MOST = 50;

/** @typedef {{open: number, opened: number, bytesIn: number, bytesOut: number, messagesIn?: number,
 *   messagesOut?: number, latency?: number}} Rates a second, but for `open`; latency in seconds */

export const live = {
  connected: false,
  /** Why there is no connection, if it will not come back by itself. */
  gone: "",
  /** @type {Map<string, Rates[]>} */
  rates: new Map(),
  /** Grows with each event; a view that has seen the same number has seen all. */
  changes: 0,
  /** How many events the daemon left out for us. */
  missed: 0,
  /** Rules of faults in force, without those that are over. */
  faults: 0,
  /** The scenario that is played, and which part of how many is on. @type {{name: string, part: number, of: number} | null} */
  playing: null,
  /** @type {{at: number, service: string, peer: string, limit: string}[]} */
  refused: [],
};

/** @type {Set<() => void>} */
const listeners = new Set();
let due = 0;
let last = 0;

/** Call `listener` when something has changed; what is returned stops that. @param {() => void} listener */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Something has changed: redraw, in a frame of the browser's, and not too often. */
export function changed() {
  if (due) return;
  due = window.setTimeout(() => requestAnimationFrame(() => {
    due = 0;
    last = performance.now();
    for (const listener of [...listeners]) listener();
  }), Math.max(0, last + PACE - performance.now()));
}

export function start() {
  watch({
    state(connected, gone) {
      live.connected = connected;
      live.gone = gone;
      // What happened meanwhile is not known.
      live.changes += 1;
      changed();
    },
    moved() {
      live.changes += 1;
      changed();
    },
    missed(events) {
      live.missed += events;
      live.changes += 1;
      changed();
    },
    refused(event) {
      live.refused = [{ at: Date.now() / 1000, ...event }, ...live.refused].slice(0, MOST);
      live.changes += 1;
      changed();
    },
    rates({ services, faults, playing }) {
      live.faults = faults;
      live.playing = playing;
      for (const [name, rates] of Object.entries(services)) {
        const kept = live.rates.get(name) ?? [];
        kept.push(rates);
        if (kept.length > KEPT) kept.shift();
        live.rates.set(name, kept);
      }
      changed();
    },
  });
}

/** Of all services together. */
export function totals() {
  const sums = { open: 0, opened: 0, bytes: 0 };
  for (const kept of live.rates.values()) {
    const now = kept[kept.length - 1];
    sums.open += now.open;
    sums.opened += now.opened;
    sums.bytes += now.bytesIn + now.bytesOut;
  }
  return sums;
}
