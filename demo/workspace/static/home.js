// The app's Home tab.

import { draw } from "./blocks.js";
import { h, put } from "./dom.js";

export function home(desk, place) {
  let look = "";
  return {
    render() {
      const blocks = desk.state?.home?.blocks;
      const now = JSON.stringify([desk.me?.user, blocks]);
      if (now === look) return;
      look = now;
      const site = {
        names: desk.names,
        press: (block, element, extra) => desk.press({ view: "home" }, block, element, extra),
        fields: new Map(),
      };
      const empty = h("p", { class: "empty" }, "Your open requests, and what you can ask for, appear here once the app has been asked.");
      put(place, blocks?.length ? draw(blocks, site) : empty);
    },
  };
}
