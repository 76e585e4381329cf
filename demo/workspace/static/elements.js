// Block Kit's interactive elements, and the input blocks of forms.

import { confirmed } from "./dialog.js";
import { fresh, h, icon, safe } from "./dom.js";
import { popup } from "./menu.js";
import { drawn, words } from "./mrkdwn.js";

/** One element of a section or an actions block: pressing or choosing sends it at once. */
export function element(block, part, site) {
  const draws = Object.hasOwn(ELEMENTS, part.type) ? ELEMENTS[part.type] : unknown;
  return draws(block, part, site);
}

const unknown = (_, part) => h("span", { class: "unknown" }, `An element that can't be shown here: ${part.type}`);
const name = (block, part) => `${block.block_id}/${part.action_id}`;

/** Ask first where the element wants it, then send; the control shows that it waits and ignores a second press. */
async function send(control, block, part, site, extra) {
  if (control.getAttribute("aria-busy") === "true") return false;
  if (part.confirm && !(await confirmed(part.confirm, site.names))) return false;
  control.setAttribute("aria-busy", "true");
  try {
    await site.press(block, part, extra);
  } finally {
    control.removeAttribute("aria-busy");
  }
  return true;
}

const ELEMENTS = {
  button(block, part, site) {
    const label = part.accessibility_label ?? null;
    const look = { class: `press ${["primary", "danger"].includes(part.style) ? part.style : ""}`, data: { name: name(block, part) } };
    const href = part.url && safe(part.url);
    if (href) {
      const open = (event) => void send(event.currentTarget, block, part, site);
      const away = icon("out");
      return h("a", { ...look, href, "aria-label": label, target: "_blank", rel: "noopener noreferrer", on: { click: open } }, words(part.text), away);
    }
    const press = (event) => void send(event.currentTarget, block, part, site);
    return h("button", { ...look, type: "button", "aria-label": label, on: { click: press } }, words(part.text));
  },

  overflow(block, part, site) {
    const button = h("button", { type: "button", class: "press round", "aria-label": "More choices", data: { name: name(block, part) } }, icon("more"));
    popup(button, () => part.options.map((option) => {
      const href = option.url && safe(option.url);
      const run = () => void send(button, block, part, site, { value: option.value, selected: option.value });
      return { label: words(option.text), hint: words(option.description), href, run };
    }));
    return button;
  },

  image: (_, part) => h("span", { class: "picture small", role: "img", "aria-label": part.alt_text, title: part.alt_text }),

  radio_buttons: (block, part, site) => choices(block, part, site, "radio"),
  checkboxes: (block, part, site) => choices(block, part, site, "checkbox"),
};

for (const kind of ["static_select", "users_select", "conversations_select", "channels_select", "external_select",
  "multi_static_select", "datepicker", "timepicker", "plain_text_input"]) {
  ELEMENTS[kind] = (block, part, site) => {
    const field = FIELDS[kind](part, site, { label: words(part.placeholder) || "Choose" });
    const control = field.control;
    control.dataset.name = name(block, part);
    control.addEventListener("change", () => {
      const value = field.read();
      if (value !== null) void send(control, block, part, site, { value, selected: value });
    });
    return field.node;
  };
}

function choices(block, part, site, kind) {
  const field = FIELDS[part.type](part, site, { label: "Choose" });
  field.node.addEventListener("change", (event) => void send(event.target, block, part, site, { value: field.read(), selected: field.read() }));
  return h("fieldset", { class: `group ${kind}` }, h("legend", { class: "hush" }, "Choose"), field.node);
}

// -- fields: an element that is filled in. {node, control, read, write} ---------------------------------------

const FIELDS = {
  plain_text_input(part, site, given) {
    const common = { id: given.id, "aria-label": given.label, maxlength: part.max_length, placeholder: words(part.placeholder) || null, ...given.aria };
    const value = given.kept ?? part.initial_value ?? "";
    const control = part.multiline ? h("textarea", { ...common, rows: 4 }) : h("input", { ...common, type: "text", autocomplete: "off" });
    control.value = value;
    return { control, node: h("span", { class: "counted" }, control, left(control, part)), read: () => control.value, empty: () => !control.value.trim() };
  },
  number_input: (part, site, given) => typed(part, given, { type: "text", inputmode: part.is_decimal_allowed ? "decimal" : "numeric" }),
  email_text_input: (part, site, given) => typed(part, given, { type: "email" }),
  url_text_input: (part, site, given) => typed(part, given, { type: "url" }),
  datepicker: (part, site, given) => typed(part, given, { type: "date" }, part.initial_date),
  timepicker: (part, site, given) => typed(part, given, { type: "time" }, part.initial_time),
  datetimepicker: (part, site, given) => {
    const field = typed(part, given, { type: "datetime-local" });
    return { ...field, read: () => (field.control.value ? Math.round(new Date(field.control.value).getTime() / 1000) : null) };
  },
  static_select: (part, site, given) => select(part, groups(part), given),
  external_select: (part, site, given) => select(part, groups(part), given),
  multi_static_select: (part, site, given) => select(part, groups(part), given, true),
  users_select: (part, site, given) => select(part, named(site.names.users, "@"), given),
  multi_users_select: (part, site, given) => select(part, named(site.names.users, "@"), given, true),
  conversations_select: (part, site, given) => select(part, named(site.names.channels, "#"), given),
  channels_select: (part, site, given) => select(part, named(site.names.channels, "#"), given),
  radio_buttons: (part, site, given) => boxes(part, site, given, "radio"),
  checkboxes: (part, site, given) => boxes(part, site, given, "checkbox"),
};

function typed(part, given, kind, initial) {
  const control = h("input", { id: given.id, "aria-label": given.label, autocomplete: "off", ...kind, ...given.aria });
  control.value = given.kept ?? initial ?? part.initial_value ?? "";
  return { node: control, control, read: () => control.value || null, empty: () => !control.value };
}

/** How many characters are left, once few are. */
function left(control, part) {
  if (!part.max_length) return null;
  const note = h("output", { class: "left", "aria-hidden": "true" });
  const say = () => {
    const rest = part.max_length - control.value.length;
    note.textContent = rest < Math.max(20, part.max_length / 5) ? String(rest) : "";
  };
  control.addEventListener("input", say);
  say();
  return note;
}

const groups = (part) => (part.option_groups ?? [{ options: part.options ?? [] }]).map((group) => ({
  label: words(group.label),
  options: group.options.map((option) => ({ value: option.value, label: words(option.text) })),
}));
const named = (names, sign) => [{ label: "", options: Object.entries(names).map(([value, label]) => ({ value, label: `${sign}${label}` })) }];

function select(part, found, given, multiple = false) {
  const chosen = new Set([given.kept ?? (part.initial_options ?? (part.initial_option ? [part.initial_option] : [])).map((each) => each.value),
    part.initial_user, part.initial_channel, part.initial_conversation].flat());
  const option = ({ value, label }) => h("option", { value, selected: chosen.has(value) }, label);
  const drawnGroups = found.map(({ label, options }) => (label ? h("optgroup", { label }, options.map(option)) : options.map(option)));
  const none = multiple ? null : h("option", { value: "" }, words(part.placeholder) || "Choose one");
  const control = h("select", { id: given.id, "aria-label": given.label, multiple, ...given.aria }, none, drawnGroups);
  const read = () => (multiple ? [...control.selectedOptions].map((each) => each.value) : control.value || null);
  return { node: control, control, read, empty: () => !control.selectedOptions.length || (!multiple && !control.value) };
}

function boxes(part, site, given, type) {
  const initial = part.initial_options ?? (part.initial_option ? [part.initial_option] : []);
  const chosen = new Set([given.kept ?? initial.map((each) => each.value)].flat());
  const group = fresh("group");
  const node = h("div", { class: "boxes" }, part.options.map((option) => {
    const box = h("input", { type, name: group, value: option.value, checked: chosen.has(option.value), ...given.aria });
    const hint = option.description && h("span", { class: "hint" }, drawn(option.description, site.names));
    return h("label", { class: "box" }, box, h("span", null, drawn(option.text, site.names), hint));
  }));
  const checked = () => [...node.querySelectorAll("input:checked")].map((each) => each.value);
  const read = () => (type === "radio" ? checked()[0] ?? null : checked());
  return { node, control: node.querySelector("input") ?? node, read, empty: () => !checked().length };
}

// -- input blocks -----------------------------------------------------------------------------------

/** An input block, registered in `site.fields` so that the form can read it and point at it. */
export function input(block, site) {
  const part = block.element;
  const make = Object.hasOwn(FIELDS, part.type) ? FIELDS[part.type] : null;
  if (!make) return h("p", { class: "block unknown" }, `A field that can't be shown here: ${part.type}`);
  const id = fresh("field");
  const wrong = h("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
  const hint = block.hint && h("p", { class: "hint", id: `${id}-hint` }, words(block.hint));
  const described = [hint && `${id}-hint`, `${id}-wrong`].filter(Boolean).join(" ");
  const aria = { "aria-describedby": described, "aria-required": block.optional ? null : "true" };
  const field = make(part, site, { id, aria, kept: site.kept?.(block.block_id, part.action_id) });
  field.control.dataset.name = name(block, part);
  const label = [words(block.label), block.optional && h("span", { class: "optional" }, " (optional)")];
  const several = field.node.classList.contains("boxes");
  const shell = several
    ? h("fieldset", { class: "block input" }, h("legend", null, label), wrong, field.node, hint)
    : h("div", { class: "block input" }, h("label", { for: id }, label), wrong, field.node, hint);
  const say = (sentence) => {
    wrong.textContent = sentence;
    wrong.hidden = !sentence;
    const controls = several ? field.node.querySelectorAll("input") : [field.control];
    for (const control of controls) sentence ? control.setAttribute("aria-invalid", "true") : control.removeAttribute("aria-invalid");
  };
  say(site.errors?.[block.block_id] ?? "");
  site.fields?.set(block.block_id, { action: part.action_id, read: field.read, empty: field.empty, optional: Boolean(block.optional), say, focus: () => field.control.focus() });
  if (block.dispatch_action) field.node.addEventListener("change", () => void site.press(block, part, { value: field.read(), selected: field.read() }));
  return shell;
}

