"""What Bolt hands us: acknowledge, read, pass on. Only windows and a form's errors come before."""

from __future__ import annotations

import re
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp

from bot import block_kit, slack_reading
from bot.cards import Form
from bot.slack_work import SlackWork
from bot.verbs import HOME

log = structlog.get_logger()

Json = dict[str, Any]

EVERYTHING = re.compile(r".*", re.DOTALL)
ELSEWHERE = "I've answered you in our direct messages."


def listen(app: AsyncApp, work: SlackWork) -> None:
    """Register every listener, what comes most often first: Bolt tries them one after the other."""

    @app.action(EVERYTHING)
    async def pressed(ack: AsyncAck, body: Json, context: Json) -> None:
        key, click = context["delivery"], slack_reading.click(body)
        opened = click is not None and await work.window(key, click, body.get("trigger_id", ""))
        await ack()
        if click is None:
            work.after.nothing(key)
        elif not opened:
            work.after.pressed(key, click)

    @app.event("message")
    async def written(ack: AsyncAck, body: Json, context: Json) -> None:
        await ack()
        said = slack_reading.message(body)
        if said is None:
            work.after.nothing(context["delivery"])
        else:
            work.after.said(context["delivery"], said)

    @app.command(EVERYTHING)
    async def commanded(ack: AsyncAck, body: Json, context: Json) -> None:
        await (ack() if work.answered_here(body["user_id"], body["channel_id"]) else ack(ELSEWHERE))
        work.after.said(context["delivery"], slack_reading.command(body))

    @app.message_shortcut(EVERYTHING)
    async def shared(ack: AsyncAck, body: Json, context: Json) -> None:
        await ack()
        work.after.said(context["delivery"], slack_reading.shared(body))

    @app.global_shortcut(EVERYTHING)
    async def began(ack: AsyncAck, body: Json, context: Json) -> None:
        await work.picking(context["delivery"], slack_reading.presser(body), body.get("trigger_id", ""))
        await ack()

    @app.event("app_home_opened")
    async def looked(ack: AsyncAck, body: Json, context: Json) -> None:
        await ack()
        if body["event"].get("tab") == HOME:
            work.after.looked(context["delivery"], slack_reading.looker(body))
        else:
            work.after.nothing(context["delivery"])

    @app.view_submission(EVERYTHING)
    async def filled(ack: AsyncAck, body: Json, context: Json) -> None:
        key, click = context["delivery"], slack_reading.form(body)
        if click is None:
            work.after.nothing(key)
            await ack()
            return
        match await work.judged(key, click):
            case Form() as form:
                await ack(response_action="update", view=block_kit.modal(form))
            case None:
                await ack()
            case errors:
                await ack(response_action="errors", errors=errors)

    @app.view_closed(EVERYTHING)
    async def left(ack: AsyncAck, context: Json) -> None:
        await ack()
        work.after.nothing(context["delivery"])

    @app.error
    async def stumbled(error: Exception, context: Json) -> None:
        """A defect of ours. The delivery stays undone, and what it says out of the log."""
        log.error("listener_failed", delivery=context.get("delivery"), error=type(error).__name__)
