// What is known right now, bounded, and told to the views at most four times a second.

import { watch } from "./api.js";

/** Seconds of rates that are kept, and milliseconds between two redrawings. */
export const HISTORY_SECONDS = 60;
const REDRAW_MS = 250;
/** Refusals that are kept. */
const MAX_REFUSALS = 50;

/** @typedef {{open: number, opened: number, bytesIn: number, bytesOut: number, messagesIn?: number,
 *   messagesOut?: number, latency?: number}} Rates a second, but for `open`; latency in seconds */

export const live = {
  connected: false,
  /** Why there is no connection, if it will not come back by itself. */
  failure: "",
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
let timer = 0;
let drawnAt = 0;

/** Call `listener` when something has changed; what is returned stops that. @param {() => void} listener */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Something has changed: redraw, in a frame of the browser's, and not too often. */
export function changed() {
  if (timer) return;
  timer = window.setTimeout(() => requestAnimationFrame(() => {
    timer = 0;
    drawnAt = performance.now();
    for (const listener of [...listeners]) listener();
  }), Math.max(0, drawnAt + REDRAW_MS - performance.now()));
}

export function start() {
  watch({
    state(connected, failure) {
      live.connected = connected;
      live.failure = failure;
      // What happened meanwhile is not known.
      live.changes += 1;
      changed();
    },
    updated() {
      live.changes += 1;
      changed();
    },
    missed(events) {
      live.missed += events;
      live.changes += 1;
      changed();
    },
    refused(event) {
      live.refused = [{ at: Date.now() / 1000, ...event }, ...live.refused].slice(0, MAX_REFUSALS);
      live.changes += 1;
      changed();
    },
    rates({ services, faults, playing }) {
      live.faults = faults;
      live.playing = playing;
      for (const [name, rates] of Object.entries(services)) {
        const kept = live.rates.get(name) ?? [];
        kept.push(rates);
        if (kept.length > HISTORY_SECONDS) kept.shift();
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
