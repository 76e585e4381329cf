"""Logs for operators: one structured line a hop, `request_id` always, never a code, a secret or a card's text."""

from __future__ import annotations

import logging
import sys

import structlog

#: Names under which something secret could arrive. They are blanked whatever happens: the last net, not the first.
_SECRET = {
    "secret",
    "password",
    "token",
    "code",
    "number",
    "cookie",
    "seed",
    "csrf",
    "answer",
    "authorization",
}


def _blank(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name in event:
        if name.lower() in _SECRET:
            event[name] = "[blanked]"
    return event


def configure(form: str) -> None:
    """Set the one log format: `json` for machines, `console` for people. Logs go to standard error."""
    renderer = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _blank,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
