// Building what is shown. Text only ever becomes text: nothing here, or in any module beside it, parses HTML.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "selected", "disabled", "hidden", "multiple", "open"]);

/** An element: h("a", {class: "x", href: "…", on: {click: f}, data: {id: 1}}, "text", child, [more]). */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for drawings. */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (PROPERTIES.has(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...kept(children));
  return node;
}

const kept = (children) =>
  children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false && each !== "");

/** Put these children in place of whatever is there. */
export function put(node, ...children) {
  node.replaceChildren(...kept(children));
  return node;
}

/** Words for screen readers alone. */
export const hush = (...children) => h("span", { class: "hush" }, ...children);

/** Only addresses that a reader may be sent to; null for every other scheme and for what is no address. */
export function safe(url) {
  try {
    const found = new URL(url);
    return ["http:", "https:", "mailto:"].includes(found.protocol) ? found.href : null;
  } catch {
    return null;
  }
}

let count = 0;
/** A name no other element on this page has. */
export const fresh = (stem) => `${stem}-${(count += 1)}`;

/**
 * Keep a list's children in step with `items` without touching those that stay the same, so that focus, open
 * menus and half-typed words survive. `make` is called for new and changed ones only.
 */
export function keyed(list, items, key, make) {
  const there = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let at = list.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const look = JSON.stringify(item);
    let node = there.get(name);
    there.delete(name);
    if (!node || node.look !== look) {
      const drawn = make(item);
      drawn.dataset.key = name;
      drawn.look = look;
      if (node) {
        const back = whereFocusIs(node);
        if (at === node) at = drawn;
        node.replaceWith(drawn);
        back?.(drawn);
      }
      node = drawn;
    }
    if (node === at) at = at.nextElementSibling;
    else list.insertBefore(node, at);
  }
  for (const gone of there.values()) gone.remove();
}

/** Afterwards the same control in the new drawing has the focus, or the drawing itself where it is gone. */
function whereFocusIs(node) {
  const focused = document.activeElement;
  if (!focused || !node.contains(focused)) return null;
  const name = focused.dataset.name;
  return (drawn) => {
    const same = name && [...drawn.querySelectorAll("[data-name]")].find((each) => each.dataset.name === name);
    if (!same) drawn.tabIndex = -1;
    (same ?? drawn).focus({ preventScroll: true });
  };
}

const DRAWINGS = {
  bolt: ["M9 1.5 3.5 9H8l-1 5.5L12.5 7H8z"],
  more: ["M3 8h.01M8 8h.01M13 8h.01"],
  send: ["M2.5 8h10M8.5 3.5 13 8l-4.5 4.5"],
  close: ["M3.5 3.5l9 9M12.5 3.5l-9 9"],
  eye: ["M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z", "M8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6z"],
  out: ["M6.5 3.5h-4v10h10v-4M9.5 2.5h4v4M13.5 2.5 7.5 8.5"],
  copy: ["M5.5 5.5h8v8h-8z", "M10.5 5.5v-3h-8v8h3"],
  down: ["M3.5 6l4.5 4.5L12.5 6"],
  check: ["M3 8.5l3.5 3.5L13 4.5"],
  home: ["M2.5 7.5 8 2.5l5.5 5v6h-4v-4h-3v4h-4z"],
};

/** A line drawing, 16 by 16, hidden from screen readers: what it means stands beside it in words. */
export function icon(name) {
  const lines = DRAWINGS[name].map((d) => svg("path", { d }));
  return svg("svg", { class: `icon icon-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" }, lines);
}
