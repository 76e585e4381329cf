// A conversation's messages, in the chat and in the channel that is watched.

import { draw } from "./blocks.js";
import { h, icon, keyed } from "./dom.js";
import { popup } from "./menu.js";
import { mrkdwn } from "./mrkdwn.js";
import { lines } from "./reading.js";
import { day, full, hour, moment } from "./time.js";

/** The square beside a name: an initial, or the app's own sign. */
export function face(desk, user, name, app) {
  if (app && user === desk.settings.app.user) return h("img", { class: "face", src: "/static/icon.svg", alt: "", width: 36, height: 36 });
  const at = desk.people.findIndex((each) => each.user === user);
  return h("span", { class: `face hue-${at < 0 ? 6 : at % 6}`, "aria-hidden": "true" }, (name || "?").slice(0, 1));
}

/** Keep `list` in step with this conversation. `reads` is true where the reader may press and choose. */
export function show(desk, list, conversation, reads = true) {
  const messages = conversation?.messages ?? [];
  const begun = list.childElementCount > 0;
  let last = "";
  const items = messages.map((message) => {
    const date = day(moment(message.ts));
    const first = date !== last && date;
    last = date;
    return { message, first };
  });
  keyed(list, items, ({ message }) => message.ts, ({ message, first }) => {
    const drawn = one(desk, conversation, message, first, reads);
    if (begun) drawn.classList.add("news");
    return drawn;
  });
}

function one(desk, conversation, message, first, reads) {
  const sent = moment(message.ts);
  const who = `${message.name}${message.app ? ", app" : ""}`;
  const head = h("p", { class: "by" },
    h("strong", null, message.name), message.app && h("span", { class: "badge" }, "App"),
    h("time", { datetime: sent.toISOString(), title: full(sent) }, hour(sent)),
    message.edited && h("span", { class: "edited" }, "edited"));
  const seen = message.ephemeral && h("p", { class: "seen" }, icon("eye"), "Only visible to you");
  const site = {
    names: desk.names,
    press: (block, element, extra) => desk.press({ conversation: conversation.id, ts: message.ts }, block, element, extra),
  };
  const body = message.blocks?.length ? draw(message.blocks, site) : h("div", { class: "blocks" }, h("p", { class: "text" }, mrkdwn(message.text ?? "", desk.names)));
  return h("li", { class: message.ephemeral ? "message ephemeral" : "message", data: { ts: message.ts }, "aria-label": `${who}, ${hour(sent)}` },
    first && h("p", { class: "day" }, h("span", null, first)),
    h("div", { class: "turn" }, face(desk, message.user, message.name, message.app),
      h("div", { class: "said" }, seen, head, body), reads && actions(desk, conversation, message)));
}

/** What can be done with a message: the apps' own shortcuts. */
function actions(desk, conversation, message) {
  const found = () => (desk.state?.shortcuts ?? []).filter((each) => each.type === "message");
  if (!found().length || message.ephemeral) return null;
  const about = lines(message)[0]?.slice(0, 80) ?? "";
  const button = h("button", { type: "button", class: "round more", "aria-label": `More about: ${about}`, data: { name: "more" } }, icon("more"));
  popup(button, () => found().map(({ callback_id, name }) => ({
    label: name,
    hint: desk.settings.app.name,
    run: () => desk.act("message_shortcut", { callback_id, conversation: conversation.id, ts: message.ts }),
  })));
  return button;
}

/** What a screen reader is told about messages that came or changed since the last look. */
export function news(before, conversation, me) {
  const told = [];
  for (const message of conversation?.messages ?? []) {
    if (message.user === me) continue;
    const said = lines(message).slice(0, 2).join(". ");
    if (before.get(message.ts) !== said) told.push(`${message.name}: ${said}`);
    before.set(message.ts, said);
  }
  return told.slice(-2).join(". ");
}

