// The small question before something that can't be taken back.

import { fresh, h } from "./dom.js";
import { drawn, words } from "./mrkdwn.js";

/** Show Block Kit's confirmation object; true if the reader agrees. */
export function confirmed(confirm, names) {
  const title = fresh("question");
  return new Promise((resolve) => {
    const yes = h("button", { type: "submit", class: `press ${confirm.style === "danger" ? "danger sure" : "primary"}`, value: "yes" }, words(confirm.confirm) || "Yes");
    const no = h("button", { type: "submit", class: "press", value: "no" }, words(confirm.deny) || "No");
    const dialog = h("dialog", { class: "question", "aria-labelledby": title, "aria-describedby": `${title}-text` },
      h("form", { method: "dialog" },
        h("h2", { id: title }, words(confirm.title) || "Are you sure?"),
        h("p", { class: "text", id: `${title}-text` }, drawn(confirm.text, names)),
        h("div", { class: "row end" }, no, yes)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}
