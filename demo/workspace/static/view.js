// One look at everything a tour watches: the chat, the cards, the phone, the channel #security.

import { button, cards, lines } from "./reading.js";
import { forge } from "./state.js";

const said = (message) => lines(message).join("\n");

/** What everybody can read now, to tell later what is new: conversation and time → words. */
export function everything(desk) {
  const all = new Map();
  for (const person of desk.people) {
    for (const conversation of desk.live(person).state?.conversations ?? []) {
      for (const message of conversation.messages) all.set(`${conversation.id} ${message.ts}`, said(message));
    }
  }
  return all;
}

/**
 * A look with the eyes of `me` (a short name). `mark` is {before, loads, forged}: what everybody could read and how
 * many pages the phone had shown when the step began, and what came of a forged press. `kept` goes with the tour.
 */
export function look(desk, me, mark, kept) {
  const of = (short) => desk.direct(desk.person(short));
  const isNew = (conversation) => (message) => mark.before.get(`${conversation.id} ${message.ts}`) !== said(message);
  const fresh = (conversation) => (conversation?.messages ?? []).filter(isNew(conversation));
  const direct = of(me);
  const news = fresh(direct);
  const all = cards(direct);
  const open = all.findLast((card) => card.open);
  const proposal = direct?.messages.findLast((message) => message.app && button(message, "ask")) ?? null;
  const stands = proposal && (proposal.ts === direct.messages.at(-1).ts || news.includes(proposal));
  return {
    desk, direct, kept,
    forged: mark.forged,
    card: all.find((card) => card.name === kept.card) ?? open ?? null,
    proposal: stands ? proposal : null,
    modal: desk.live(desk.person(me)).state?.modal ?? null,
    wrote: news.some((message) => !message.app),
    answers: news.filter((message) => message.app),
    of: (short) => cards(of(short)),
    news: (short) => cards({ messages: fresh(of(short)) }),
    replies: (short) => fresh(of(short)).filter((message) => message.app && !cards({ messages: [message] }).length),
    security: fresh(desk.security),
    phone: { path: desk.phone?.path ?? "", loads: (desk.phone?.loads ?? 0) - mark.loads },
    forge: async (as, click) => {
      const answer = await forge(desk.person(as).user, click);
      mark.forged = { ...answer, as };
      desk.changed();
    },
  };
}
