// What a page can't do with forms alone: passkeys, signing what this browser sends, waiting without reloading,
// copying, counting down.
"use strict";

(() => {
  const meta = document.querySelector('meta[name="csrf"]');
  const token = meta ? meta.content : "";
  const mine = window.browserKey;
  const all = (selector) => [...document.querySelectorAll(selector)];
  let ceremony = false; // a passkey prompt is open: nothing may reload the page under it

  // -- talking to the server ---------------------------------------------------------------

  const LOST = "The connection was lost, so nothing was changed here. Check it and try again.";

  async function post(url, given) {
    const body = JSON.stringify(given);
    const response = await fetch(url, {
      method: "POST",
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": token, "X-Proof": await mine.sign("POST", url, body) },
      body,
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok && !answer.error && !answer.location) {
      answer.error = "That didn't work, and nothing was changed. Reload this page and try again.";
    }
    return answer;
  }

  function follow(location) {
    const target = new URL(location, window.location.href);
    if (target.origin !== window.location.origin) return;
    mine.go(target.href, mine.path(target) === mine.path(window.location));
  }

  function tell(sentence, calm) {
    const box = document.getElementById("told");
    if (!box) return;
    box.classList.toggle("calm", Boolean(calm));
    box.textContent = sentence;
    box.hidden = !sentence;
    if (sentence && !calm) box.focus();
  }

  // -- passkeys ------------------------------------------------------------------------------

  const toBytes = (text) => {
    const padded = text.replace(/-/g, "+").replace(/_/g, "/").padEnd(Math.ceil(text.length / 4) * 4, "=");
    return Uint8Array.from(atob(padded), (letter) => letter.charCodeAt(0));
  };
  const toText = (buffer) => {
    let letters = "";
    for (const byte of new Uint8Array(buffer)) letters += String.fromCharCode(byte);
    return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  function options(json) {
    const ready = { ...json, challenge: toBytes(json.challenge) };
    const known = (list) => (list || []).map((each) => ({ ...each, id: toBytes(each.id) }));
    if (json.user) ready.user = { ...json.user, id: toBytes(json.user.id) };
    if (json.excludeCredentials) ready.excludeCredentials = known(json.excludeCredentials);
    if (json.allowCredentials) ready.allowCredentials = known(json.allowCredentials);
    return ready;
  }

  function plain(credential) {
    const given = credential.response;
    const response = { clientDataJSON: toText(given.clientDataJSON) };
    if (given.attestationObject) {
      response.attestationObject = toText(given.attestationObject);
      response.transports = given.getTransports ? given.getTransports() : [];
    } else {
      response.authenticatorData = toText(given.authenticatorData);
      response.signature = toText(given.signature);
      if (given.userHandle) response.userHandle = toText(given.userHandle);
    }
    return {
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      response,
      clientExtensionResults: credential.getClientExtensionResults(),
      ...(credential.authenticatorAttachment && { authenticatorAttachment: credential.authenticatorAttachment }),
    };
  }

  const REASONS = {
    NotAllowedError: "The passkey wasn't used: it was cancelled or took too long. Nothing was changed. Try again when you're ready.",
    InvalidStateError: "This device has a passkey here already. Use that one, or choose another device.",
    NotSupportedError: "This browser can't make the kind of passkey that is needed. Try another browser or device.",
    SecurityError: "This address can't use your passkey. Open the device page from its usual address.",
    AbortError: "The passkey wasn't used. Nothing was changed. Try again when you're ready.",
    TypeError: LOST,
  };

  async function passkey(button) {
    const form = button.dataset.form ? document.getElementById(button.dataset.form) : button.form;
    if (form && !form.reportValidity()) return;
    const typed = form ? Object.fromEntries([...new FormData(form)].filter(([name]) => name !== "csrf")) : {};
    ceremony = true;
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    tell("Your device asks for your passkey now.", true);
    try {
      if ("binds" in button.dataset) typed.key = await mine.make();
      const begun = await post(button.dataset.begin, typed);
      if (begun.location) return follow(begun.location);
      const json = begun.publicKey || (begun.challenge && begun);
      if (!json) throw Object.assign(new Error(), { sentence: begun.error });
      const asked = { publicKey: options(json) };
      const creating = button.dataset.passkey === "create";
      const credential = await (creating ? navigator.credentials.create(asked) : navigator.credentials.get(asked));
      tell("Checking…", true);
      const done = await post(button.dataset.finish, { ...typed, credential: plain(credential) });
      if (done.key) mine.use(done.key);
      if (done.location) return follow(done.location);
      throw Object.assign(new Error(), { sentence: done.error });
    } catch (error) {
      const unknown = "That didn't work, and nothing was changed. Reload this page and try again.";
      button.disabled = false;
      tell(error.sentence || REASONS[error.name] || unknown);
    } finally {
      ceremony = false;
      button.removeAttribute("aria-busy");
    }
  }

  for (const button of all("[data-passkey]")) {
    if (window.PublicKeyCredential && navigator.credentials) {
      button.addEventListener("click", (event) => {
        event.preventDefault();
        passkey(button);
      });
      // Enter in its form means the same as the button.
      const form = button.dataset.form && document.getElementById(button.dataset.form);
      if (form) {
        form.addEventListener("submit", (event) => {
          event.preventDefault();
          if (!ceremony) passkey(button);
        });
      }
    } else {
      button.disabled = true;
      tell("This browser can't use passkeys. Open this page in another browser, or on your phone.", true);
    }
  }

  // -- waiting -------------------------------------------------------------------------------

  const here = window.location.href;
  const typing = () => all("main input:not([type=hidden]), main textarea").some((field) => field.value !== field.defaultValue);

  function watch(box) {
    let tries = 0;
    const again = () => setTimeout(look, document.hidden ? 15000 : tries < 15 ? 1000 : tries < 60 ? 3000 : 10000);
    async function look() {
      tries += 1;
      try {
        const response = await fetch(box.dataset.poll, { credentials: "same-origin", cache: "no-store", headers: { Accept: "application/json", "X-Proof": await mine.sign("GET", box.dataset.poll) } });
        const state = response.ok ? await response.json() : {};
        if (state.mark && state.mark !== box.dataset.mark && !ceremony) {
          if (!typing()) return mine.go(box.dataset.page, true);
          tell("This request has changed since you opened it. Reload this page to see how it stands.", true);
          return undefined;
        }
        if (state.closed) return undefined;
      } catch {
        // The next look may get through.
      }
      return again();
    }
    again();
  }
  all("[data-poll]").forEach(watch);

  // The same words as bot/times.py, so that nothing jumps when this takes over.
  function spell(milliseconds) {
    const minutes = Math.floor(milliseconds / 60000);
    const hours = Math.floor(minutes / 60);
    const count = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;
    if (minutes < 1) return "less than a minute";
    if (hours < 1) return count(minutes, "minute");
    if (hours < 3 && minutes % 60) return `${count(hours, "hour")} ${count(minutes % 60, "minute")}`;
    return hours < 48 ? count(hours, "hour") : count(Math.floor(hours / 24), "day");
  }

  // Counted from the server's clock, since a phone's own may be wrong.
  const skew = Date.now() - Date.parse(document.documentElement.dataset.now || new Date().toISOString());
  function tick() {
    for (const time of all("time[data-left]")) {
      const rest = Date.parse(time.dateTime) - (Date.now() - skew);
      const words = rest <= 0 ? "time is up" : `${spell(rest)} left`;
      if (time.textContent !== words) time.textContent = words;
    }
  }
  if (all("time[data-left]").length) setInterval(tick, 1000);

  // -- small comforts ------------------------------------------------------------------------

  for (const button of all("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    if (!source || !navigator.clipboard) continue;
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(source.textContent.trim());
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = label; }, 4000);
      } catch {
        const range = document.createRange();
        range.selectNodeContents(source);
        window.getSelection().removeAllRanges();
        window.getSelection().addRange(range);
        button.textContent = "Selected: copy it from the menu";
      }
    });
  }

  for (const button of all("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }

  for (const field of all("[data-digits]")) {
    field.addEventListener("input", () => {
      const before = field.value.slice(0, field.selectionStart).replace(/\D/g, "").length;
      const digits = field.value.replace(/\D/g, "").slice(0, Number(field.dataset.digits));
      field.value = digits.replace(/(\d{3})(?=\d)/g, "$1 ");
      const place = before + Math.max(0, Math.floor((before - 1) / 3));
      field.setSelectionRange(place, place);
    });
  }

  // -- signing what the browser itself sends ---------------------------------------------------

  const lines = (text) => text.replace(/\r\n|\r|\n/g, "\r\n"); // as browsers write them into a form's body
  function encoded(form) {
    const fields = [...new FormData(form)].filter(([, value]) => typeof value === "string");
    return new URLSearchParams(fields.map((pair) => pair.map(lines))).toString();
  }

  async function send(form, pressed) {
    try {
      if (pressed && pressed.name) form.append(Object.assign(document.createElement("input"), { type: "hidden", name: pressed.name, value: pressed.value }));
      if ("binds" in form.dataset) form.elements.namedItem("key").value = await mine.make();
      const target = mine.path(new URL(form.getAttribute("action") || here, here));
      let body;
      do {
        body = encoded(form);
        await mine.carry("POST", target, body);
      } while (body !== encoded(form)); // somebody types on
      HTMLFormElement.prototype.submit.call(form);
    } catch (error) {
      delete form.dataset.sent;
      tell(error.sentence || "That didn't work, and nothing was changed. Reload this page and try again.");
    }
  }

  for (const form of all("form[method=post]")) {
    form.addEventListener("submit", (event) => {
      if (event.defaultPrevented) return;
      event.preventDefault();
      if (form.dataset.sent) return; // a second press of the same button
      form.dataset.sent = "yes";
      send(form, event.submitter);
    });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[href]");
    if (!link || event.defaultPrevented || event.button !== 0 || link.target || link.hasAttribute("download")) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (link.origin !== window.location.origin || link.getAttribute("href").startsWith("#")) return;
    event.preventDefault();
    mine.go(link.href);
  });

  // Coming back with the browser's own button shows the page as it was: let its forms be sent again.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) all("form").forEach((form) => delete form.dataset.sent);
  });
})();
