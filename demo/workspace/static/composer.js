// Where people write: messages, commands with suggestions, and the app's shortcuts.

import { h, icon, put } from "./dom.js";
import { popup } from "./menu.js";

export function composer(desk, form) {
  const area = h("textarea", { id: "words", rows: 1, "aria-label": "Message", "aria-haspopup": "listbox", "aria-controls": "suggestions", "aria-autocomplete": "list", maxlength: 4000 });
  const list = h("ul", { id: "suggestions", class: "suggestions", role: "listbox", "aria-label": "Commands", hidden: true });
  const bolt = h("button", { type: "button", class: "round", id: "bolt", "aria-label": "Shortcuts", title: "Shortcuts" }, icon("bolt"));
  const sends = h("button", { type: "submit", class: "send", "aria-label": "Send", title: "Send" }, icon("send"));
  put(form, list, h("div", { class: "writing" }, bolt, area, sends));
  let place = null;
  let key = ""; // whose words, and to which conversation
  let chosen = -1;
  const drafts = new Map();

  popup(bolt, () => [
    ...(desk.state?.shortcuts ?? []).filter((each) => each.type === "global").map(({ callback_id, name }) => ({
      label: name, hint: desk.settings.app.name, run: () => desk.act("shortcut", { callback_id }),
    })),
    ...(desk.state?.commands ?? []).map(({ command, description }) => ({ label: command, hint: description, run: () => fill(`${command} `) })),
  ]);

  function suggested() {
    const typed = area.value;
    if (!typed.startsWith("/") || typed.includes("\n") || typed.includes(" ")) return [];
    return (desk.state?.commands ?? []).filter(({ command }) => command.startsWith(typed));
  }

  function suggest() {
    const found = suggested();
    chosen = found.length ? Math.min(Math.max(chosen, 0), found.length - 1) : -1;
    list.hidden = !found.length;
    put(list, found.map(({ command, hint, description }, at) => h("li", {
      role: "option", id: `suggestion-${at}`, "aria-selected": String(at === chosen),
      on: { mousedown: (event) => event.preventDefault(), click: () => fill(`${command} `) },
    }, h("strong", null, command), hint && h("span", { class: "quiet" }, ` ${hint}`), h("span", { class: "hint" }, description))));
    if (chosen < 0) area.removeAttribute("aria-activedescendant");
    else area.setAttribute("aria-activedescendant", `suggestion-${chosen}`);
  }

  function grow() {
    area.style.setProperty("height", "auto");
    area.style.setProperty("height", `${Math.min(area.scrollHeight, 160)}px`);
    sends.disabled = !area.value.trim();
  }

  /** Put words into the box, ready to be sent. */
  function fill(text) {
    area.value = text;
    area.focus();
    chosen = 0;
    suggest();
    grow();
    drafts.set(key, text);
  }

  async function send() {
    const text = area.value.trim();
    if (!text || !place) return;
    const from = key;
    fill("");
    const answer = await desk.act(text.startsWith("/") ? "command" : "message", { conversation: place.id, text });
    if (answer.ok) return;
    if (key === from && !area.value) fill(text); // nothing that was typed is lost
    else if (!drafts.get(from)) drafts.set(from, text);
  }

  area.addEventListener("input", () => {
    chosen = 0;
    drafts.set(key, area.value);
    suggest();
    grow();
  });
  area.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const found = suggested();
    if (found.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : -1) + found.length) % found.length;
      suggest();
    } else if (found.length && (event.key === "Tab" || event.key === "Enter") && found[chosen].command !== area.value) {
      event.preventDefault();
      fill(`${found[chosen].command} `);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      list.hidden = true;
      area.removeAttribute("aria-activedescendant");
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      void send();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void send();
  });

  return {
    fill,
    render(conversation, away) {
      form.hidden = away;
      place = conversation;
      const now = `${desk.me.user} ${place?.id}`;
      if (key !== now) {
        key = now;
        area.value = drafts.get(key) ?? "";
        suggest();
        grow();
      }
      const to = conversation?.kind === "im" ? conversation.name : `#${conversation?.name ?? ""}`;
      area.setAttribute("aria-label", `Message to ${to}`);
      area.placeholder = `Message ${to}`;
    },
  };
}
