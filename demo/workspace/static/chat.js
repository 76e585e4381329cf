// The chat client: conversations, their messages, the Home tab of the app.

import { composer } from "./composer.js";
import { h, hush, keyed, put } from "./dom.js";
import { home } from "./home.js";
import { face, news, show } from "./messages.js";

export const UNREACHED = "The workspace isn't reachable. This page tries again by itself.";

const $ = (id) => document.getElementById(id);

export function chat(desk) {
  const stream = $("stream");
  const write = composer(desk, $("composer"));
  const tab = home(desk, $("home"));
  let shown = ""; // which conversation of which person stands there now
  let heard = new Map();

  function render() {
    if (!desk.me) return;
    const { state, conversation } = desk;
    const atHome = desk.open === "home";
    talks(desk);
    title(desk, conversation, atHome);
    const where = `${desk.me.user} ${atHome ? "home" : conversation?.id}`;
    const arrived = where !== shown;
    const low = arrived || stream.scrollHeight - stream.scrollTop - stream.clientHeight < 48;
    if (arrived) {
      $("messages").replaceChildren();
      heard = new Map();
    }
    $("home").hidden = !atHome;
    $("messages").hidden = atHome;
    if (atHome) tab.render();
    else show(desk, $("messages"), conversation);
    $("nothing").hidden = atHome || Boolean(conversation?.messages.length);
    emptiness(desk, conversation, state, write);
    write.render(conversation, atHome);
    const told = atHome ? "" : news(heard, conversation, desk.me.user);
    if (told && !arrived) desk.announce(told);
    if (arrived && atHome) stream.scrollTop = 0;
    else if (low && !atHome) stream.scrollTop = conversation?.messages.length ? stream.scrollHeight : 0;
    shown = state ? where : "";
    const notice = desk.notice || state?.notice || (desk.live(desk.me).lost ? "The connection was lost. It comes back by itself." : "");
    $("notice").hidden = !notice;
    if ($("notice").textContent !== notice) $("notice").textContent = notice;
    if (conversation?.unread && !document.hidden) void desk.act("read", { conversation: conversation.id });
  }

  return { render, write };
}

const STARTS = ["I forgot my password", "My account is locked", "What can I ask for?"];

/** What stands where nothing was said yet: how to begin. */
function emptiness(desk, conversation, state, write) {
  const kind = state ? conversation?.kind ?? "" : desk.live(desk.me).lost ? "lost" : "opening";
  const place = $("nothing");
  if (place.dataset.kind === kind) return;
  place.dataset.kind = kind;
  const { name, user } = desk.settings.app;
  const words = { lost: UNREACHED, opening: "Opening the workspace…" }[kind] ?? "Nothing said here yet. What people and apps write appears here.";
  if (kind !== "im") return void put(place, h("p", { class: "empty" }, words));
  put(place, h("div", { class: "begin" }, face(desk, user, name, true), h("strong", null, `This is where you talk with ${name}`),
    h("p", null, "Say in your own words what you need. It proposes, you confirm, and nothing changes before you have proved that it's you."),
    h("div", { class: "row" }, STARTS.map((each) => h("button", { type: "button", class: "press", on: { click: () => write.fill(each) } }, each)))));
}

function title(desk, conversation, atHome) {
  const direct = atHome || conversation?.kind === "im";
  const name = direct ? desk.settings.app.name : conversation?.name ?? "";
  const heading = $("chat-title");
  const key = `${direct} ${name}`;
  if (heading.dataset.key !== key) {
    heading.dataset.key = key;
    if (direct) put(heading, h("img", { src: "/static/icon.svg", alt: "", width: 24, height: 24, class: "face small" }), name, h("span", { class: "badge" }, "App"));
    else put(heading, h("span", { class: "sign", "aria-hidden": "true" }, "#"), name);
  }
  const pages = $("pages");
  pages.hidden = !direct;
  const items = [{ id: "home", label: "Home", on: atHome }, { id: "messages", label: "Messages", on: !atHome }];
  keyed(pages, items, ({ id }) => id, ({ id, label, on }) => {
    const go = () => desk.show(id === "home" ? "home" : desk.direct()?.id);
    return h("button", { type: "button", class: "page", "aria-pressed": String(on), data: { name: id }, on: { click: go } }, label);
  });
}

function talks(desk) {
  const direct = desk.direct();
  const current = desk.open === "home" ? direct?.id : desk.conversation?.id;
  const items = (desk.state?.conversations ?? []).map(({ id, kind, name, unread }) => ({ id, kind, name, unread, here: id === current }));
  keyed($("talks"), items, ({ id }) => id, ({ id, kind, name, unread, here }) => {
    const sign = kind === "im" ? face(desk, desk.settings.app.user, name, true) : h("span", { class: "sign", "aria-hidden": "true" }, "#");
    const dot = unread > 0 && !here && h("span", { class: "dot" }, String(unread), hush(unread === 1 ? " new message" : " new messages"));
    const go = () => {
      desk.show(id);
      desk.look("chat");
    };
    return h("li", null, h("button", { type: "button", class: "talk", "aria-current": here ? "true" : null, data: { name: id }, on: { click: go } }, sign, h("span", { class: "talk-name" }, name), dot));
  });
}

