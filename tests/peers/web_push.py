"""A push service that isn't ours: web-push-testing, which checks who sends and decrypts what it is sent.

It speaks plain HTTP on this machine, and keeps everything in memory.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers import npm_folder

PACKAGE = "web-push-testing"
PATIENCE = 30.0  # seconds until it has to answer
_LOOPBACK = Path(__file__).parents[2] / "demo" / "loopback.cjs"  # it would listen on every address


@dataclass(frozen=True)
class PushService:
    """A running push service."""

    port: int

    def subscribes(self, public_key: str) -> Mapping[str, Any]:
        """A browser's subscription, bound to a server's public key: PushSubscription.toJSON, and a name."""
        status, said = self._call(
            "/subscribe", {"userVisibleOnly": "true", "applicationServerKey": public_key}
        )
        assert status == 200, said
        found: Mapping[str, Any] = said["data"]
        return found

    def expires(self, subscription: Mapping[str, Any]) -> None:
        """The browser is gone for good: whatever is pushed there from now on is answered with 410."""
        status, said = self._call(f"/expire-subscription/{subscription['clientHash']}", {})
        assert status == 200, said

    def received(self, subscription: Mapping[str, Any]) -> list[Any]:
        """What was pushed there, decrypted, oldest first."""
        status, said = self._call("/get-notifications", {"clientHash": subscription["clientHash"]})
        assert status == 200, said
        return [json.loads(message) for message in said["data"]["messages"]]

    def _call(self, path: str, body: object) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content.startswith(b"{") else content.decode()
        finally:
            connection.close()


def missing() -> str | None:
    """Why it can't be started here, or None when it can."""
    return npm_folder.missing(PACKAGE)


@contextmanager
def running() -> Iterator[PushService]:
    """A push service on a free port, stopped at the end by its process id."""
    node = npm_folder.node()
    assert node is not None, missing()
    with tempfile.TemporaryDirectory(prefix="countersign-push-") as folder:
        process, port = _started(node, Path(folder) / "log")
        try:
            yield PushService(port)
        finally:
            process.terminate()
            process.wait(timeout=10)


def _started(node: str, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    # Its own command line keeps track of it in a file of all users'; the program behind that is started as it is.
    program = npm_folder.MODULES / PACKAGE / "src" / "bin" / "server.js"
    for _ in range(4):  # between choosing a free port and listening on it somebody else may take it
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        command = [node, "-r", str(_LOOPBACK), str(program), str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        if _answers(process, port):
            return process, port
        process.kill()
        process.wait(timeout=10)
    raise RuntimeError(f"{PACKAGE} doesn't start: {log.read_text(errors='replace')}")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            PushService(port)._call("/status", {})
        except OSError:
            try:
                process.wait(timeout=0.05)  # it ends, or it gets a little more time
            except subprocess.TimeoutExpired:
                continue
            return False
        else:
            return True
    return False
