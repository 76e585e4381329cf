// The device page's service worker: shows what is pushed, and opens the request it is about. It decides nothing,
// keeps nothing, and stands between no page and the server.
"use strict";

importScripts("/static/keys.js");

const NAME = /^CS-[0-9A-HJKMNP-TV-Z]{5}$/;
const ICON = "/static/icon-192.png";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// -- what is pushed --------------------------------------------------------------------------

// A push that shows nothing would cost us the permission: so one that can't be read says where to look.
function read(data) {
  try {
    const said = data.json();
    if (NAME.test(said.name) && typeof said.title === "string" && typeof said.body === "string") return said;
  } catch {
    // Below.
  }
  return { title: "Countersign", body: "Open your device page: something may wait for you.", name: "" };
}

self.addEventListener("push", (event) => {
  const said = read(event.data);
  const shown = {
    body: said.body,
    tag: said.name || "countersign", // a newer one about the same request takes its place
    icon: ICON,
    badge: ICON,
    lang: "en",
    requireInteraction: true,
    data: { path: said.name ? `/requests/${said.name}` : "/" },
  };
  event.waitUntil(self.registration.showNotification(said.title, shown)); // without buttons: it only leads there
});

// -- what is tapped --------------------------------------------------------------------------

async function open(path) {
  const wanted = new URL(path, self.location.origin);
  if (wanted.origin !== self.location.origin) return undefined;
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = pages.find((page) => new URL(page.url).pathname === wanted.pathname);
  return there ? there.focus() : self.clients.openWindow(wanted.href); // never away from what is being typed
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data.path));
});

// -- when the push service moves us ----------------------------------------------------------

const toBytes = (text) => {
  const padded = text.replace(/-/g, "+").replace(/_/g, "/").padEnd(Math.ceil(text.length / 4) * 4, "=");
  return Uint8Array.from(atob(padded), (letter) => letter.charCodeAt(0));
};

async function subscribeAnew(fresh) {
  const asked = await fetch("/push", { credentials: "same-origin", cache: "no-store", redirect: "error", headers: { Accept: "application/json" } });
  if (!asked.ok) return;
  const { key, csrf, signing, now } = await asked.json();
  if (!key) return;
  const wanted = { userVisibleOnly: true, applicationServerKey: toBytes(key) };
  const subscription = fresh || (await self.registration.pushManager.subscribe(wanted));
  self.browserKey.use(signing, now);
  const body = JSON.stringify(subscription.toJSON());
  await fetch("/push", {
    method: "POST",
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf, "X-Proof": await self.browserKey.sign("POST", "/push", body) },
    body,
  });
}

self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(subscribeAnew(event.newSubscription)));
