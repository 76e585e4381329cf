"""Logs for operators: one structured line a hop, `request_id` always, never a code, a secret or a card's text."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO, cast

import msgspec
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


def _finish(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Blank what must not be told; say how much it matters and when it was. One step: each costs every line."""
    for name in event.keys() & _SECRET:
        event[name] = "[blanked]"
    event["level"] = method
    event["timestamp"] = datetime.now(UTC)
    return event


def _places(exc_info: structlog.typing.ExcInfo) -> str:
    """A failure and its causes by type and place. Never a message: it may quote what somebody typed or was given."""
    lines: list[str] = []
    failure: BaseException | None = exc_info[1]
    known: set[int] = set()
    while failure is not None and id(failure) not in known:
        known.add(id(failure))
        frames = traceback.extract_tb(failure.__traceback__)
        lines.append(type(failure).__qualname__)
        lines += [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        failure = failure.__cause__ or (None if failure.__suppress_context__ else failure.__context__)
    return "\n".join(lines)


class _Libraries(logging.Formatter):
    """What libraries log, with their failures written as ours are."""

    def formatException(self, ei: Any) -> str:  # noqa: N802  the name it has there
        """Types and places."""
        return _places(ei)


def _json(event: object, **_: object) -> str:
    return _encode(event).decode()


_encode = msgspec.json.Encoder(enc_hook=str).encode


class _StandardError:
    """Standard error as it is when a line is written: loggers outlive whoever put another in its place."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(form: str) -> None:
    """Set the one log format: `json` for machines, `console` for people. Logs go to standard error."""
    renderer = (
        structlog.processors.JSONRenderer(serializer=_json)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            _finish,
            structlog.processors.ExceptionRenderer(_places),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )
    libraries = logging.StreamHandler(cast("TextIO", _StandardError()))
    libraries.setFormatter(_Libraries(logging.BASIC_FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[libraries])
