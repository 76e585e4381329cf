"""A receiver of webhooks and a program, both as the documents give them to operators, word for word."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.peers.directory import documented

SECRET = "whsec_VGhpcyBpcyBubyBzZWNyZXQsIGJ1dCBsb25nIGVub3VnaA=="


@dataclass(frozen=True)
class Receiver:
    """A running receiver, and what stands in its own memory."""

    url: str
    inside: dict[str, Any]

    def entry(self, **more: object) -> dict[str, object]:
        """What a configuration says of it."""
        return {"url": self.url, "secret": SECRET, "verbs": ["open_door"], "undoes": ["open_door"], **more}

    def changes(self) -> int:
        """How many changes were really made, taking back included."""
        return sum(1 + made["undone"] for made in self.inside["DONE"].values())


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a port of this machine, ended with its thread."""
    inside: dict[str, Any] = {"__name__": "receiver"}
    exec(documented("webhook.md", "import base64, hmac"), inside)  # noqa: S102  our own document

    class Quiet(inside["Receiver"]):  # type: ignore[misc]
        def log_message(self, *_: object) -> None:
            """Nothing: the tests look at what was changed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Receiver(f"http://127.0.0.1:{server.server_port}/countersign", inside)
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Program:
    """The program of the document, and its database."""

    path: Path
    doors: Path

    def entry(self, **more: object) -> dict[str, object]:
        """What a configuration says of it."""
        return {
            "run": [str(self.path)],
            "verbs": ["open_door"],
            "undoes": ["open_door"],
            "environment": {"DOORS": str(self.doors)},
            **more,
        }

    def changes(self) -> int:
        """How many changes were really made, taking back included."""
        if not self.doors.exists():
            return 0
        with closing(sqlite3.connect(self.doors)) as db:
            return int(db.execute("SELECT coalesce(sum(1 + undone), 0) FROM done").fetchone()[0])


def program(folder: Path) -> Program:
    """The program in a folder, as only its owner may change it."""
    path = folder / "doors"
    path.write_text(documented("command.md", "#!/usr/bin/env python3"))
    path.chmod(0o700)
    return Program(path, folder / "doors.db")
