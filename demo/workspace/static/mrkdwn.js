// Slack's small language of marks, read into elements. Whatever isn't a mark stays text.

import { h, safe } from "./dom.js";
import { dated, full } from "./time.js";

const MARKS = { "*": "strong", _: "em", "~": "s" };
const EMOJI = {
  white_check_mark: "✅", heavy_check_mark: "✔️", x: "❌", warning: "⚠️", rotating_light: "🚨", lock: "🔒",
  unlock: "🔓", key: "🔑", bell: "🔔", hourglass: "⌛", hourglass_flowing_sand: "⏳", wave: "👋",
  mag: "🔍", information_source: "ℹ️", no_entry: "⛔", shield: "🛡️", eyes: "👀", iphone: "📱",
  white_circle: "⚪", large_blue_circle: "🔵", large_green_circle: "🟢", red_circle: "🔴",
};

/** Entities as people read them. The ampersand comes last, or `&amp;lt;` would become `<`. */
export const decode = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** :name: where it is one we know, text otherwise. */
export const emoji = (text) => text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => (Object.hasOwn(EMOJI, name) ? EMOJI[name] : whole));

/** A text object or a bare string, as plain words. `emoji: false` leaves :names: as they are. */
export function words(text) {
  const raw = typeof text === "string" ? text : text?.text;
  if (typeof raw !== "string") return "";
  return text.emoji === false ? decode(raw) : emoji(decode(raw));
}

/** A text object as nodes: plain_text stays as it is, mrkdwn is read. */
export function drawn(text, names) {
  if (!text || typeof text.text !== "string") return [];
  return text.type === "mrkdwn" ? mrkdwn(text.text, names) : [words(text)];
}

/** A mrkdwn string as nodes. `names` holds {users: {id: name}, channels: {id: name}}. */
export function mrkdwn(text, names) {
  return text.split(/```\n?([\s\S]*?)\n?```/).flatMap((part, at) => {
    if (at % 2) return part ? [h("pre", null, decode(part))] : [];
    return lines(part, names);
  });
}

function lines(text, names) {
  const nodes = [];
  let quoted = [];
  const flush = () => {
    if (quoted.length) nodes.push(h("blockquote", null, quoted.flatMap((line, at) => [at ? h("br") : "", ...inline(line, names)])));
    quoted = [];
  };
  const all = text.split("\n");
  all.forEach((line, at) => {
    const quote = /^(?:&gt;|>) ?(.*)$/.exec(line);
    if (quote) return quoted.push(quote[1]);
    const after = quoted.length > 0;
    flush();
    if (at && !after) nodes.push("\n");
    nodes.push(...inline(line, names));
  });
  flush();
  return nodes;
}

function inline(text, names) {
  const nodes = [];
  let plain = "";
  const flush = () => {
    if (plain) nodes.push(emoji(decode(plain)));
    plain = "";
  };
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    const end = sign === "<" ? text.indexOf(">", at + 1) : sign === "`" ? text.indexOf("`", at + 1) : closing(text, at);
    if (end <= at + 1) {
      plain += sign;
      continue;
    }
    const inner = text.slice(at + 1, end);
    flush();
    if (sign === "<") nodes.push(reference(inner, names));
    else if (sign === "`") nodes.push(h("code", null, decode(inner)));
    else nodes.push(h(MARKS[sign], null, inline(inner, names)));
    at = end;
  }
  flush();
  return nodes;
}

/** Where the mark that opens at `at` closes; -1 if none opens there. Marks inside words are letters. */
function closing(text, at) {
  const sign = text[at];
  if (!Object.hasOwn(MARKS, sign) || /[\p{L}\p{N}]/u.test(text[at - 1] ?? "") || /[\s]|^$/.test(text[at + 1] ?? "")) return -1;
  for (let end = at + 1; end < text.length; end += 1) {
    if (text[end] === "<" || text[end] === "`") {
      const past = text.indexOf(text[end] === "<" ? ">" : "`", end + 1);
      if (past > 0) end = past;
    } else if (text[end] === sign && !/\s/.test(text[end - 1]) && !/[\p{L}\p{N}]/u.test(text[end + 1] ?? "")) {
      return end;
    }
  }
  return -1;
}

/** What stands between < and >: a person, a channel, a time, everybody, or an address. */
function reference(inner, names) {
  const bar = inner.indexOf("|");
  const target = bar < 0 ? inner : inner.slice(0, bar);
  const label = bar < 0 ? "" : decode(inner.slice(bar + 1));
  if (target.startsWith("@")) return mention(`@${names.users[target.slice(1)] ?? (label || target.slice(1))}`);
  if (target.startsWith("#")) return mention(`#${names.channels[target.slice(1)] ?? (label || target.slice(1))}`);
  if (target.startsWith("!date^")) return time(target, label, names);
  if (target.startsWith("!")) return mention(label || `@${target.slice(1).split("^")[0]}`);
  return link(target, label);
}

const mention = (text) => h("span", { class: "mention" }, text);

function time(target, label) {
  const [, seconds, format = "", url] = target.split("^");
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return label;
  const shown = h("time", { datetime: date.toISOString(), title: full(date) }, dated(date, decode(format)));
  const href = url && safe(decode(url));
  return href ? h("a", { href, target: "_blank", rel: "noopener noreferrer" }, shown) : shown;
}

/** An address people can follow; the words alone where its scheme is one they must not. */
export function link(target, label) {
  const href = safe(decode(target));
  const text = label || decode(target).replace(/^mailto:/, "");
  return href ? h("a", { href, title: label ? href : null, target: "_blank", rel: "noopener noreferrer" }, text) : text;
}
