// Current state of the daemon, bounded in size; views are notified at most four times a second.

import { watch } from "./api.js";

export const HISTORY_SECONDS = 60;
const REDRAW_MS = 250;
const MAX_REFUSALS = 50;

/** @typedef {{open: number, opened: number, bytesIn: number, bytesOut: number, messagesIn?: number,
 *   messagesOut?: number, latency?: number}} Rates per second, except `open` (a number) and
 *   `latency` (seconds) */

export const live = {
  connected: false,
  /** The reason of a lost connection that does not come back by itself. */
  failure: "",
  /** @type {Map<string, Rates[]>} */
  rates: new Map(),
  /** Counts events: a view that has seen this number is up to date. */
  changes: 0,
  /** Number of events that the daemon dropped, since this page read too slowly. */
  missed: 0,
  /** Number of active rules; a rule whose time is over is not active. */
  faults: 0,
  /** The scenario that is played, its current part and how many parts it has. @type {{name: string, part: number, of: number} | null} */
  playing: null,
  /** @type {{at: number, service: string, peer: string, limit: string}[]} */
  refused: [],
};

/** @type {Set<() => void>} */
const listeners = new Set();
let timer = 0;
let drawnAt = 0;

/** Call `listener` after each change. The function that is returned stops that. @param {() => void} listener */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Notify the listeners in an animation frame, and not more often than every REDRAW_MS. */
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
      // Events of the time without a connection are lost, so views must load again.
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

/** The latest rates of all services together. */
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
