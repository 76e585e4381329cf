// A registered browser's own key: made here, never taken out, and used to sign what our pages send.
// A cookie can be copied; this can't. What is signed, and how it is judged, stands in bot/web/proofs.py.
// The service worker uses it, too, which has no document: it is told by `use` what a page knows of itself.
"use strict";

self.browserKey = (() => {
  const STORE = "keys";
  const told = self.document ? self.document.documentElement.dataset : {};
  let name = ""; // of the key that the server knows this browser by
  let skew = 0; // a phone's own clock may be wrong
  const use = (other, now) => {
    name = other;
    if (now) skew = Date.now() - Date.parse(now) || 0;
  };
  use(told.key || "", told.now);

  const bytes = (text) => new TextEncoder().encode(text);
  const toText = (buffer) => {
    let letters = "";
    for (const byte of new Uint8Array(buffer)) letters += String.fromCharCode(byte);
    return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const digest = async (data) => toText(await crypto.subtle.digest("SHA-256", data));
  const random = () => toText(crypto.getRandomValues(new Uint8Array(16)));
  const path = (url) => url.pathname + url.search;

  // -- where keys are kept -------------------------------------------------------------------

  function store(mode, act) {
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open("countersign", 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        const work = opening.result.transaction(STORE, mode);
        const asked = act(work.objectStore(STORE));
        work.oncomplete = () => { opening.result.close(); resolve(asked.result); };
        work.onerror = work.onabort = () => { opening.result.close(); reject(work.error); };
      };
    });
  }

  /** A new key, kept under its own name. Gives its public half, which is all that ever leaves. */
  async function make() {
    try {
      const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
      const point = await crypto.subtle.exportKey("raw", pair.publicKey);
      const made = await digest(point);
      await store("readwrite", (keys) => keys.put(pair.privateKey, made));
      return toText(point);
    } catch {
      throw Object.assign(new Error(), { sentence: "This browser can't keep a key of its own. Allow site data for this page, or use another browser: no private window." });
    }
  }

  // -- signing -------------------------------------------------------------------------------

  /** A proof that this browser asks for this, or an empty text without a key. `target` is a path with its query. */
  async function sign(method, target, body = "") {
    try {
      const key = name && (await store("readonly", (keys) => keys.get(name)));
      if (!key) return "";
      const at = String(Math.round(Date.now() - skew));
      const once = random();
      const said = ["countersign/proof/v1", method, target, await digest(bytes(body)), at, once, name].join("\n");
      const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, bytes(said));
      return `v1.${at}.${once}.${toText(signature)}`;
    } catch {
      return ""; // the server says what to do about it
    }
  }

  const COOKIE = "__Host-proof-";
  const lay = (cookie, seconds) => { document.cookie = `${cookie}; Path=/; Max-Age=${seconds}; Secure; SameSite=Strict`; };

  /** Sign what the browser itself sends next: the proof travels in a cookie that lasts for seconds. */
  async function carry(method, target, body) {
    const proof = await sign(method, target, body);
    const laid = document.cookie.split("; ").filter((each) => each.startsWith(COOKIE));
    if (laid.length > 6) laid.forEach((each) => lay(each, 0)); // pages that were opened all at once
    if (proof) lay(`${COOKIE}${random().slice(0, 6)}=${proof}`, 30);
    return Boolean(proof);
  }

  /** Go to one of our pages; `again` in place of this one, read anew. */
  async function go(href, again = false) {
    const url = new URL(href, window.location.href);
    await carry("GET", path(url));
    if (again) window.location.replace(path(url)); // without a fragment, which would only scroll
    else window.location.assign(url.href);
  }

  // -- a page that was asked for without a proof -----------------------------------------------

  async function show() {
    const here = path(window.location);
    try {
      const tried = sessionStorage.getItem("asked") === here;
      sessionStorage.setItem("asked", here);
      if (!tried && (await carry("GET", here))) return window.location.replace(here);
    } catch {
      // A browser that keeps nothing has no key either.
    }
    return window.location.replace(`/sign-in?onward=${encodeURIComponent(here)}`);
  }

  if (self.document && document.querySelector("[data-show]")) show();
  else try { sessionStorage.removeItem("asked"); } catch { /* nothing is kept here */ }

  return Object.freeze({ make, sign, carry, go, path, use });
})();
