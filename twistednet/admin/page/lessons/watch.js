// Polls the journal, and reports each conversation that completes a lesson.

import { connection, connections } from "../lib/api.js";
import { LESSONS } from "./lessons.js";

const POLL_MS = 600;
const MAX_KEPT = 40;
/** Conversations that are loaded in one poll; the others wait for the next one. */
const MAX_READS = 6;

/** @param {(lesson: string, conversation: import("../lib/api.js").Conversation) => void} done
 * @param {(latest: import("../lib/api.js").Conversation) => void} seen */
export function watchLessons(done, seen) {
  /** @type {Map<number, import("./lessons.js").Observed & {state: string, changedAt: number}>} */
  const watched = new Map();
  /** States of the conversations at the start: an old one counts only after it has changed. @type {Map<number, string> | undefined} */
  let baseline;
  let timer = 0;
  let isStopped = false;

  const poll = async () => {
    const { found } = await connections({ limit: MAX_KEPT });
    baseline ??= new Map(found.map((one) => [one.id, stateOf(one)]));
    const known = (one) => watched.get(one.id)?.state ?? baseline?.get(one.id);
    const changed = found.filter((one) => known(one) !== stateOf(one)).slice(0, MAX_READS);
    for (const one of changed) {
      const conversation = await connection(one.id);
      watched.set(one.id, { conversation, state: stateOf(one), changedAt: performance.now(), quietMs: 0 });
    }
    for (const id of [...watched.keys()].sort((one, other) => other - one).slice(MAX_KEPT)) watched.delete(id);
    const all = [...watched.values()].sort((one, other) => other.conversation.id - one.conversation.id);
    for (const one of all) one.quietMs = performance.now() - one.changedAt;
    if (isStopped) return;
    for (const lesson of LESSONS) {
      const conversation = lesson.done(all);
      if (conversation) done(lesson.id, conversation);
    }
    if (all.length) seen(all[0].conversation);
  };
  const loop = async () => {
    try {
      await poll();
    } catch {
      // The banner reports a daemon that is gone. Otherwise the journal has just dropped the conversation.
    }
    if (!isStopped) timer = window.setTimeout(loop, POLL_MS);
  };
  loop();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

function stateOf({ bytesIn, bytesOut, reason }) {
  return `${bytesIn} ${bytesOut} ${reason}`;
}
