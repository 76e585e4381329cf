// The two tours, as data: what to do, how the page knows that it was done, and why an attack came to nothing.
//
// A tour: name, title, about, intro {title, say, holds, begin}, steps, end(kept, results) {title, say, lines}. A step:
//   as       {me, phone, app, really, next(view)}   whose chat and whose phone, and who the visitor really is
//   title, say(view)          what to do, with Slack's own marks
//   offer    {label, run(view)}     what the page can do for the visitor
//   point(view)               what to look at: [pane, selector]
//   reached(view)             true once it was done: read from what everybody sees, never from a clock
//   needs                     true where the request of the first step has to be open still
//   possible(view)            false where it can't be tried
// and, where an attack is tried:
//   lesson, why               why it failed, in three words and in a few sentences
//   unseen                    what to say where security had nothing to see
//   verdict                   where it isn't that it didn't work
// A view is made by view.js for each look at the page.

import { words } from "./mrkdwn.js";
import { button } from "./reading.js";

const composer = ["chat", "#composer .writing"];
const handset = ["phone", "#handset"];
const pressing = (card, verb) => {
  const found = card && button(card.message ?? card, verb);
  return found ? ["chat", `[data-ts="${card.ts}"] [data-name="${CSS.escape(`${found.block.block_id}/${found.element.action_id}`)}"]`] : ["chat", "#messages"];
};
const write = (text) => ({ desk }) => {
  desk.show(desk.direct()?.id);
  desk.look("chat");
  desk.write.fill(text);
};
const label = (proposal, verb = "ask") => words(button(proposal, verb)?.element.text);
const onPhone = ({ card, phone }) => Boolean(card) && phone.path.startsWith(`/requests/${card.name}`) && phone.loads > 0;

/** Where a button leads, or what it would send, as the page's server takes it. */
const click = (conversation, ts, { block, element }, more = {}) => ({
  conversation: conversation.id, ts, block_id: block.block_id, action_id: element.action_id, value: element.value ?? "", ...more,
});

const maya = { me: "maya", phone: "maya", app: true, really: "maya" };

const reset = {
  name: "reset",
  title: "Reset my password",
  about: "As Maya, who can't sign in. Under a minute.",
  steps: [
    {
      as: maya,
      title: "Say it in your own words",
      say: () => "You're Maya, and you can't sign in. Write to Countersign as you would to a colleague: *I forgot my password*.",
      offer: { label: "Write it for me", run: write("I forgot my password") },
      point: () => composer,
      reached: ({ proposal, card }) => Boolean(proposal ?? card),
    },
    {
      as: maya,
      title: "It asks before it does",
      say: ({ proposal }) => `Nothing has happened yet: Countersign proposes, you decide.${proposal ? ` Press *${label(proposal)}*.` : ""}`,
      point: ({ proposal }) => pressing(proposal, "ask"),
      reached: ({ card }) => Boolean(card),
    },
    {
      as: maya,
      title: "Go to your phone",
      needs: true,
      say: () => "The card says who has the next move: you. Press *Open my device page*. Only your registered phone can follow it.",
      point: ({ card }) => pressing(card, "open"),
      reached: (view) => onPhone(view) || view.card?.stands !== "proof",
    },
    {
      as: maya,
      title: "Show that it's you",
      needs: true,
      say: ({ card }) => `The phone says what would change, for whom, and who asked. Further down on it, type the number *${card?.number ?? ""}* and the code that the sign-in app shows at the bottom, then press *Confirm with these*.`,
      point: () => handset,
      reached: ({ card }) => ["choice", "making", "done"].includes(card?.stands),
    },
    {
      as: maya,
      title: "Choose your new password",
      say: () => "The phone knows that it's you. Type a new password there, twice: at least 15 characters, such as *Teal otter quarry kite 7*. Then press *Set this password*.",
      point: () => handset,
      reached: ({ card }) => card?.stands === "done",
    },
  ],
  end: ({ seconds }) => ({
    title: seconds ? `Done in ${seconds} seconds` : "Done",
    say: "Maya signs in with the password she chose. Nobody else ever saw it, and there is nothing to change again.",
    lines: [
      "The chat never held a password or a code.",
      "No colleague had to recognise a voice or ask for a birthday.",
      "Security has one card about it: who, what, which proof, how it ended.",
    ],
  }),
};

const eve = { me: "maya", phone: "eve", app: true, really: "eve" };

const steal = {
  name: "break-in",
  title: "Break in",
  about: "As Eve, who holds Maya's chat, data and a link. Try everything.",
  intro: {
    title: "You are Eve, and you have a lot",
    say: "You want Maya's password. For each attempt you see why it failed, and what security saw of it.",
    holds: [
      ["Her chat", "a session on a laptop she left open"],
      ["Her data", "born 14 March 1991, employee 20417, manager Omar Haddad"],
      ["A link", "to her device page, forwarded by a colleague"],
      ["Slack's secret", "with which presses are signed, found in a backup"],
    ],
    begin: "Begin as Eve",
  },
  steps: [
    {
      as: eve,
      title: "Ask in Maya's name",
      say: ({ proposal }) => (proposal
        ? `It believes that you're Maya. Press *${label(proposal)}*.`
        : "Her chat is yours. Write *I forgot my password*, as Maya would."),
      offer: { label: "Write it for me", run: write("I forgot my password") },
      point: ({ proposal }) => (proposal ? pressing(proposal, "ask") : composer),
      reached: ({ card }) => card?.stands === "proof",
      lesson: "Asking isn't getting",
      why: "Whoever sits at the keyboard may ask. That opens a request and changes nothing: the next move belongs to Maya, on her own registered device, where she reads what is asked, for whom, and from where.",
      unseen: "The request stands in the channel already.",
    },
    {
      as: eve,
      title: "Use the number",
      needs: true,
      say: ({ card }) => `There it is, in the chat: *${card?.number || "six digits"}*. Many a help desk takes that as proof. Tell it to Countersign.`,
      offer: { label: "Write it for me", run: (view) => write(`My number is ${view.card?.number || "482 913"}, confirm it`)(view) },
      point: () => composer,
      reached: ({ answers, wrote }) => wrote && answers.length > 0,
      lesson: "The number is no key",
      why: "The six digits tie what is typed on the registered device to this one request. Chat has nowhere to type them, and nobody at the desk takes them. Without the device they are worth nothing.",
      unseen: "Nothing: a number in a chat is nothing that happened.",
    },
    {
      as: eve,
      title: "Follow the link yourself",
      needs: true,
      say: () => "Press *Open my device page*. The phone beside the chat is your own: it is registered, too, but for Eve.",
      point: ({ card }) => pressing(card, "open"),
      reached: onPhone,
      lesson: "A link carries nothing",
      why: "The address holds no authority. Your browser is registered as Eve's, so the page shows what concerns Eve, and it won't even say whether Maya's request exists. Forwarded to anybody else it is the same.",
      unseen: "Nothing: a page that shows nothing was looked at.",
    },
    {
      as: eve,
      title: "Forge a perfect press",
      needs: true,
      say: () => "With the signing secret you can send a press that no interface offers. Make one up: *Show the password*, on a card that was never posted.",
      offer: {
        label: "Send the forged press",
        run: ({ forge, direct }) => forge("maya", { conversation: direct.id, ts: "1700000000.000100", block_id: "buttons", action_id: "show_secret", value: "c2hvdyBtZSB0aGUgcGFzc3dvcmQ" }),
      },
      point: () => ["chat", "#messages"],
      reached: ({ forged }) => Boolean(forged),
      lesson: "Signed isn't true",
      why: "The signature was perfect and got the press as far as the desk. But each button carries a sealed handle, bound to one request, one person and one conversation, and this one was never made. A password couldn't have come back anyway: no press in a chat can show one.",
      unseen: "Nothing in the channel, since nothing was opened or changed.",
    },
    {
      as: eve,
      title: "Approve it yourself",
      needs: true,
      say: () => "Take a handle that is real, from the *Cancel* button on Maya's card, and send it as *Approve*.",
      offer: {
        label: "Send it as Approve",
        run: ({ forge, direct, card }) => {
          const real = button(card.message, "cancel") ?? button(card.message, "disown");
          return forge("maya", click(direct, card.ts, real, { action_id: "approve" }));
        },
      },
      point: ({ card }) => pressing(card, "cancel"),
      reached: ({ forged }) => Boolean(forged),
      lesson: "Nobody approves themself",
      why: "A handle says which card, never what may be done there. What may be done is decided from the request as it stands: this one waits for Maya's proof, not for consent, nobody can agree to their own request, and whoever can agree does so with a passkey on their own device.",
      unseen: "Nothing in the channel, since nothing was opened or changed.",
    },
    {
      as: eve,
      title: "Press somebody else's card",
      needs: true,
      say: () => "Now from your own account: Eve presses *Cancel* on Maya's card, with Maya's real handle, signed.",
      offer: {
        label: "Press it as Eve",
        run: ({ desk, forge, card }) => {
          const real = button(card.message, "cancel") ?? button(card.message, "disown");
          return forge("eve", click(desk.direct(desk.person("eve")), card.ts, real));
        },
      },
      point: ({ card }) => pressing(card, "cancel"),
      reached: ({ forged }) => Boolean(forged),
      lesson: "Handles have owners",
      why: "The handle was sealed for Maya's account in Maya's conversation. From anybody else it opens nothing, so Eve can't even stop what Maya asked for.",
      unseen: "Nothing in the channel, since nothing was opened or changed.",
    },
    {
      as: eve,
      title: "Replay an old press",
      needs: true,
      say: () => "You recorded the press that opened this request. Send it once more, unchanged.",
      offer: { label: "Send it again", run: ({ forge, kept }) => forge("maya", kept.press) },
      possible: ({ kept }) => Boolean(kept.press),
      point: () => ["chat", "#messages"],
      reached: ({ forged }) => Boolean(forged),
      lesson: "Once is once",
      why: "Every delivery is a row before it is anything else, and what it opened is open already. The same press a second time finds it, and makes no second request.",
      unseen: "Nothing new: it is still the one card from before.",
    },
    {
      as: { me: "maya", phone: "maya", app: false, really: "eve", next: ({ card }) => (card ? `/requests/${card.name}` : "/") },
      title: "Guess the code",
      needs: true,
      say: ({ card }) => `Luck: Maya's phone lies on her desk, unlocked. You have the number, *${card?.number || "in the chat"}*; her sign-in app has a lock of its own. Type the number and guess the code, five times.`,
      point: () => handset,
      reached: ({ card }) => card?.stands === "locked",
      lesson: "Five guesses, then alarm",
      why: "Even the registered device isn't enough alone. A code is good for half a minute, a guess is right once in half a million, and the fifth wrong one closes the request, tells Maya and alarms security.",
      unseen: "The alarm is on its way.",
    },
    {
      as: { me: "ravi", phone: "ravi", app: true, really: "ravi" },
      title: "Talk the desk into it",
      say: ({ proposal, modal }) => {
        if (modal) return "Write *Maya Lindqvist* where it asks whom it is for, and send the form.";
        if (proposal) return `You want to help. Press *${label(proposal, "ask_form") || label(proposal, "ask")}*.`;
        return "Change sides: you're Ravi, the desk agent, and Eve is on the line. _“Maya Lindqvist, born 14 March 1991, employee 20417. My phone is broken and I'm late, so just give me a password!”_ Try to help her.";
      },
      offer: { label: "Write it for me", run: write("Somebody forgot their password") },
      point: ({ proposal, modal }) => (modal ? ["chat", ".modal-body input"] : proposal ? pressing(proposal, button(proposal, "ask_form") ? "ask_form" : "ask") : composer),
      reached: ({ news, of, wrote, answers, proposal }) =>
        news("maya").some((card) => card.stands === "proof") || (wrote && answers.length > 0 && !proposal && of("maya").some((card) => card.open)),
      lesson: "The desk can't be talked over",
      why: "Ravi can ask for Maya and no more. There is no question about birthdays he could tick off, and no button with which he could give out a password. What he asks goes to Maya's registered device, and he only sees whether she confirmed.",
      unseen: "The request stands in the channel already.",
    },
    {
      as: { ...maya, next: ({ of }) => `/requests/${of("maya").findLast((card) => card.open)?.name ?? ""}` },
      title: "Now be Maya, for one press",
      possible: ({ of }) => of("maya").some((card) => card.open),
      say: () => "Your phone shows a reset that you never asked for. Press *I didn't ask for this*, and then *Stop it and tell security*.",
      point: () => handset,
      reached: ({ news }) => news("maya").some((card) => card.stands === "disowned"),
      verdict: "It is stopped",
      lesson: "One press is enough",
      why: "The dangerous answer is as easy to press as the other. It closes the request for good, changes nothing, and calls security, who know by now which account to look at.",
      unseen: "The alarm is on its way.",
    },
  ],
  end: (kept, results) => ({
    title: "Eve goes home with nothing",
    say: "She had the chat, the data, the link, the signing secret, in the end even the phone. What she never had is what counts: Maya herself, on her own device.",
    lines: [
      `${results.length} attempts, and Maya's password is the one she had.`,
      `Security saw ${results.filter(({ saw }) => saw).length} of them, ${results.filter(({ saw }) => saw.includes("▲")).length} as an alarm. The others came to nothing that could be seen.`,
    ],
  }),
};

export const TOURS = [reset, steal];
