// Block Kit drawn: the layout blocks. What can be pressed or filled in is in elements.js.
//
// A `site` says where the blocks stand and what happens there:
//   names    {users, channels}            what ids are called
//   press    (block, element, extra) => Promise    a press, for elements outside of input blocks
//   fields   Map block_id → {action, read, focus}  filled in by input blocks (modals and Home only)
//   errors   {block_id: sentence}
//   kept     (block_id, action_id) => what was typed before a new drawing, or undefined

import { element, input } from "./elements.js";
import { h } from "./dom.js";
import { drawn, link, words } from "./mrkdwn.js";

/** The blocks as one element. A kind that isn't known here says so instead of vanishing. */
export function draw(blocks, site) {
  return h("div", { class: "blocks" }, (blocks ?? []).map((block) => one(block, site)));
}

function one(block, site) {
  const draws = Object.hasOwn(BLOCKS, block?.type) ? BLOCKS[block.type] : unknown;
  try {
    return draws(block, site);
  } catch {
    return unknown(block);
  }
}

const unknown = (block) => h("p", { class: "block unknown" }, `A block that can't be shown here: ${block?.type ?? "no type"}`);

const BLOCKS = {
  header: (block) => h("h2", { class: "block header" }, words(block.text)),
  divider: () => h("hr", { class: "block" }),
  section(block, site) {
    const body = h("div", { class: "section-body" }, block.text && said(block.text, site), facts(block.fields, site));
    const accessory = block.accessory && h("div", { class: "accessory" }, element(block, block.accessory, site));
    return h("div", { class: accessory ? "block section beside" : "block section" }, body, accessory);
  },
  context(block, site) {
    const parts = block.elements.map((part) => (part.type === "image" ? picture(part, "tiny") : h("span", { class: "text" }, drawn(part, site.names))));
    return h("div", { class: "block context" }, parts);
  },
  actions(block, site) {
    return h("div", { class: "block actions" }, block.elements.map((each) => element(block, each, site)));
  },
  input: (block, site) => input(block, site),
  image(block, site) {
    const title = block.title && h("figcaption", null, drawn(block.title, site.names));
    return h("figure", { class: "block figure" }, title, picture(block, "wide"));
  },
  rich_text: (block, site) => h("div", { class: "block rich" }, block.elements.map((part) => rich(part, site.names))),
  markdown: (block) => h("p", { class: "block text" }, block.text),
};

const said = (text, site) => h("p", { class: "text" }, drawn(text, site.names));

function facts(fields, site) {
  if (!fields?.length) return null;
  return h("ul", { class: "fields" }, fields.map((field) => h("li", { class: "text" }, drawn(field, site.names))));
}

/** No picture is fetched from anywhere: its words stand in its place. */
export function picture(image, size) {
  return h("span", { class: `picture ${size}`, role: "img", "aria-label": image.alt_text, title: image.alt_text }, size === "wide" ? image.alt_text : "");
}

// -- rich text ---------------------------------------------------------------------------------

function rich(part, names) {
  const inner = () => (part.elements ?? []).map((run) => spoken(run, names));
  switch (part.type) {
    case "rich_text_section": return h("p", { class: "text" }, inner());
    case "rich_text_quote": return h("blockquote", null, inner());
    case "rich_text_preformatted": return h("pre", null, inner());
    case "rich_text_list": {
      const list = part.style === "ordered" ? "ol" : "ul";
      return h(list, { class: `indent-${Math.min(part.indent ?? 0, 4)}` }, part.elements.map((item) => h("li", null, item.elements.map((run) => spoken(run, names)))));
    }
    default: return unknown(part);
  }
}

function spoken(run, names) {
  const style = run.style ?? {};
  let node = plainly(run, names);
  for (const [mark, tag] of [["code", "code"], ["strike", "s"], ["italic", "em"], ["bold", "strong"]]) {
    if (style[mark]) node = h(tag, null, node);
  }
  return node;
}

function plainly(run, names) {
  switch (run.type) {
    case "text": return run.text;
    case "link": return link(run.url, run.text ?? "");
    case "user": return h("span", { class: "mention" }, `@${names.users[run.user_id] ?? run.user_id}`);
    case "channel": return h("span", { class: "mention" }, `#${names.channels[run.channel_id] ?? run.channel_id}`);
    case "broadcast": return h("span", { class: "mention" }, `@${run.range}`);
    case "emoji": return words(`:${run.name}:`);
    default: return "";
  }
}
