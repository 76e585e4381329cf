// What the workspace knows, as each person sees it, and how the page asks it for something.
//
//   GET  /page/people        [{person, user, name, about}]: short names and user ids, in the order they are offered
//   GET  /page/settings      {device_page: an origin, app: {user, name}}
//   WS   /page/live?as=USER  {type: "state", conversations, home, modal, busy, notice, commands, shortcuts} at once and
//                            after every change:
//          conversations     [{id, kind: "im" | "channel", name, unread, messages}], the im named as its app is;
//                            a message: {ts, user, name, app, edited, ephemeral, text, blocks}
//          home, modal       {blocks} and {id, view, errors: {block_id: sentence}}, or null
//          busy              how many answers of the app this person waits for
//          notice            what went wrong last, as a sentence, or empty
//          commands          [{command, hint, description}]          shortcuts  [{callback_id, name, type}]
//   POST /page/act           {as, kind, …} → {ok: true} | {ok: false, error: a sentence}; the kinds and what they bring:
//          message, command  conversation, text               home      nothing: the Home tab is looked at
//          press             block_id, action_id, value?, selected?, and conversation + ts or view (an id, or "home")
//          submit            modal, values: {block_id: {action_id: value}}       close  modal
//          shortcut          callback_id                      message_shortcut  callback_id, conversation, ts
//          read              conversation
//   POST /page/forge         {as, conversation, ts, block_id, action_id, value}: a press that nobody was offered, signed
//                            as if it came from the chat → the same answers; ok once the app has acknowledged it
//
// And from the device page, for this page's origin alone:
//   GET  /demo/code/PERSON   {code, seconds}: what their sign-in app shows, and how long still
//   POST /demo/be/PERSON     ?next=PATH: the browser becomes theirs and goes there (a form, in the phone's frame)

const LOST = "The workspace can't be reached just now, so nothing was sent. Try again in a moment.";

/** One person's view of the workspace, kept in step over a WebSocket that comes back by itself. */
export class Live {
  state = null;
  lost = false;
  #told = new Set();
  #tries = 0;
  #waiting = 0;

  constructor(user) {
    this.user = user;
    this.#open();
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  /** Call `told` now, if there is a state, and after every change. */
  follow(told) {
    this.#told.add(told);
    if (this.state) told(this);
  }

  #tell() {
    for (const told of this.#told) told(this);
  }

  #open() {
    this.#waiting = 0;
    const url = new URL(`/page/live?as=${encodeURIComponent(this.user)}`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    socket.addEventListener("message", ({ data }) => {
      const heard = JSON.parse(data);
      if (heard.type !== "state") return;
      this.#tries = 0;
      this.lost = false;
      this.state = heard;
      this.#tell();
    });
    socket.addEventListener("close", () => {
      this.lost = true;
      this.#tell();
      this.#waiting = setTimeout(() => this.#open(), Math.min(8000, 300 * 2 ** this.#tries));
      this.#tries += 1;
    });
  }

  #hurry() {
    if (!this.#waiting) return;
    clearTimeout(this.#waiting);
    this.#open();
  }
}

const lives = new Map();

/** The one Live of this person. */
export function live(user) {
  if (!lives.has(user)) lives.set(user, new Live(user));
  return lives.get(user);
}

/** What GET answers as JSON. Rejects when there is none. */
export async function read(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}

async function post(path, body) {
  try {
    const headers = { "Content-Type": "application/json", Accept: "application/json" };
    const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    const answer = await response.json();
    return typeof answer.ok === "boolean" ? answer : { ok: false, error: LOST };
  } catch {
    return { ok: false, error: LOST };
  }
}

/** Do as this person does. Gives {ok: true}, or {ok: false, error: a sentence}. */
export const act = (user, kind, more = {}) => post("/page/act", { as: user, kind, ...more });

/** Send a click that no interface offers, signed as if it came from the chat. For the break-in tour. */
export const forge = (user, click) => post("/page/forge", { as: user, ...click });
