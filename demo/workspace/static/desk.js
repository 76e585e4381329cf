// Who is being played, what is open, and what every part of the page may ask for.

import { act, live, read } from "./state.js";

const KEPT = "countersign-workspace";

/** The one desk at which all parts of the page sit. `changed` follows every change, theirs and the server's. */
export class Desk {
  people = [];
  settings = null;
  names = { users: {}, channels: {} };
  me = null; // whose chat session this is
  really = null; // who sits there
  holder = null; // whose phone this is
  app = true; // whether that person's sign-in app can be opened
  open = "home"; // the conversation that is read, or "home"
  pane = "chat"; // what a narrow screen shows
  wanted = null; // the pane in which the next step of a tour is
  notice = "";
  #followers = new Set();

  /** Everybody in the company, and where the device page is. Rejects while the server isn't there. */
  async arrive() {
    [this.people, this.settings] = await Promise.all([read("/page/people"), read("/page/settings")]);
    this.settings.device_page = this.settings.device_page.replace(/\/$/, "");
    this.names.users = Object.fromEntries(this.people.map((each) => [each.user, each.name]));
    this.names.users[this.settings.app.user] = this.settings.app.name;
    for (const person of this.people) live(person.user).follow(() => this.#heard(person));
  }

  #heard(person) {
    for (const each of this.live(person).state?.conversations ?? []) {
      if (each.kind === "channel") this.names.channels[each.id] = each.name;
    }
    this.changed();
  }

  follow(told) {
    this.#followers.add(told);
  }

  changed() {
    for (const told of this.#followers) told();
  }

  // -- people

  person = (short) => this.people.find((each) => each.person === short) ?? null;
  live = (person) => live(person.user);
  first = (person) => person.name.split(" ")[0];

  /** Be somebody: their chat, and their phone unless another one is named. */
  play(short, { phone = short, app = true, really = phone, next = "/" } = {}) {
    const [me, holder, sits] = [short, phone, really].map(this.person);
    if (!me || !holder || !sits) return;
    const moved = this.me !== me;
    const taken = this.holder !== holder;
    Object.assign(this, { me, holder, app, really: sits, notice: "" });
    if (moved) {
      this.open = this.direct()?.id ?? "direct";
      this.announce("");
    }
    if (taken || next !== "/") this.phone?.take(holder, next);
    this.#keep();
    this.changed();
  }

  /** Whoever was played before this page was loaded again. */
  kept() {
    try {
      return JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
    } catch {
      return {};
    }
  }

  #keep() {
    const { me, holder, app, really } = this;
    sessionStorage.setItem(KEPT, JSON.stringify({ me: me.person, phone: holder.person, app, really: really.person }));
  }

  // -- what is open

  get state() {
    return this.me ? this.live(this.me).state : null;
  }

  /** The direct conversation with the app, as this person (or the one played) sees it. */
  direct = (person = this.me) => (person && this.live(person).state?.conversations.find((each) => each.kind === "im")) ?? null;

  get conversation() {
    const all = this.state?.conversations ?? [];
    return this.open === "home" ? null : all.find((each) => each.id === this.open) ?? this.direct();
  }

  /** The channel #security, seen with the eyes of somebody who is in it. */
  get security() {
    for (const person of [this.person("sam"), this.person("nina"), ...this.people]) {
      const found = person && this.live(person).state?.conversations.find((each) => each.name === "security");
      if (found) return found;
    }
    return null;
  }

  show(open) {
    this.open = open;
    this.notice = "";
    if (open === "home") void this.act("home");
    this.changed();
  }

  look(pane) {
    this.pane = pane;
    document.body.dataset.pane = pane;
    this.changed();
  }

  // -- doing

  /** Do as the person played does. What went wrong is told as a sentence. Gives the answer. */
  async act(kind, more) {
    const answer = await act(this.me.user, kind, more);
    this.notice = answer.ok ? "" : answer.error || "That didn't work, and nothing was changed. Try again.";
    this.changed();
    return answer;
  }

  /** A press on a message, on the Home tab or in a modal. */
  press(where, block, element, extra = {}) {
    return this.act("press", { ...where, block_id: block.block_id, action_id: element.action_id, ...extra });
  }

  /** The address of one of Countersign's own pages as a path on the phone; null for any other address. */
  onPhone(href) {
    try {
      const url = new URL(href);
      return url.origin === new URL(this.settings.device_page).origin ? url.pathname + url.search + url.hash : null;
    } catch {
      return null;
    }
  }

  /** Say something to screen readers. */
  announce(sentence) {
    document.getElementById("announce").textContent = sentence;
  }
}
