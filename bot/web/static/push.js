// The switch for notifications on this device. Nothing asks for the permission but a press of the button.
"use strict";

(() => {
  const box = document.querySelector("[data-push]");
  if (!box) return;
  const token = document.querySelector('meta[name="csrf"]').content;
  const told = box.querySelector("[data-push-told]");
  const able = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

  const SENTENCES = {
    lost: "The connection was lost, so nothing was changed here. Check it and try again.",
    service: "This browser's push service didn't take it. Check the connection and try again, or use another browser.",
    unknown: "That didn't work, and nothing was changed. Reload this page and try again.",
  };

  function show(state, focus) {
    for (const each of box.querySelectorAll("[data-state]")) each.hidden = each.dataset.state !== state;
    box.dataset.shown = state;
    const button = focus && box.querySelector(`[data-state="${state}"] button`);
    if (button) button.focus();
  }

  function tell(sentence) {
    told.textContent = sentence;
    told.hidden = !sentence;
    if (sentence) told.focus();
  }

  async function post(url, given) {
    const body = JSON.stringify(given);
    const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": token, "X-Proof": await window.browserKey.sign("POST", url, body) };
    const sent = { method: "POST", credentials: "same-origin", cache: "no-store", redirect: "error", headers, body };
    const answer = await fetch(url, sent).catch(() => {
      throw Object.assign(new Error(), { sentence: SENTENCES.lost });
    });
    if (answer.ok) return;
    const said = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(), { sentence: said.error || SENTENCES.unknown });
  }

  const key = () => {
    const text = box.dataset.push;
    const padded = text.replace(/-/g, "+").replace(/_/g, "/").padEnd(Math.ceil(text.length / 4) * 4, "=");
    return Uint8Array.from(atob(padded), (letter) => letter.charCodeAt(0));
  };

  const subscribed = async () => {
    const registration = await navigator.serviceWorker.getRegistration("/");
    return registration ? registration.pushManager.getSubscription() : null;
  };

  async function start() {
    if ((await Notification.requestPermission()) !== "granted") {
      return show(Notification.permission === "denied" ? "blocked" : "off", true);
    }
    await navigator.serviceWorker.register("/worker.js");
    const { pushManager } = await navigator.serviceWorker.ready;
    const old = await pushManager.getSubscription();
    if (old) await old.unsubscribe(); // the server doesn't know it, or it is bound to another key
    const wanted = { userVisibleOnly: true, applicationServerKey: key() };
    const subscription = await pushManager.subscribe(wanted).catch(() => {
      throw Object.assign(new Error(), { sentence: SENTENCES.service });
    });
    await post("/push", subscription.toJSON());
    return show("on", true);
  }

  async function stop() {
    await post("/push/stop", {});
    const subscription = await subscribed();
    if (subscription) await subscription.unsubscribe().catch(() => {}); // the server sends nothing there any more
    show("off", true);
  }

  const acts = { start, stop };
  for (const button of box.querySelectorAll("[data-press]")) {
    button.addEventListener("click", async () => {
      button.disabled = true;
      button.setAttribute("aria-busy", "true");
      tell("");
      try {
        await acts[button.dataset.press]();
      } catch (error) {
        tell(error.sentence || SENTENCES.unknown);
      } finally {
        button.disabled = false;
        button.removeAttribute("aria-busy");
      }
    });
  }

  // What the server knows counts only while this browser has its part of it.
  async function look() {
    if (!able) return show("unsupported");
    if (Notification.permission === "denied") return show("blocked");
    const on = box.dataset.on === "yes" && Notification.permission === "granted" && (await subscribed().catch(() => null));
    return show(on ? "on" : "off");
  }
  look();
})();
