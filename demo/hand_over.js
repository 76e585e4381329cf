// The demo puts somebody's phone into this browser: the key it signs with, and then the page to open.
"use strict";

window.addEventListener("load", async () => {
  const { key, jwk, next } = document.documentElement.dataset;
  const made = await crypto.subtle.importKey("jwk", JSON.parse(jwk), { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  const opening = indexedDB.open("countersign", 1); // where static/keys.js looks for it
  opening.onupgradeneeded = () => opening.result.createObjectStore("keys");
  opening.onsuccess = () => {
    const work = opening.result.transaction("keys", "readwrite");
    work.objectStore("keys").put(made, key);
    work.oncomplete = () => {
      opening.result.close();
      window.browserKey.go(next, true);
    };
  };
});
