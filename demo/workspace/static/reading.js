// What a message says, as words: for screen readers, and for the tours, which watch how a request stands.

import { words } from "./mrkdwn.js";

/** A message line by line, without what its buttons say. */
export function lines(message) {
  const found = (message.blocks ?? []).flatMap(spoken).filter(Boolean);
  return found.length ? found : words(message.text ?? "").split("\n");
}

function spoken(block) {
  switch (block.type) {
    case "rich_text": return block.elements.flatMap(rich);
    case "header": return [words(block.text)];
    case "section": return [words(block.text), ...(block.fields ?? []).map((field) => words(field).replace("\n", ": "))];
    case "context": return [block.elements.map((each) => words(each) || each.alt_text).join(" ")];
    case "image": return [block.alt_text];
    case "input": return [words(block.label)];
    default: return [];
  }
}

function rich(part) {
  const parts = part.elements ?? [];
  if (parts.some((each) => each.elements)) return parts.flatMap(rich);
  return [parts.map((run) => run.text ?? run.url ?? run.name ?? "").join("").trim()];
}

/** Every element that can be pressed, with its block. */
export function pressable(message) {
  return (message.blocks ?? []).flatMap((block) => {
    const elements = block.type === "actions" ? block.elements : block.accessory ? [block.accessory] : [];
    return elements.filter((each) => each.action_id).map((each) => ({ block, element: each }));
  });
}

const NAME = /^CS-[0-9A-HJKMNP-TV-Z]{5}$/;
const NUMBER = /^\d{3} \d{3}$/;
/** How a request stands, by the line its card has for that; the first that fits. */
const STANDS = [
  ["proof", /: confirm on \S+ registered device/],
  ["approval", /: approve or deny/],
  ["objection", / can object until then/],
  ["choice", /: choose the new password/],
  ["secret", /: look at the /],
  ["making", /is making the change/],
  ["done", /^Done/],
  ["locked", /too many wrong answers/],
  ["disowned", /didn't ask for it/],
  ["observed", /^Over: not switched on yet/],
  ["over", /^Over/],
];
const OPEN = new Set(["proof", "approval", "objection", "choice", "secret", "making", "other"]);

/** The cards in a conversation: {ts, name, title, stage, stands, open, number, message}, oldest first. */
export function cards(conversation) {
  return (conversation?.messages ?? []).filter((message) => message.app && !message.ephemeral).flatMap((message) => card(message) ?? []);
}

/** A card opens with one line that ends in the request's name, and one that says how it stands. */
function card(message) {
  const top = message.blocks?.find((block) => block.type === "rich_text")?.elements ?? [];
  const named = top[0]?.elements?.find((run) => run.style?.code && NAME.test(run.text));
  if (!named || !top[1]) return null;
  const [title, stage] = top.map((part) => rich(part).join(" "));
  const stands = STANDS.find(([, pattern]) => pattern.test(stage))?.[0] ?? "other";
  const number = lines(message).find((line) => NUMBER.test(line))?.replace(" ", "\u00a0") ?? "";
  return { ts: message.ts, name: named.text, title: title.replace(named.text, "").trim(), stage, stands, open: OPEN.has(stands), number, message };
}

/** The button of a message whose action id is this verb, with its block; nothing if it has none. */
export const button = (message, verb) => pressable(message).find(({ element }) => element.action_id.split(":")[0] === verb) ?? null;
