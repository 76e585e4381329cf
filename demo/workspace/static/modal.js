// A modal: the app's form. What was typed survives a new drawing; the first wrong field gets the focus.

import { draw } from "./blocks.js";
import { fresh, h, icon, put } from "./dom.js";
import { words } from "./mrkdwn.js";

const MISSING = "This is needed. Fill it in, then try again.";

export function modal(desk) {
  const title = fresh("modal");
  const dialog = h("dialog", { class: "modal", "aria-labelledby": title });
  const trouble = h("p", { class: "notice", role: "alert", hidden: true });
  document.body.append(dialog);
  let shown = null; // {key, look, errors} of what is drawn
  let fields = new Map();

  function render() {
    const now = desk.state?.modal;
    if (!now) {
      if (dialog.open) dialog.close();
      shown = null;
      return;
    }
    const key = `${desk.me.user} ${now.id}`;
    const look = JSON.stringify(now.view);
    const errors = JSON.stringify(now.errors ?? {});
    if (shown?.key !== key) fields = new Map();
    if (shown?.key !== key || shown.look !== look) drawn(now);
    if (!dialog.open) {
      dialog.showModal();
      first()?.focus();
    }
    if (shown?.key !== key || shown.errors !== errors) point(now.errors ?? {});
    shown = { key, look, errors };
    busy(Boolean(desk.state.busy));
  }

  const first = () => dialog.querySelector(".modal-body :is(input, textarea, select, button, a)") ?? dialog.querySelector("button");

  function drawn({ id, view, errors }) {
    const before = new Map([...fields].map(([block, field]) => [`${block}/${field.action}`, field.read()]));
    const focused = dialog.contains(document.activeElement) && document.activeElement.dataset.name;
    fields = new Map();
    const site = {
      names: desk.names,
      press: (block, element, extra) => told(desk.press({ view: id }, block, element, extra)),
      fields,
      errors,
      kept: (block, action) => before.get(`${block}/${action}`) ?? undefined,
    };
    const close = () => void told(desk.act("close", { modal: id }));
    const away = h("button", { type: "button", class: "round", "aria-label": "Close", on: { click: close } }, icon("close"));
    const later = h("button", { type: "button", class: "press", data: { name: "close" }, on: { click: close } }, words(view.close) || "Cancel");
    const submit = view.submit && h("button", { type: "submit", class: "press primary", data: { name: "submit" } }, words(view.submit));
    trouble.hidden = true;
    put(dialog, h("form", { novalidate: true, on: { submit: (event) => send(event, id) } },
      h("header", { class: "modal-top" }, h("h2", { id: title }, words(view.title)), away),
      h("div", { class: "modal-body" }, draw(view.blocks, site), trouble),
      h("footer", { class: "row end modal-foot" }, later, submit)));
    dialog.oncancel = (event) => {
      event.preventDefault();
      close();
    };
    if (focused) [...dialog.querySelectorAll("[data-name]")].find((each) => each.dataset.name === focused)?.focus();
  }

  /** Say what is wrong at each field, and go to the first. */
  function point(errors) {
    let wrong = null;
    for (const [block, field] of fields) {
      field.say(errors[block] ?? "");
      if (errors[block]) wrong ??= field;
    }
    wrong?.focus();
  }

  async function send(event, id) {
    event.preventDefault();
    if (dialog.getAttribute("aria-busy") === "true") return;
    const missing = [...fields].filter(([, field]) => !field.optional && field.empty());
    point(Object.fromEntries(missing.map(([block]) => [block, MISSING])));
    if (missing.length) return;
    const values = Object.fromEntries([...fields].map(([block, field]) => [block, { [field.action]: field.read() }]));
    if (shown) shown.errors = "{}"; // the same errors again are news
    busy(true);
    await told(desk.act("submit", { modal: id, values }));
    busy(Boolean(desk.state?.busy));
  }

  /** What went wrong is told inside: the rest of the page can't be read while this is open. */
  async function told(doing) {
    const answer = await doing;
    trouble.hidden = answer.ok;
    trouble.textContent = answer.ok ? "" : answer.error;
    return answer;
  }

  function busy(is) {
    dialog.setAttribute("aria-busy", String(is));
    const submit = dialog.querySelector('[data-name="submit"]');
    if (is) submit?.setAttribute("aria-busy", "true");
    else submit?.removeAttribute("aria-busy");
  }

  return { render };
}
