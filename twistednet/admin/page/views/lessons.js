// The lesson strip: six exercises, checked by watching the wire.

import { services, tryIt } from "../lib/api.js";
import { copyButton, fill, h, say, setText } from "../lib/dom.js";
import { LESSONS } from "../lessons/lessons.js";
import { watchLessons } from "../lessons/watch.js";
import { pieces, planFor } from "../lib/plans.js";
import { tryBox } from "./try.js";

/** @param {HTMLElement} main @param {string} argument the id of a lesson */
export function lessonsView(main, argument) {
  const finished = new Set(JSON.parse(localStorage.getItem("lessons") ?? "[]"));
  const lesson = LESSONS.find((one) => one.id === argument) ?? LESSONS.find((one) => !finished.has(one.id)) ?? LESSONS[0];
  const strip = h("ol", { class: "strip" });
  const verdict = h("p", { class: "verdict", role: "status" });
  const place = h("div");
  /** Of those done since this view was opened: which connection did it. */
  const proofs = new Map();

  const show = () => {
    fill(strip, LESSONS.map((one, index) => h("li", {},
      h("a", { href: `#/lessons/${one.id}`, class: finished.has(one.id) ? "done" : "", "data-lesson": one.id,
        "aria-current": one === lesson ? "step" : null },
      h("span", { class: "mark", "aria-hidden": "true" }, finished.has(one.id) ? "✓" : index + 1),
      h("span", {}, one.title, finished.has(one.id) && h("span", { class: "unseen" }, " (done)"))))));
  };
  const judge = (text, isDone) => {
    verdict.className = `verdict ${isDone ? "good" : "soft"}`;
    setText(verdict, text);
  };
  const box = tryBox(place, lesson.plan.service ?? "");
  const stop = watchLessons((id, conversation) => {
    if (proofs.has(id)) return;
    proofs.set(id, conversation.id);
    finished.add(id);
    localStorage.setItem("lessons", JSON.stringify([...finished]));
    show();
    if (id === lesson.id) judge(`Done, by connection ${conversation.id}.`, true);
    else say(`Done as well: ${LESSONS.find((one) => one.id === id)?.title}`);
  }, (latest) => {
    if (!proofs.has(lesson.id)) judge(`Seen connection ${latest.id}. ${lesson.almost(latest)}`, false);
  });
  const setUp = h("button", { type: "button", on: { click: () => box.set(lesson.plan) } }, "Set up the form");
  const both = h("button", { type: "button", on: {
    click: async () => {
      const sent = await Promise.all([lesson.plan, lesson.also ?? {}].map(begin)).catch((why) => say(String(why.message)));
      if (sent?.[0].connection) box.show(sent[0].connection);
    },
  } }, "Start two clients");
  show();
  judge("Watching the wire: do it here, or with any client of yours.", false);
  fill(main,
    h("div", { class: "top" }, h("h1", { tabindex: -1 }, "Lessons"),
      h("button", { type: "button", class: "quiet", on: {
        click: () => {
          finished.clear();
          localStorage.removeItem("lessons");
          proofs.clear();
          show();
        },
      } }, "Begin anew")),
    h("nav", { "aria-label": "Lessons" }, strip),
    h("section", { class: "lesson", "aria-labelledby": "lesson-title" },
      h("div", {}, h("h2", { id: "lesson-title" }, lesson.title), h("p", { class: "goal" }, lesson.goal), h("p", { class: "soft" }, lesson.why)),
      h("div", {}, terminal(lesson), h("div", { class: "line" }, lesson.also ? both : setUp), verdict)),
    place);
  return () => {
    stop();
    box.stop();
  };
}

/** @param {Partial<import("../lib/plans.js").Plan>} changes */
function begin(changes) {
  const plan = { ...planFor(changes.service ?? "chat"), ...changes };
  return tryIt({ service: plan.service, kind: plan.kind, pieces: pieces(plan), end: plan.end });
}

function terminal(lesson) {
  const code = h("code", {}, lesson.terminal);
  services().then((all) => {
    const kind = lesson.plan.kind || "tcp";
    const at = all.find((one) => one.name === lesson.plan.service)?.addresses.find((one) => one.kind === kind && one.port);
    if (at) setText(code, lesson.terminal.replace("HOST", at.host).replace("PORT", String(at.port)));
  }, () => {});
  return h("div", { class: "command-box" }, h("pre", { class: "command", tabindex: 0, role: "region", "aria-label": "In a terminal" }, code),
    copyButton(() => code.textContent ?? "", "the command"));
}
