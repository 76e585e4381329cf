"""What becomes of words somebody typed: Slack escapes them, and makes mentions and links of what looks like one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

from demo.workspace.people import Json
from demo.workspace.world import World

_MARKED = re.compile(r"(https?://[^\s<>|]*[^\s<>|.,;:!?'\")\]])|(?<!\w)@(\w+)|(?<!\w)#(\w+)")


def escaped(text: str) -> str:
    """The three characters Slack keeps for itself, written as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_sent(world: World, text: str) -> str:
    """The `text` of the message these typed words become."""
    return "".join(_marked(run) for run in _runs(world, text))


def rich_text(world: World, text: str) -> list[Json]:
    """The `blocks` of the message these typed words become."""
    runs = [{key: value for key, value in run.items() if key != "name"} for run in _runs(world, text)]
    section = {"type": "rich_text_section", "elements": runs}
    return [{"type": "rich_text", "block_id": secrets.token_urlsafe(4)[:5], "elements": [section]}]


def _marked(run: Json) -> str:
    match run["type"]:
        case "link":
            return f"<{escaped(run['url'])}>"
        case "user":
            return f"<@{run['user_id']}>"
        case "channel":
            return f"<#{run['channel_id']}|{run['name']}>"
        case _:
            return escaped(run["text"])


def _runs(world: World, text: str) -> Iterator[Json]:
    """The words as runs of rich text, in order."""
    at = 0
    for found in _MARKED.finditer(text):
        run = _mark(world, *found.groups())
        if run is None:
            continue
        if found.start() > at:
            yield {"type": "text", "text": text[at : found.start()]}
        yield run
        at = found.end()
    if at < len(text):
        yield {"type": "text", "text": text[at:]}


def _mark(world: World, link: str | None, user: str | None, channel: str | None) -> Json | None:
    if link:
        return {"type": "link", "url": link}
    if user:
        member = world.find(user)
        return {"type": "user", "user_id": member.id} if member else None
    place = world.channel(f"#{channel}")
    return {"type": "channel", "channel_id": place.id, "name": place.name} if place else None
