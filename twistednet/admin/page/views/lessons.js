// View of the lessons: their list, the current one, and the form to do it with.

import { LESSONS } from "../lessons/lessons.js";
import { watchLessons } from "../lessons/watch.js";
import { services, startTrial } from "../lib/api.js";
import { announce, copyButton, fill, h, setText } from "../lib/dom.js";
import { pieces, planFor } from "../lib/plans.js";
import { tryPanel } from "./try.js";

/** @param {HTMLElement} main @param {string} argument the id of a lesson */
export function lessonsView(main, argument) {
  const finished = new Set(JSON.parse(localStorage.getItem("lessons") ?? "[]"));
  const lesson = LESSONS.find((one) => one.id === argument) ?? LESSONS.find((one) => !finished.has(one.id)) ?? LESSONS[0];
  const list = h("ol", { class: "lesson-list" });
  const verdict = h("p", { class: "verdict", role: "status" });
  const panelBox = h("div");
  /** The connection that completed each lesson since this view was opened. */
  const completedBy = new Map();

  const show = () => {
    fill(list, LESSONS.map((one, index) => h("li", {},
      h("a", { href: `#/lessons/${one.id}`, class: finished.has(one.id) ? "done" : "", "data-lesson": one.id,
        "aria-current": one === lesson ? "step" : null },
      h("span", { class: "lesson-number", "aria-hidden": "true" }, finished.has(one.id) ? "✓" : index + 1),
      h("span", {}, one.title, finished.has(one.id) && h("span", { class: "visually-hidden" }, " (done)"))))));
  };
  const showStatus = (text, isDone) => {
    verdict.className = `verdict ${isDone ? "good" : "muted"}`;
    setText(verdict, text);
  };
  const panel = tryPanel(panelBox, lesson.plan.service ?? "");
  const stop = watchLessons((id, conversation) => {
    if (completedBy.has(id)) return;
    completedBy.set(id, conversation.id);
    finished.add(id);
    localStorage.setItem("lessons", JSON.stringify([...finished]));
    show();
    if (id === lesson.id) showStatus(`Done, with connection ${conversation.id}.`, true);
    else announce(`Also done: ${LESSONS.find((one) => one.id === id)?.title}`);
  }, (latest) => {
    if (!completedBy.has(lesson.id)) showStatus(`Connection ${latest.id}: ${lesson.hint(latest)}`, false);
  });
  const setUp = h("button", { type: "button", on: { click: () => panel.set(lesson.plan) } }, "Fill in the form");
  const both = h("button", { type: "button", on: {
    click: async () => {
      const sent = await Promise.all([lesson.plan, lesson.secondPlan ?? {}].map(startPlan)).catch((why) => announce(String(why.message)));
      if (sent?.[0].connection) panel.show(sent[0].connection);
    },
  } }, "Start two clients");
  show();
  showStatus("Waiting for a connection: use the form here, or any client of yours.", false);
  fill(main,
    h("div", { class: "top" }, h("h1", { tabindex: -1 }, "Lessons"),
      h("button", { type: "button", class: "quiet", on: {
        click: () => {
          finished.clear();
          localStorage.removeItem("lessons");
          completedBy.clear();
          show();
        },
      } }, "Start over")),
    h("nav", { "aria-label": "Lessons" }, list),
    h("section", { class: "lesson", "aria-labelledby": "lesson-title" },
      h("div", {}, h("h2", { id: "lesson-title" }, lesson.title), h("p", { class: "goal" }, lesson.goal), h("p", { class: "muted" }, lesson.background)),
      h("div", {}, terminalCommand(lesson), h("div", { class: "line" }, lesson.secondPlan ? both : setUp), verdict)),
    panelBox);
  return () => {
    stop();
    panel.stop();
  };
}

/** @param {Partial<import("../lib/plans.js").Plan>} changes */
function startPlan(changes) {
  const plan = { ...planFor(changes.service ?? "chat"), ...changes };
  return startTrial({ service: plan.service, kind: plan.kind, pieces: pieces(plan), end: plan.end });
}

function terminalCommand(lesson) {
  const code = h("code", {}, lesson.command);
  services().then((all) => {
    const kind = lesson.plan.kind || "tcp";
    const at = all.find((one) => one.name === lesson.plan.service)?.addresses.find((one) => one.kind === kind && one.port);
    if (at) setText(code, lesson.command.replace("HOST", at.host).replace("PORT", String(at.port)));
  }, () => {});
  return h("div", { class: "command-box" }, h("pre", { class: "command", tabindex: 0, role: "region", "aria-label": "In a terminal" }, code),
    copyButton(() => code.textContent ?? "", "the command"));
}
