"""What no browser of ours would send: every answer is a plain no, and nothing is different afterwards.

`tests.web.wire` looks at each answer on its way in: no 5xx, no inside, every header, no loose cookie, no cache.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
import structlog.testing
from aiohttp import web

from bot.web.server import make_app
from bot.web.session import COOKIE
from tests.browser.site import Site, site
from tests.company import ON_DEVICE, Phone, company
from tests.intruder import Intruder
from tests.web.wire import FORM, JSON, Answer, Headers, Wire, sound, state

pytestmark = pytest.mark.asyncio(loop_scope="module")

MULTIPART = b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n%s\r\n--x--\r\n'
DEEP = b'{"credential":' + b"[" * 30_000 + b"]" * 30_000 + b"}"


@dataclass(frozen=True)
class Desk:
    """A running desk, Maya's device on it, a browser nobody knows, and the folder that everything is kept in."""

    site: Site
    folder: Path
    phone: Phone
    maya: Wire
    stranger: Wire
    request: str

    def kept(self) -> str:
        return state(self.folder)

    async def settled(self) -> None:
        """Wait until nothing is owed, so that whatever changes after that has another cause."""
        async with asyncio.timeout(10):
            while (await self.site.acme.worker.outbox.waiting())[0]:  # noqa: ASYNC110  another task works
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("hostile")
    async with site(f"sqlite:///{folder / 'desk.db'}", folder) as running:
        phone = await running.acme.enrolled("maya")
        request = await running.acme.asks("password_reset", "maya")
        await running.acme.desk.number(request.id)
        maya, stranger = await Wire.of(running, phone), await Wire.stranger(running)
        yield Desk(running, folder, phone, maya, stranger, request.id)


Ask = Callable[[Desk], Awaitable[Answer]]


def form(headers: Headers = (), body: bytes | None = None, path: str = "/ask/account_unlock") -> Ask:
    """A form as Maya's browser would send it, but for these headers: one of a name replaces ours of that name."""

    async def send(desk: Desk) -> Answer:
        ours = {"Origin": desk.site.url, "Content-Type": FORM, "Cookie": f"{COOKIE}={desk.phone.cookie}"}
        for name, _ in headers:
            ours.pop(name, None)
        given = [
            (name, desk.site.url if value == "{ours}" else value) for name, value in headers if value != b""
        ]
        sent = f"csrf={desk.maya.token}".encode() if body is None else body
        return await desk.maya.send("POST", path, [*ours.items(), *given], sent)

    return send


def script(
    body: bytes, path: str = "/requests/{id}/passkey/finish", who: str = "maya", **headers: str
) -> Ask:
    """Something the script might send, from a browser that may send things."""

    async def send(desk: Desk) -> Answer:
        wire: Wire = getattr(desk, who)
        kind = headers.get("Content_Type", JSON)
        more = [(n.replace("_", "-"), v) for n, v in headers.items() if n != "Content_Type"]
        target = path.replace("{id}", desk.request)
        return await wire.send("POST", target, [*wire.script(), ("Content-Type", kind), *more], body)

    return send


def plain(method: str, path: str, headers: Headers = (), who: str = "stranger") -> Ask:
    """Any method on any path, with this browser's cookie and token."""

    async def send(desk: Desk) -> Answer:
        wire: Wire = getattr(desk, who)
        return await wire.send(method, path.replace("{id}", desk.request), [*wire.script(), *headers])

    return send


def cookie(value: str | bytes, path: str = "/devices", status: str = "GET") -> Ask:
    """A page asked for with this cookie in place of a real one. `{…}` stand for parts of Maya's own."""

    async def send(desk: Desk) -> Answer:
        device, _, secret = desk.phone.cookie.partition(".")
        sent = value
        if isinstance(sent, str):
            sent = sent.replace("{device}", device).replace("{secret}", secret).encode()
        wire = Wire(desk.site)
        return await wire.send(status, path, [("Cookie", COOKIE.encode() + b"=" + sent)])

    return send


EVIL = "https://evil.example"
OTHERS_TOKEN = "0" * 64

#: What is sent → the statuses it may be answered with.
PROBES: dict[str, tuple[Ask, set[int]]] = {
    # another page than ours
    "no Origin": (form([("Origin", b"")]), {403}),
    "another Origin": (form([("Origin", EVIL)]), {403}),
    "null Origin": (form([("Origin", "null")]), {403}),
    "Origin with a path": (form([("Origin", "http://localhost/")]), {403}),
    "two Origins": (form([("Origin", "{ours}"), ("Origin", EVIL)]), {403}),
    "cross-site": (form([("Sec-Fetch-Site", "cross-site")]), {403}),
    "same-site": (form([("Sec-Fetch-Site", "same-site")]), {403}),
    "typed by the user": (form([("Sec-Fetch-Site", "none")]), {403}),
    "two Sec-Fetch-Sites": (
        form([("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")]),
        {403},
    ),
    "another Host": (plain("GET", "/sign-in", [("Host", "evil.example")]), {421}),
    "another port": (plain("GET", "/sign-in", [("Host", "localhost:1")]), {421}),
    "Host with a user": (plain("GET", "/sign-in", [("Host", "localhost@evil.example")]), {421}),
    "an empty Host": (plain("GET", "/sign-in", [("Host", "")]), {421}),
    "another absolute target": (plain("GET", "http://evil.example/sign-in"), {421}),
    # without the token
    "no token": (form(body=b"number=1"), {403}),
    "empty token": (form(body=b"csrf="), {403}),
    "another browser's token": (form(body=b"csrf=" + OTHERS_TOKEN.encode()), {403}),
    "token in the address": (form(body=b"", path="/ask/account_unlock?csrf=" + OTHERS_TOKEN), {403}),
    "token in another header": (form([("X-XSRF-Token", OTHERS_TOKEN)], b""), {403}),
    "token in bytes": (form([("X-CSRF-Token", b"\xff\xfe")]), {400}),
    "token in strange digits": (form(body="csrf=٠١٢".encode()), {403}),
    "a token and no cookie": (form([("Cookie", b"")]), {403}),
    # bodies
    "too much form": (form(body=b"csrf=" + b"a" * 70_000), {413}),
    "too much JSON": (script(b'{"name":"' + b"a" * 70_000 + b'"}'), {413}),
    "too much in pieces": (form([("Transfer-Encoding", "chunked")], b"11800\r\n" + b"a" * 0x11800), {413}),
    "far too much, announced": (form([("Content-Length", b"99999999999")], b"csrf=1"), {413}),
    "a gzip bomb": (form([("Content-Encoding", "gzip")], gzip.compress(bytes(8_000_000))), {415}),
    "a deflate bomb": (form([("Content-Encoding", "deflate")], zlib.compress(bytes(8_000_000))), {415}),
    "gzip that isn't": (script(b"{}", Content_Encoding="gzip"), {415}),
    "an unknown packing": (script(b"{}", Content_Encoding="identity"), {415}),
    "an unknown charset": (form([("Content-Type", FORM + "; charset=bogus")]), {415}),
    "a codec that is no charset": (script(b"{}", Content_Type=JSON + "; charset=zip"), {415}),
    "another charset": (script(b"{}", Content_Type=JSON + "; charset=utf-7"), {415}),
    "multipart": (form([("Content-Type", "multipart/form-data; boundary=x")], MULTIPART), {415}),
    "multipart without boundary": (form([("Content-Type", "multipart/form-data")], b"--"), {415}),
    "plain text": (form([("Content-Type", "text/plain")]), {415}),
    "no content type": (form([("Content-Type", b"")]), {415}),
    "XML": (script(b"<a/>", Content_Type="application/xml"), {415}),
    "a form of bad UTF-8": (form(body=b"csrf=\xff\xfe"), {400}),
    "a form of escaped bad UTF-8": (form(body=b"csrf=%ff%fe&%ff=%00"), {403}),
    "JSON in a form's clothes": (form(body=b'{"csrf":"1"}'), {403}),
    "a form in JSON's clothes": (script(b"csrf=1"), {400}),
    "JSON of bad UTF-8": (script(b'{"name":"\xff"}'), {400}),
    "JSON that ends early": (script(b'{"credential":'), {400}),
    "nothing where JSON belongs": (script(b""), {400}),
    "deep JSON": (script(DEEP[:60_000]), {400}),
    "deep JSON that ends": (script(b'{"credential":' + b"[" * 20_000 + b"]" * 20_000 + b"}"), {200, 400}),
    # addresses
    "bad UTF-8 in the path": (plain("GET", "/requests/%ff%fe", who="maya"), {404}),
    "NUL in the path": (plain("GET", "/requests/%00", who="maya"), {404}),
    "half a character in the path": (plain("GET", "/ask/%ed%a0%80", who="maya"), {404}),
    "a new line in the path": (plain("GET", "/requests/x%0d%0aSet-Cookie:%20a=b", who="maya"), {404}),
    "a new line in the stranger's path": (plain("GET", "/ask/x%0d%0aSet-Cookie:%20a=b"), {303}),
    "bad UTF-8 in the query": (plain("GET", "/sign-in?onward=%ff%00&%ff=1"), {200}),
    "a very long name": (plain("GET", "/requests/" + "A" * 7_000, who="maya"), {404}),
    "out of static, dots": (plain("GET", "/static/../templates/base.html"), {404}),
    "out of static, escaped": (plain("GET", "/static/%2e%2e/templates/base.html"), {404}),
    "out of static, slashes": (plain("GET", "/static/..%2f..%2f..%2fapp.py"), {404}),
    "out of static, twice escaped": (plain("GET", "/static/%252e%252e/server.py"), {404}),
    "out of static, absolute": (plain("GET", "/static//etc/passwd"), {404}),
    "out of static, NUL": (plain("GET", "/static/device.js%00.css"), {404}),
    "static's own list": (plain("GET", "/static/"), {403, 404}),
    "static, strange bytes": (plain("GET", "/static/%ff"), {404}),
    "an unknown page": (plain("GET", "/admin"), {404}),
    "health's neighbour": (plain("GET", "/healthz/../devices"), {404}),
    "another host's path": (plain("GET", "//evil.example/devices"), {404}),
    # methods
    "HEAD of a page": (plain("HEAD", "/sign-in"), {200}),
    "HEAD of an action": (plain("HEAD", "/requests/{id}/secret", who="maya"), {405}),
    "GET of an action": (plain("GET", "/requests/{id}/secret", who="maya"), {405}),
    "GET of a finish": (plain("GET", "/requests/{id}/passkey/finish", who="maya"), {405}),
    "PUT": (plain("PUT", "/devices", [("Content-Type", JSON)], who="maya"), {405}),
    "DELETE": (plain("DELETE", "/requests/{id}", [("Content-Type", JSON)], who="maya"), {405}),
    "PATCH": (plain("PATCH", "/requests/{id}", [("Content-Type", JSON)], who="maya"), {405}),
    "TRACE": (plain("TRACE", "/devices", who="maya"), {405, 415}),
    "OPTIONS": (plain("OPTIONS", "/devices", [("Access-Control-Request-Method", "POST")]), {415}),
    "CONNECT": (plain("CONNECT", "evil.example:443"), {421}),
    "POST to a file": (plain("POST", "/static/device.js"), {405}),
    "another method in a header": (
        plain("GET", "/requests/{id}", [("X-HTTP-Method-Override", "DELETE")]),
        {303},
    ),
    "an expectation": (plain("GET", "/sign-in", [("Expect", "the impossible")]), {417}),
    # cookies
    "no such device": (cookie("AAAAAAAAAAAAAAAAAAAAAA.{secret}"), {303}),
    "a forged secret": (cookie("{device}." + "A" * 43), {303}),
    "half a secret": (cookie("{device}.{secret}"[:-1] + "A"), {303}),
    "another device's secret": (cookie("{secret}.{device}"), {303}),
    "no dot": (cookie("{device}"), {303}),
    "only a dot": (cookie("."), {303}),
    "bytes": (cookie(b"\xff\xfe"), {303}),
    "a quote": (cookie('"'), {303}),
    "a percent": (cookie("%2d.%41"), {303}),
    "a long one": (cookie(b"a" * 7_000), {303}),
    "two, the forged one last": (cookie("{device}.{secret}; " + COOKIE + "=-." + "A" * 43), {200, 303}),
    "another prefix": (cookie("x; __Secure-countersign={device}.{secret}"), {303}),
    # headers that a proxy might have set
    "a forged address": (plain("GET", "/sign-in", [("X-Forwarded-For", "%s, ::1, <script>")]), {200}),
    "a forged host": (plain("GET", "/sign-in", [("X-Forwarded-Host", "evil.example")]), {200}),
    "an Accept of bytes": (plain("GET", "/nothing", [("Accept", b"\xff application/json")]), {404}),
}


@pytest.mark.parametrize("probe", PROBES)
async def test_a_hostile_request_gets_a_plain_no_and_changes_nothing(desk: Desk, probe: str) -> None:
    send, allowed = PROBES[probe]
    await desk.settled()
    before = desk.kept()
    answer = await send(desk)
    assert answer.status in allowed, answer
    assert "evil.example" not in answer.header("location")
    if answer.status == 303:
        assert answer.header("location").startswith("/sign-in?")
    unharmed = before == desk.kept() or probe == "deep JSON that ends"  # a wrong answer is on record
    assert unharmed


#: Every address that takes JSON → what it answers to nonsense, when asked by somebody who may send things there.
JSON_PAGES = {
    "/sign-in/begin": ("stranger", {400, 409}),  # 409: that is no key
    "/sign-in/finish": ("stranger", {400, 409}),
    "/enrol/begin": ("stranger", {400, 404}),
    "/enrol/finish": ("stranger", {400, 404}),
    "/requests/{id}/passkey/begin": ("maya", {200}),
    "/requests/{id}/passkey/finish": ("maya", {200, 303, 400, 409}),
}
NONSENSE = (
    b"null",
    b"[]",
    b'"text"',
    b"7",
    b"NaN",
    b"-Infinity",
    b"9" * 5_000,
    b"1e999999",
    b"{}",
    b'{"credential":null,"name":null,"onward":null}',
    b'{"credential":[],"name":[],"onward":{}}',
    b'{"credential":{"id":7,"rawId":{},"response":[],"type":null}}',
    b'{"credential":{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"%","signature":1}}}',
    b'{"credential":{"id":"\\ud800"},"name":"\\ud800","onward":"\\ud800"}',
    b'{"credential":NaN,"name":1e400}',
    b'{"key":7}',
    b'{"key":"B\\ud800"}',
    b'{"key":"B' + b"_" * 86 + b'"}',  # on no curve
    b'{"__proto__":{"a":1},"constructor":null}',
)


@pytest.mark.parametrize("path", JSON_PAGES)
async def test_json_of_the_wrong_kind_is_never_a_defect(desk: Desk, path: str) -> None:
    who, allowed = JSON_PAGES[path]
    for body in NONSENSE:
        before = desk.kept()
        answer = await script(body, path, who)(desk)
        assert answer.status in allowed, (body, answer)
        assert who == "maya" or before == desk.kept()
    await desk.settled()


async def test_a_session_alone_changes_nothing_anywhere(desk: Desk) -> None:
    """A stranger's browser holds a genuine token of its own: every form and every address tells it to sign in."""
    before = desk.kept()
    posts = ("", "/code", "/secret", "/retry", "/cancel", "/disown", "/deny", "/give_up", "/passkey/begin")
    for path in (f"/requests/{desk.request}{end}" for end in posts[1:]):
        answer = await desk.stranger.post(path)
        assert (answer.status, "This browser isn't signed in" in answer.text) == (403, True), path
    for path in ("/ask/password_reset", f"/devices/{desk.phone.device}/rename", "/devices/x/remove"):
        assert (await desk.stranger.post(path, {"name": "Mine"})).status == 403, path
    assert (await desk.stranger.post("/enrol/app", {"code": "123456", "name": "Mine"})).status == 404
    assert (await desk.stranger.post("/enrol/" + "A" * 43)).status == 404
    assert desk.kept() == before


async def test_a_stranger_cant_tell_a_request_that_exists(desk: Desk) -> None:
    real = await desk.stranger.get(f"/requests/{desk.request}")
    none = await desk.stranger.get("/requests/CS-00000")
    assert real.status == none.status == 303
    assert real.header("location").partition("CS-")[0] == none.header("location").partition("CS-")[0]


async def test_another_persons_token_is_no_good_here(desk: Desk) -> None:
    before = desk.kept()
    for thief, token in ((desk.maya, desk.stranger.token), (desk.stranger, desk.maya.token)):
        wire = replace(thief, token=token, answers=[])
        assert (await wire.post("/ask/account_unlock")).status == 403
    assert desk.kept() == before


async def test_a_form_sent_from_elsewhere_signs_nobody_out(desk: Desk) -> None:
    """Such a request comes without our cookie. If the answer set one, it would overwrite the device's own."""
    bare = Wire(desk.site)
    for path in ("/", "/devices", "/sign-in", f"/requests/{desk.request}/disown"):
        answer = await bare.send("POST", path, [("Origin", EVIL), ("Content-Type", FORM)], b"a=b")
        assert answer.status in (403, 405)
        assert not answer.header("set-cookie")


async def test_the_first_page_anywhere_carries_the_cookie_of_its_token(desk: Desk) -> None:
    for path in ("/", "/sign-in"):
        fresh = Wire(desk.site)
        assert (await fresh.get(path)).cookie.startswith("-.")
        assert (await fresh.json("/sign-in/begin", {})).status == 200


async def test_onward_leads_nowhere_else(desk: Desk) -> None:
    for onward in (
        "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/%09/evil.example/..//x",
        "/\t/evil.example", "\\\\evil.example", "/x\nLocation: //evil.example",
    ):  # fmt: skip
        page = await desk.stranger.get(f"/sign-in?onward={quote(onward, safe='')}")
        assert page.status == 200
        carried = page.text.split('name="onward" value="')[1].split('"')[0]
        assert carried.startswith("/")
        assert not carried.startswith(("//", "/\\"))
        assert "\n" not in carried
        assert "\t" not in carried


async def test_what_is_typed_into_the_address_stays_text(desk: Desk) -> None:
    script_tag = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
    for path in (
        f"/sign-in?onward=/{script_tag}",
        f"/ask/device_revocation?device={script_tag}&for-whom={script_tag}",
    ):
        for wire in (desk.maya, desk.stranger):
            assert "<script>alert" not in (await wire.get(path)).text


async def test_a_name_is_understood_as_it_is_read_out(desk: Desk) -> None:
    digits = desk.request[3:].replace("0", "o").replace("1", "l")
    assert (await desk.maya.get(f"/requests/cs-{digits.lower()}")).status == 200
    for name in (
        "CS-",
        "CS-\uff11\uff12\uff13\uff14\uff15",
        f"{desk.request}%20",
        f"\uff23\uff33-{digits}",
        "CS-UUUUU",
        f"{desk.request}A",
    ):
        answer = await desk.maya.send("GET", "/requests/" + _escaped(name), desk.maya.script())
        assert answer.status == 404, name


async def test_nothing_of_an_unknown_name_is_kept(desk: Desk) -> None:
    before = desk.kept()
    for name in ("maya's private note", "A" * 5_000, "%00", "../../x"):
        assert (await desk.maya.post(f"/requests/{_escaped(name)}/cancel")).status == 404
    assert desk.kept() == before


async def test_the_log_holds_routes_and_never_what_was_in_them(desk: Desk) -> None:
    token = await desk.site.acme.house.registry.first_link("omar")
    with structlog.testing.capture_logs() as lines:
        wire = Wire(desk.site)
        await wire.get(f"/enrol/{token}")
        await wire.post(f"/enrol/{token}")
        await wire.get(f"/enrol/{token}x")
        await wire.get("/sign-in?onward=/secret-place")
        await desk.maya.get("/requests/%0aforged%20line")
        await wire.send("POST", "/enrol/app", [("Content-Type", FORM)], b"csrf=marked-token&code=918273")
    text = json.dumps(lines, default=repr)
    assert "/enrol/{token}" in text
    for secret in (
        token,
        token[:20],
        wire.cookie,
        wire.token,
        "secret-place",
        "marked-token",
        "918273",
        "forged",
    ):
        assert secret not in text


async def test_one_form_pressed_many_times_counts_once(desk: Desk) -> None:
    acme = desk.site.acme
    phone = await acme.enrolled("nina")
    nina = await Wire.of(desk.site, phone)
    many = await asyncio.gather(*(nina.post("/ask/password_reset") for _ in range(6)))
    assert sorted(answer.status for answer in many) == [303] + [422] * 5
    name = next(a for a in many if a.status == 303).header("location").rsplit("/", 1)[1]
    _, number = await acme.desk.number(name)
    typed = {"number": number, "code": phone.code(acme.hands())}
    many = await asyncio.gather(*(nina.post(f"/requests/{name}/code", typed) for _ in range(6)))
    assert sorted(answer.status for answer in many) == [303] + [409] * 5
    await desk.settled()
    many = await asyncio.gather(*(nina.post(f"/requests/{name}/secret") for _ in range(6)))
    assert sorted(answer.status for answer in many) == [200] + [409] * 5
    assert (await nina.post(f"/requests/{name}/code", typed)).status == 409
    again = await nina.post("/ask/account_unlock")
    replay = await nina.post(f"{again.header('location')}/code", typed)
    assert replay.status == 422  # its own number, and a code that was used
    await desk.settled()


async def test_malformed_http_is_refused_before_anything_reads_it(desk: Desk) -> None:
    host = desk.site.url.partition("://")[2].encode()
    before = desk.kept()
    for request in (
        b"GET /sign-in HTTP/1.1\r\n\r\n",
        b"GET /sign-in HTTP/1.1\r\nHost: %s\r\nHost: evil.example\r\n\r\n" % host,
        b"POST /enrol HTTP/1.1\r\nHost: %s\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        % host,
        b"POST /sign-in/begin HTTP/1.1\r\nHost: %s\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"
        % host,
        b"POST /sign-in/begin HTTP/1.1\r\nHost: %s\r\nContent-Length: -1\r\n\r\n" % host,
        b"GET /sign-in HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n\r\n" % (host, b"a" * 9_000),
        b"GET /sign-in HTTP/1.1\r\nHost: %s\r\nX: a\x00b\r\n\r\n" % host,
        b"GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n" % (b"a" * 9_000, host),
        b"GET /sign-in HTTP/1.1\r\nHost : %s\r\n\r\n" % host,
        b"BREW /sign-in HTTP/1.1\r\nHost: %s\r\n\r\n" % host,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ):
        answer = await desk.stranger.raw(request)
        assert answer.status == 400, request
        assert b"Traceback" not in answer.body
        assert not answer.header("set-cookie")
    assert desk.kept() == before


async def test_only_files_are_cached_and_they_carry_no_cookie(desk: Desk) -> None:
    for name in ("device.js", "countersign.css", "icon.svg"):
        answer = await Wire(desk.site).get(f"/static/{name}")
        assert (answer.status, answer.header("cache-control")) == (200, "public, max-age=300")
    for path in ("/healthz", "/readyz", "/static/none.js"):
        answer = await Wire(desk.site).get(path)
        assert (answer.header("cache-control"), answer.header("set-cookie")) == ("no-store", "")
        assert answer.header("server") == ""


async def test_every_page_of_somebody_registered_is_as_sound(desk: Desk) -> None:
    """200, 303, 404 and 405 come by above. Here every address that a person can open, and the words of each."""
    opened = (await desk.site.acme.asks("account_unlock", "maya", origin=ON_DEVICE)).id
    pages = ("/", "/devices", "/ask/password_reset", "/ask/device_revocation", f"/requests/{desk.request}")
    acts = [f"/requests/{opened}", *(f"/requests/{opened}/{act}" for act in ("state", "disown", "cancel"))]
    for path in (*pages, *acts, f"/devices/{desk.phone.device}/remove"):
        answer = await desk.maya.get(path)
        assert answer.status == 200, path
        assert "style=" not in answer.text
        assert not re.search(r"<script>|\son[a-z]+=", answer.text)
    assert (await desk.maya.get("/devices/app")).header("location") == "/ask/add_device"


async def test_a_defect_shows_nothing_of_its_inside(tmp_path: Path) -> None:
    """A table is gone: the page says so in our words, with every header, and health says no more than 503."""
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    async with site(url, tmp_path) as running:
        wire = await Wire.stranger(running)
        await Intruder(url).run("ALTER TABLE invitations RENAME TO gone")
        await Intruder(url).run("ALTER TABLE tree_head RENAME TO gone_too")
        for path, status in (("/enrol/" + "A" * 43, 500), ("/readyz", 503)):
            with structlog.testing.capture_logs() as lines:
                request = f"GET {path} HTTP/1.1\r\nHost: {running.url[7:]}\r\nConnection: close\r\n\r\n"
                answer = await wire.raw(request.encode())
            assert answer.status == status
            assert lines
            sound(replace(answer, status=200))


async def test_over_https_browsers_stay_there_and_a_body_that_never_comes_is_not_waited_for(
    tmp_path: Path,
) -> None:
    house = {"public_url": "https://desk.example.com"}
    async with company(f"sqlite:///{tmp_path / 'desk.db'}", tmp_path, **house) as acme:  # type: ignore[arg-type]
        runner = web.AppRunner(make_app(acme.house, patience=0.2), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        wire = Wire(Site(acme, f"http://127.0.0.1:{runner.addresses[0][1]}", []))
        host = ("Host", "desk.example.com")
        answer = await wire.send("GET", "/sign-in", [host])
        assert answer.status == 200
        assert answer.header("strict-transport-security").startswith("max-age=63072000")
        for rest in (("Content-Length", "10"), ("Transfer-Encoding", "chunked")):
            answer = await wire.send("POST", "/enrol/app", [host, ("Content-Type", FORM), rest], b"5\r\n")
            assert answer.status == 408
        await runner.cleanup()


def _escaped(text: str) -> str:
    return text if "%" in text else quote(text)
