// Watches the connections that begin from now on, for what the lessons ask for.

import { connection, connections } from "../lib/api.js";
import { LESSONS } from "./lessons.js";

/** Milliseconds between two looks; conversations that are kept, and read again in one look. */
const LOOK = 600;
const KEPT = 40;
const AT_ONCE = 6;

/** @param {(lesson: string, conversation: import("../lib/api.js").Conversation) => void} done
 * @param {(latest: import("../lib/api.js").Conversation) => void} seen */
export function watchLessons(done, seen) {
  /** @type {Map<number, import("./lessons.js").Watched & {state: string, movedAt: number}>} */
  const watched = new Map();
  /** What was there before, and counts only once it moves. @type {Map<number, string> | undefined} */
  let before;
  let timer = 0;
  let isGone = false;

  const look = async () => {
    const { found } = await connections({ limit: KEPT });
    before ??= new Map(found.map((one) => [one.id, stateOf(one)]));
    const known = (one) => watched.get(one.id)?.state ?? before?.get(one.id);
    const moved = found.filter((one) => known(one) !== stateOf(one)).slice(0, AT_ONCE);
    for (const one of moved) {
      const conversation = await connection(one.id);
      watched.set(one.id, { conversation, state: stateOf(one), movedAt: performance.now(), still: 0 });
    }
    for (const id of [...watched.keys()].sort((one, other) => other - one).slice(KEPT)) watched.delete(id);
    const all = [...watched.values()].sort((one, other) => other.conversation.id - one.conversation.id);
    for (const one of all) one.still = performance.now() - one.movedAt;
    if (isGone) return;
    for (const lesson of LESSONS) {
      const conversation = lesson.done(all);
      if (conversation) done(lesson.id, conversation);
    }
    if (all.length) seen(all[0].conversation);
  };
  const again = async () => {
    try {
      await look();
    } catch {
      // The banner tells that the daemon is gone; one connection may just have been forgotten.
    }
    if (!isGone) timer = window.setTimeout(again, LOOK);
  };
  again();
  return () => {
    isGone = true;
    clearTimeout(timer);
  };
}

function stateOf({ bytesIn, bytesOut, reason }) {
  return `${bytesIn} ${bytesOut} ${reason}`;
}
