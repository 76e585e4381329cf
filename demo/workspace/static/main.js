// The pretend workspace's page: puts the parts together.

import { chat, UNREACHED } from "./chat.js";
import { Desk } from "./desk.js";
import { h, hush, keyed } from "./dom.js";
import { modal } from "./modal.js";
import { people } from "./people.js";
import { Phone } from "./phone.js";
import { security } from "./security.js";
import { guide } from "./tour.js";

const desk = new Desk();
const PANES = [["chat", "Chat"], ["phone", "Phone"], ["security", "Security"]];

/** On a narrow screen one pane is seen at a time. */
function tabs() {
  const bar = document.getElementById("tabs");
  return {
    render() {
      const items = PANES.map(([id, label]) => ({ id, label, here: desk.pane === id, wanted: desk.wanted === id && desk.pane !== id }));
      keyed(bar, items, ({ id }) => id, ({ id, label, here, wanted }) => h("button", {
        type: "button", class: "tab", "aria-pressed": String(here), data: { name: id }, on: { click: () => desk.look(id) },
      }, label, wanted && h("span", { class: "dot" }, hush(", the next step is here"))));
    },
  };
}

async function begin() {
  try {
    await desk.arrive();
  } catch {
    document.getElementById("nothing").hidden = false;
    document.getElementById("nothing").textContent = UNREACHED;
    setTimeout(begin, 2000);
    return;
  }
  desk.phone = new Phone(desk);
  const talk = chat(desk);
  desk.write = talk.write;
  const parts = [people(desk), talk, security(desk), desk.phone, modal(desk), guide(desk, document.getElementById("guide")), tabs()];
  desk.follow(() => {
    for (const part of parts) part.render();
  });
  const { me, ...others } = desk.kept();
  desk.play(desk.person(me) ? me : desk.people[0].person, desk.person(me) ? others : {});
}

void begin();
