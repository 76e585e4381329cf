// The phone: the device page in a frame, and what the sign-in app shows beneath.

import { h, icon, put, svg } from "./dom.js";
import { cards } from "./reading.js";

const STEP = 30; // seconds a code lasts
const ROUND = 2 * Math.PI * 9;
const $ = (id) => document.getElementById(id);

export class Phone {
  path = "/"; // the last address it was sent to
  loads = 0; // how many pages it has shown
  #desk;
  #code = { person: "", code: "", seconds: 0, at: 0 };
  #asking = false;
  #sent = false;
  #handed = true; // the page that hands the phone's key over has been there
  #since = 0; // pages since it was last sent somewhere: one, unless the visitor went on from there
  #waiting = ""; // the requests its holder knows to be open

  constructor(desk) {
    this.#desk = desk;
    $("screen").addEventListener("load", () => {
      if (!this.#sent) return;
      if (!this.#handed) return void (this.#handed = true);
      this.loads += 1;
      this.#since += 1;
      desk.changed();
    });
    document.addEventListener("click", (event) => this.#caught(event));
    setInterval(() => this.#tick(), 1000);
  }

  /** Put somebody's phone into this browser, open at `next`. */
  take(holder, next = "/") {
    this.#waiting = this.#open(holder);
    this.#send(holder, next);
    this.#code = { person: "", code: "", seconds: 0, at: 0 };
    this.#tick();
  }

  #send(holder, next) {
    this.path = next;
    this.#sent = true;
    this.#handed = false;
    this.#since = 0;
    const action = `${this.#desk.settings.device_page}/demo/be/${encodeURIComponent(holder.person)}?next=${encodeURIComponent(next)}`;
    const form = h("form", { method: "post", action, target: "phone", hidden: true });
    document.body.append(form);
    form.submit();
    form.remove();
  }

  /** Open one of Countersign's own pages on the phone. */
  open(path) {
    this.#send(this.#desk.holder, path);
    this.#desk.look("phone");
  }

  #open(holder) {
    return cards(this.#desk.direct(holder)).filter((card) => card.open).map((card) => card.name + card.stands).join();
  }

  /** A phone tells its holder what is new: where its first page is shown still, that page is shown again. */
  #buzz(holder) {
    const waiting = this.#open(holder);
    if (waiting === this.#waiting) return;
    this.#waiting = waiting;
    if (this.path === "/" && this.#since === 1) this.#send(holder, "/");
  }

  /** A link of the chat that leads to the device page opens here, unless a window of its own was asked for. */
  #caught(event) {
    const anchor = event.target.closest?.("a[href]");
    if (!anchor || anchor.id === "own-window" || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const path = this.#desk.onPhone(anchor.href);
    if (path === null) return;
    event.preventDefault();
    this.open(path);
  }

  // -- the sign-in app

  async #tick() {
    const { holder, app, settings } = this.#desk;
    if (!holder || !app || document.hidden) return;
    const code = this.#code;
    const left = code.seconds - (performance.now() - code.at) / 1000;
    if (code.person === holder.person && left > 0) return this.#ring(left);
    if (this.#asking) return;
    this.#asking = true;
    try {
      const response = await fetch(`${settings.device_page}/demo/code/${encodeURIComponent(holder.person)}`, { credentials: "omit", cache: "no-store" });
      const { code: shown, seconds } = await response.json();
      this.#code = { person: holder.person, code: String(shown), seconds: Number(seconds) || 1, at: performance.now() };
    } catch {
      this.#code = { person: holder.person, code: "", seconds: 3, at: performance.now() };
    }
    this.#asking = false;
    this.render();
  }

  #ring(left) {
    $("ring-part")?.setAttribute("stroke-dashoffset", String(ROUND * (1 - left / STEP)));
    if ($("ring-left")) $("ring-left").textContent = `${Math.ceil(left)} s`;
    $("app").classList.toggle("soon", left < 6);
  }

  render() {
    const { holder, app, settings, first } = this.#desk;
    if (!holder) return;
    this.#buzz(holder);
    const { me, really } = this.#desk;
    const title = `${first(holder)}'s ${me !== really && holder === really ? "own " : ""}phone`;
    if ($("phone-title").textContent !== title) {
      $("phone-title").textContent = title;
      $("screen").title = `${title}: the device page`;
    }
    $("own-window").href = settings.device_page + this.path;
    const { code, person } = this.#code;
    const look = JSON.stringify([holder.person, app, code, person]);
    if ($("app").dataset.look === look) return;
    $("app").dataset.look = look;
    const held = $("app").contains(document.activeElement);
    put($("app"), ...this.#app(holder, app, person === holder.person ? code : ""));
    if (held) $("copy")?.focus();
    this.#ring(Math.max(0, this.#code.seconds - (performance.now() - this.#code.at) / 1000));
  }

  #app(holder, app, code) {
    const whose = this.#desk.first(holder);
    if (!app) return [h("p", { class: "app-name" }, `${whose}'s sign-in app is locked. It opens with a fingerprint that isn't here.`)];
    const shown = code ? `${code.slice(0, 3)} ${code.slice(3)}` : "··· ···";
    const ring = svg("svg", { class: "ring", viewBox: "0 0 24 24", "aria-hidden": "true" },
      svg("circle", { cx: 12, cy: 12, r: 9, class: "ring-whole" }),
      svg("circle", { cx: 12, cy: 12, r: 9, class: "ring-part", id: "ring-part", "stroke-dasharray": ROUND, transform: "rotate(-90 12 12)" }));
    const copied = h("span", { role: "status" }, "Copy");
    const copy = async () => {
      await navigator.clipboard.writeText(code).then(() => (copied.textContent = "Copied"), () => (copied.textContent = "Select it"));
    };
    return [
      h("p", { class: "app-name" }, `${whose}'s sign-in app`),
      h("div", { class: "app-row" },
        h("output", { class: "code", id: "code", "aria-label": code ? `Code ${[...code].join(" ")}` : "No code yet" }, shown),
        h("span", { class: "left-over" }, ring, h("span", { id: "ring-left", class: "quiet" }, "")),
        h("button", { type: "button", class: "press", id: "copy", disabled: !code, "aria-label": "Copy the code", on: { click: copy } }, icon("copy"), copied)),
    ];
  }
}
