// The company bar: who you are, and who has something new to read.

import { h, hush, keyed, put } from "./dom.js";
import { face } from "./messages.js";

export function people(desk) {
  const bar = document.getElementById("people");
  const acting = document.getElementById("acting");
  let said = "";

  return {
    render() {
      const items = desk.people.map((person) => {
        const state = desk.live(person).state;
        const here = person === desk.me;
        const direct = state?.conversations.find((each) => each.kind === "im");
        const sits = person === desk.really && person !== desk.me;
        return { ...person, here, sits, unread: here ? 0 : direct?.unread ?? 0 };
      });
      keyed(bar, items, ({ user }) => user, ({ user, person, name, about, here, sits, unread }) => {
        const dot = unread > 0 && h("span", { class: "dot" }, hush(unread === 1 ? ", one new message" : `, ${unread} new messages`));
        const be = () => desk.play(person);
        return h("button", { type: "button", class: sits ? "person sits" : "person", title: `${name}, ${about}`, "aria-pressed": String(here), data: { name: user }, on: { click: be } },
          face(desk, user, name, false), h("span", { class: "person-name" }, desk.first({ name })), sits && hush(", who really sits there"), dot);
      });
      if (!desk.me) return;
      const { me, holder, really } = desk;
      const now = `${me.user} ${holder.user} ${really.user}`;
      if (now === said) return;
      said = now;
      acting.classList.toggle("danger", me !== really);
      document.title = `${desk.first(really)}${me === really ? "" : ` in ${desk.first(me)}'s chat`} · Countersign in a pretend company`;
      if (me === really) put(acting, "You are ", h("strong", null, me.name), `, ${me.about}`);
      else put(acting, h("span", { "aria-hidden": "true" }, "▲ "), "You are ", h("strong", null, really.name), ` in ${desk.first(me)}'s chat session, ${holder === really ? "with your own phone" : `with ${desk.first(holder)}'s phone in your hand`}`);
    },
  };
}
