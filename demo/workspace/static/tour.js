// The guide: takes a visitor through a tour, and goes on when what was to be done has been done.

import { h, put } from "./dom.js";
import { mrkdwn, words } from "./mrkdwn.js";
import { button, cards, lines } from "./reading.js";
import { TOURS } from "./tours.js";
import { everything, look } from "./view.js";

const KEPT = "countersign-tour";
const FAILED = "It didn't work";

export function guide(desk, place) {
  const told = h("p", { class: "hush", role: "status" });
  const body = h("div", { class: "guide-body" });
  put(place, body, told);
  let tour = null;
  let at = -1; // the step; -1 is what is said before the first one, and past the last one is the end
  let won = false; // the step was reached, and what came of it is being read
  let kept = {}; // what later steps need: the request that is followed, the press that opened it
  let results = []; // what came of each attempt: {title, lesson, saw}
  let mark = { before: new Map(), loads: 0, forged: null };
  let begun = 0; // when the first word was written, and how long it took from there
  let drawn = "";
  let spot = null;

  const step = () => tour?.steps[at] ?? null;
  const view = () => look(desk, step()?.as.me ?? "maya", mark, kept);
  const lost = (now) => Boolean(step()?.needs) && !won && !step().reached(now) && !now.card?.open;

  // -- going on

  /** Begin a tour, or leave it with null. */
  function take(chosen) {
    tour = chosen;
    [at, won, kept, results, begun] = [tour?.intro ? -1 : 0, false, {}, [], 0];
    enter();
  }

  /** The step begins: everybody is where it needs them, and from now on what is new counts. */
  function enter() {
    won = false;
    mark = { before: everything(desk), loads: desk.phone?.loads ?? 0, forged: null };
    const now = step();
    if (now?.possible && !now.possible(view())) return go(at + 1);
    if (now) {
      const { me, phone, app, really, next } = now.as;
      const there = desk.me === desk.person(me) && desk.holder === desk.person(phone) && desk.app === app;
      if (!there || next) desk.play(me, { phone, app, really, next: next?.(view()) ?? "/" });
      desk.look(now.point(view())[0]);
    }
    keep();
    desk.changed();
  }

  function go(to) {
    at = to;
    enter();
  }

  /** What the visitor chose in the guide: afterwards they read on where the guide goes on. */
  function chose(doing) {
    doing();
    body.querySelector("h3")?.focus();
  }

  function next() {
    const now = view();
    results.push({ title: step().title, lesson: step().lesson, good: Boolean(step().verdict), saw: now.security.map(headline).at(-1)?.split(" — ")[0] ?? "" });
    const resume = kept.resume;
    delete kept.resume;
    go(resume ?? at + 1);
  }

  /** Ask once more where the request ended before its time, and come back to this step. */
  function again() {
    kept = { resume: tour.intro ? at : undefined };
    go(0);
  }

  /** Take what is new into account: remember what later steps need, and see whether this one is done. */
  function watch() {
    const now = view();
    const press = now.proposal && button(now.proposal, "ask");
    if (press && at === 0) kept.press = { conversation: now.direct.id, ts: now.proposal.ts, block_id: press.block.block_id, action_id: press.element.action_id, value: press.element.value ?? "" };
    if (at >= 0 && !kept.card && now.card?.open) kept.card = now.card.name;
    if (!begun && now.wrote) begun = performance.now();
    if (won || !step().reached(now)) return;
    if (step().lesson) won = true;
    else if (at + 1 === tour.steps.length && begun) kept.seconds = Math.round((performance.now() - begun) / 1000);
    if (!step().lesson) go(at + 1);
  }

  // -- drawing

  const text = (said, props = null) => h("p", { class: "text", ...props }, mrkdwn(said, desk.names));
  const press = (label, run, look = "", more = {}) => h("button", { type: "button", class: `press ${look}`, data: { name: label }, on: { click: run }, ...more }, label);
  const title = (said) => h("h3", { tabindex: -1 }, said);

  function render() {
    if (!desk.me) return;
    if (step() && desk.state) watch();
    document.body.classList.toggle("touring", Boolean(tour));
    const page = !tour ? menu() : at < 0 ? intro() : step() ? course() : end();
    const key = JSON.stringify([tour?.name, at, won, page.key]);
    point();
    if (key === drawn) return;
    const inside = body.contains(document.activeElement) && document.activeElement.dataset.name;
    const moved = drawn && JSON.parse(drawn).slice(0, 3).join() !== JSON.parse(key).slice(0, 3).join();
    drawn = key;
    put(body, page.draw());
    if (inside) ([...body.querySelectorAll("[data-name]")].find((each) => each.dataset.name === inside) ?? body.querySelector("h3"))?.focus();
    if (!moved) return;
    told.textContent = page.tell ?? "";
    place.scrollTop = 0;
    if (place.getBoundingClientRect().top < 0) place.scrollIntoView();
  }

  /** Mark what the step is about, in the pane and, where only one pane is seen, on its tab. */
  function point() {
    const now = step() && !won ? step().point(view()) : null;
    const found = now && document.querySelector(now[1]);
    if (spot && spot !== found) spot.classList.remove("spot");
    found?.classList.add("spot");
    spot = found;
    desk.wanted = now?.[0] ?? null;
  }

  const menu = () => ({
    key: "",
    draw: () => [
      h("h2", { id: "guide-title" }, "Take a tour"),
      TOURS.map((each) => h("button", { type: "button", class: "tour", data: { name: each.name }, on: { click: () => chose(() => take(each)) } },
        h("strong", null, each.title), h("span", null, each.about))),
      h("p", { class: "hint" }, "Or look around: be anybody, write to Countersign, press what it offers."),
    ],
  });

  const frame = (count, ...inner) => [
    h("header", { class: "guide-top" },
      h("h2", { id: "guide-title" }, tour.title),
      count && h("span", { class: "quiet" }, count),
      press("Leave", () => chose(() => take(null)), "quiet-press", { "aria-label": "Leave the tour" })),
    h("progress", { max: tour.steps.length, value: Math.max(0, Math.min(at + (won ? 1 : 0), tour.steps.length)), "aria-label": "How far you are" }),
    h("div", { class: "guide-step" }, inner),
  ];

  function intro() {
    const { title: heading, say, holds, begin } = tour.intro;
    return {
      key: "",
      tell: `${heading}. ${say}`,
      draw: () => frame("", title(heading), text(say),
        h("dl", { class: "holds" }, holds.map(([what, which]) => h("div", null, h("dt", null, what), h("dd", null, which)))),
        h("div", { class: "row" }, press(begin, () => chose(() => go(0)), "primary"))),
    };
  }

  function course() {
    const now = view();
    const here = desk.me === desk.person(step().as.me) && desk.holder === desk.person(step().as.phone);
    const gone = lost(now);
    const say = step().say(now);
    const replies = won ? now.replies(now.forged?.as ?? step().as.me).map(gist) : [];
    const saw = won ? now.security.map(headline) : [];
    const turned = won && now.forged && !now.forged.ok ? now.forged.error : "";
    const count = `${at + 1} of ${tour.steps.length}`;
    return {
      key: [here, gone, say, replies, saw, turned, now.card?.stage],
      tell: won ? `${step().verdict ?? FAILED}. ${step().lesson}. ${step().why}` : `Step ${count}: ${step().title}. ${plainly(say)}`,
      draw() {
        if (won) return frame(count, outcome(replies, saw, turned));
        if (gone) return frame(count, title("That request is over"), text(`${now.card?.stage ?? "It isn't there any more"}. A request waits ten minutes for its proof. Ask once more, and go on from here.`), h("div", { class: "row" }, press("Ask once more", () => chose(again), "primary")));
        const away = !here && [text("You are looking at somebody else just now.", { class: "hint" }), press("Back to the tour", () => chose(enter))];
        const offer = here && step().offer && press(step().offer.label, () => void step().offer.run(view()), step().lesson ? "primary" : "");
        const skip = step().lesson && press("Skip this one", () => chose(() => go(at + 1)), "quiet-press");
        return frame(count, title(step().title), text(say), h("div", { class: "row" }, away, offer, skip));
      },
    };
  }

  const outcome = (replies, saw, turned) => [
    h("p", { class: step().verdict ? "verdict good" : "verdict" }, h("span", { "aria-hidden": "true" }, step().verdict ? "● " : "■ "), step().verdict ?? FAILED),
    title(step().lesson),
    text(step().why),
    turned && quoted("The press was turned away", [turned]),
    replies.length > 0 && quoted("Countersign answered", replies),
    quoted("Security saw", saw, step().unseen),
    h("div", { class: "row" }, press(at + 1 === tour.steps.length ? "See what is left" : "Next attempt", () => chose(next), "primary")),
  ];

  const quoted = (heading, said, none = "") => h("div", { class: "saw" }, h("h4", null, heading), said.length ? said.slice(-2).map((each) => h("blockquote", null, each)) : h("p", { class: "hint" }, none));

  function end() {
    const { title: heading, say, lines: points } = tour.end(kept, results);
    const other = TOURS.find((each) => each !== tour);
    return {
      key: results,
      tell: `${heading}. ${say}`,
      draw: () => frame("", title(heading), text(say),
        points.length > 0 && h("ul", { class: "points" }, points.map((each) => h("li", null, each))),
        results.length > 0 && h("ol", { class: "results" }, results.map(({ title: tried, lesson, good, saw }) => h("li", null,
          h("strong", null, tried), h("span", { class: good ? "lesson good" : "lesson" }, h("span", { "aria-hidden": "true" }, good ? "● " : "■ "), lesson),
          saw && h("span", { class: "hint" }, `Security saw: ${saw}`)))),
        h("div", { class: "row" }, press(other.title, () => chose(() => take(other)), "primary"), press("Look around", () => chose(() => take(null))))),
    };
  }

  // -- after the page was loaded again

  function keep() {
    sessionStorage.setItem(KEPT, JSON.stringify({ name: tour?.name, at, kept, results }));
  }

  try {
    const { name, at: step, kept: remembered, results: came } = JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
    tour = TOURS.find((each) => each.name === name) ?? null;
    if (tour) [at, kept, results] = [step, remembered, came];
  } catch {
    sessionStorage.removeItem(KEPT);
  }

  return { render };
}

const plainly = (say) => say.replaceAll(/[*_]/g, "");

/** A reply in one line: its title, and the sentence below. */
function gist(message) {
  const text = message.blocks?.find((block) => block.type === "section")?.text;
  return [lines(message)[0], words(text)].filter(Boolean).join(". ");
}

/** A report of the channel in one line: the card's title and how it stands. */
function headline(message) {
  const [card] = cards({ messages: [message] });
  const first = lines(message)[0] ?? "";
  return card ? `${first.replace(card.name, "").trim()} — ${card.stage}` : first;
}
