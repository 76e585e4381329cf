// The channel #security, watched live beside everything else.

import { news, show } from "./messages.js";

const $ = (id) => document.getElementById(id);

export function security(desk) {
  const fold = $("security-fold");
  const stream = $("security-stream");
  const heard = new Map();
  let begun = false;

  fold.addEventListener("click", () => {
    const open = fold.getAttribute("aria-expanded") !== "true";
    fold.setAttribute("aria-expanded", String(open));
    $("security").classList.toggle("folded", !open);
  });

  return {
    render() {
      const channel = desk.security;
      const low = stream.scrollHeight - stream.scrollTop - stream.clientHeight < 48;
      show(desk, $("security-messages"), channel, false);
      const count = channel?.messages.length ?? 0;
      $("security-nothing").hidden = count > 0;
      $("security-said").textContent = count ? `${count} so far` : "watched live";
      const told = news(heard, channel, "");
      if (told && begun) desk.announce(`In security: ${told}`);
      begun ||= Boolean(channel);
      if (low) stream.scrollTop = stream.scrollHeight;
    },
  };
}

