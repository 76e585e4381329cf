// A menu that opens from a button: arrow keys move, Escape closes, the focus comes back.

import { fresh, h } from "./dom.js";

/** Let `button` open a menu of what `items()` gives then: [{label, hint, href, run}]. */
export function popup(button, items, empty = "There is nothing to choose here yet.") {
  button.setAttribute("aria-haspopup", "menu");
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => open(button, items(), empty));
  button.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    open(button, items(), empty);
  });
}

function open(button, items, empty) {
  if (button.getAttribute("aria-expanded") === "true") return;
  const menu = h("div", { class: "menu", role: "menu", id: fresh("menu"), popover: "auto", "aria-label": button.getAttribute("aria-label") ?? button.textContent });
  const close = () => menu.isConnected && menu.hidePopover();
  for (const { label, hint, href, run } of items) {
    const act = () => {
      close();
      run?.();
    };
    const inner = [h("span", { class: "label" }, label), hint && h("span", { class: "hint" }, hint)];
    const common = { role: "menuitem", tabindex: -1, on: { click: act } };
    menu.append(href ? h("a", { ...common, href, target: "_blank", rel: "noopener noreferrer" }, inner) : h("button", { ...common, type: "button" }, inner));
  }
  if (!items.length) menu.append(h("p", { class: "hint" }, empty));
  menu.addEventListener("keydown", (event) => step(menu, event, close));
  menu.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    button.setAttribute("aria-expanded", "false");
    const inside = menu.contains(document.activeElement) || document.activeElement === document.body;
    menu.remove();
    if (inside && button.isConnected) button.focus();
  });
  // In the dialog that holds the button, if one does: what is outside of an open dialog can't be reached.
  (button.closest("dialog") ?? document.body).append(menu);
  menu.showPopover();
  button.setAttribute("aria-expanded", "true");
  place(menu, button);
  menu.querySelector('[role="menuitem"]')?.focus();
}

function place(menu, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = at.bottom + 6 + height <= innerHeight;
  menu.style.setProperty("left", `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`);
  menu.style.setProperty("top", `${Math.max(8, below ? at.bottom + 6 : at.top - 6 - height)}px`);
}

function step(menu, event, close) {
  const all = [...menu.querySelectorAll('[role="menuitem"]')];
  const at = all.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (event.key === "Tab") close();
  if (to === undefined || !all.length) return;
  event.preventDefault();
  all.at((to + all.length) % all.length).focus();
}
