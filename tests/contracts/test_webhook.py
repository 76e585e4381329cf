"""A signed webhook: what is sent, whom it is sent to, and what becomes of every kind of answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from demo.workspace.serve import listening
from handlers.changes import Asked, Changes, Uncertain
from handlers.connectors.webhook import connect
from handlers.ports import MissingRight, NoAccount, PolicyRefused, Rejected, Unreachable
from handlers.signed import signature
from tests.contracts.test_connectors import SECRET, a_request
from tests.office import free_port
from tests.peers.certificates import Authority
from tests.peers.receiver import SECRET as SIGNED_WITH

OLDER = "whsec_" + base64.b64encode(b"another secret, thirty-two bytes").decode()
DONE = {"done": True, "reference": "r-1", "observed": "The door is open."}


@dataclass
class There:
    """Somebody at the other end who answers as told, one answer after another, the last one for ever."""

    url: str = ""
    answers: list[Any] = field(default_factory=list)
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((dict(request.headers), await request.read()))
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if told == "silence":
            await asyncio.Event().wait()
        if told == "reset":
            assert request.transport is not None
            request.transport.abort()
        if isinstance(told, web.Response):
            return told
        return web.json_response(told)

    @property
    def operations(self) -> list[str]:
        return [json.loads(body)["operation"] for _, body in self.asked]


@asynccontextmanager
async def there(*answers: Any) -> AsyncIterator[There]:
    made = There(answers=list(answers))
    app = web.Application()
    app.router.add_post("/hook", made.answer)
    app.router.add_post("/elsewhere", made.answer)
    async with listening(app, patience=0.1) as port:
        made.url = f"http://localhost:{port}/hook"
        yield made


@asynccontextmanager
async def system(url: str, **more: object) -> AsyncIterator[Changes]:
    made = connect(
        {"url": url, "secret": SIGNED_WITH, "verbs": ["open_door"], "undoes": ["open_door"], **more}
    )
    yield made
    await made.close()


OPEN = a_request("open_door", door="east")


async def test_what_is_sent_is_signed_with_every_secret_and_says_which_change_it_is() -> None:
    async with there(DONE) as other, system(other.url, secret=[SIGNED_WITH, OLDER]) as ours:
        for _ in range(2):
            await ours.carry_out(OPEN, OPEN.key, SECRET)
    headers, body = other.asked[0]
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for secret, given_ in zip((SIGNED_WITH, OLDER), headers["webhook-signature"].split(), strict=True):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        mac = base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
        assert given_ == f"v1,{mac}"
    told = json.loads(body)
    assert (told["operation"], told["key"], told["subject"], told["secret"]) == (
        "carry_out", OPEN.key, "maya", SECRET,
    )  # fmt: skip
    ids = [headers["webhook-id"] for headers, _ in other.asked]
    assert ids[0] == ids[2], "a change that is asked for again is the same message"
    assert ids[1] != ids[3], "and every look is another"
    assert SECRET not in str([headers for headers, _ in other.asked])


@given(st.dictionaries(st.sampled_from(["door", "why", "until"]), st.text(max_size=80), max_size=3))
def test_whatever_people_wrote_arrives_as_it_was(parameters: dict[str, str]) -> None:
    asked = Asked("carry_out", a_request("open_door", **parameters), "k")
    assert json.loads(asked.document())["parameters"] == parameters


def test_the_signature_is_the_standards() -> None:
    """The example of the Standard Webhooks specification 1.0.0."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


PROBLEM = "application/problem+json"


def refusal(status: int, type: str = "") -> web.Response:
    body = json.dumps({"type": type, "detail": "No, because of that.\u202e"})
    return web.Response(status=status, text=body, content_type=PROBLEM)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(404, "urn:countersign:no-account"), NoAccount),
        (refusal(409, "urn:countersign:missing-right"), MissingRight),
        (refusal(422, "urn:countersign:policy"), PolicyRefused),
        (refusal(403), MissingRight),
        (refusal(401), MissingRight),
        (refusal(410), Rejected),
        (web.Response(status=400, text="no"), Rejected),
        (web.Response(status=503, headers={"Retry-After": "9"}), Unreachable),
        (web.Response(status=503), Uncertain),
        (web.Response(status=500), Uncertain),
        (web.Response(status=429), Uncertain),
        (web.Response(status=307, headers={"Location": "/elsewhere"}), Uncertain),
        (web.Response(text="<html>"), Uncertain),
        (web.Response(text='{"done": true}'), Uncertain),
        (web.Response(text='{"done": "yes"}'), Uncertain),
        (web.Response(text='{"done": true, "done": false}'), Uncertain),
        (web.Response(text="[]"), Uncertain),
        (web.Response(text=json.dumps({"done": False, "x": "y" * 70_000})), Uncertain),
        ("reset", Uncertain),
        ("silence", TimeoutError),
    ],
)
async def test_every_answer_has_one_meaning(answer: Any, kind: type[Exception]) -> None:
    # Only whoever is waited for in vain gets little time, and enough of it to be reached on a busy machine.
    within = 2.0 if answer == "silence" else 15.0
    async with there(answer) as other, system(other.url, answer_within=within) as ours:
        with pytest.raises((kind, Uncertain) if kind is TimeoutError else kind) as said:
            await ours.carry_out(OPEN, OPEN.key, SECRET)
    assert len(other.asked) == 1, "nothing is repeated within a call, and nobody follows"
    assert "\u202e" not in str(said.value)
    assert isinstance(said.value, Rejected | Unreachable) == issubclass(kind, Rejected | Unreachable)


async def test_a_receiver_that_only_says_yes_gets_no_receipt() -> None:
    async with there(DONE, {"done": False}) as other, system(other.url) as ours:
        with pytest.raises(RuntimeError, match="does not show"):
            await ours.carry_out(OPEN, OPEN.key, SECRET)
    assert other.operations == ["carry_out", "check"]


async def test_an_answer_that_is_lost_is_found_by_looking() -> None:
    async with there("reset", DONE) as other, system(other.url) as ours:
        with pytest.raises(Uncertain):
            await ours.carry_out(OPEN, OPEN.key, SECRET)
        receipt = await ours.check(OPEN, OPEN.key, SECRET)
    assert receipt is not None
    assert receipt.observed == "The door is open."


async def test_nobody_there_is_unreachable() -> None:
    async with system(f"http://localhost:{free_port()}/hook") as ours:
        with pytest.raises(Unreachable):
            await ours.carry_out(OPEN, OPEN.key, SECRET)


@pytest.mark.parametrize("wrong", ["authority", "name", "expired", ""])
async def test_whoever_cant_show_who_they_are_is_told_nothing(wrong: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ours, other = Authority(tmp_path), Authority(tmp_path / "other", "Another authority")
    identity = {
        "": lambda: ours.sign("localhost"),
        "authority": lambda: other.sign("localhost"),
        "name": lambda: ours.sign("accounts.elsewhere.example"),
        "expired": lambda: ours.sign("localhost", expired=True),
    }[wrong]()
    made = There(answers=[DONE])
    app = web.Application()
    app.router.add_post("/hook", made.answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    async with system(f"https://localhost:{port}/hook", ca_file=str(ours.file)) as hook:
        if wrong:
            with pytest.raises(Unreachable):
                await hook.carry_out(OPEN, OPEN.key, SECRET)
        else:
            assert await hook.carry_out(OPEN, OPEN.key, SECRET)
    await runner.cleanup()
    assert bool(made.asked) is not bool(wrong)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://accounts.example.com/hook"},
        {"url": "ftp://localhost/"},
        {"url": "https://user:word@accounts.example.com/"},
        {"secret": "whsec_short"},
        {"secret": "not-a-secret"},
        {"secret": []},
        {"verbs": []},
        {"verbs": ["Open Door"]},
        {"verbs": ["open_door\n"]},
        {"undoes": ["paint"]},
        {"ca_file": "/nowhere.pem"},
        {"answer_within": 60},
        {"verify": False},
    ],
)
def test_an_entry_that_is_wrong_is_refused(change: dict[str, object]) -> None:
    good = {"url": "https://accounts.example.com/", "secret": SIGNED_WITH, "verbs": ["open_door"]}
    connect(good)
    with pytest.raises(ValidationError) as error:
        connect({**good, **change})
    assert SIGNED_WITH not in str(error.value)
