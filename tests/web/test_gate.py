"""The gate by itself: who gets through, and that everybody else hears one fixed word."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from bot import gate
from bot.gate import Refused
from tests.web.slack_posts import (
    COMMAND,
    FORM,
    GENUINE,
    JSON,
    MESSAGE,
    NOW,
    PRESS,
    RETIRED,
    SECRET,
    but,
    encoded,
    headers,
    passed,
    refused,
    signed,
)

# -- what Slack sends ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENUINE)
def test_what_slack_sends_gets_through(name: str) -> None:
    payload, kind = GENUINE[name]
    post = passed(payload)
    assert (post.payload, post.kind) == (payload, kind)
    assert post.body == encoded(payload)[0]


@pytest.mark.parametrize("name", GENUINE)
def test_a_payload_is_the_same_over_socket_mode(name: str) -> None:
    payload, kind = GENUINE[name]
    if kind == "url_verification":
        with pytest.raises(Refused):
            gate.socket(payload)
        return
    post = gate.socket(payload)
    assert (post.payload, post.kind) == (payload, kind)
    backwards = dict(reversed(payload.items()))
    assert gate.socket(backwards).key == post.key


def test_an_event_is_known_by_its_id_and_anything_else_by_its_bytes() -> None:
    assert passed(MESSAGE).key == gate.socket(MESSAGE).key == "slack:Ev0123ABCD"
    again = {**MESSAGE, "event_time": 1_900_000_060}
    assert passed(again).key == passed(MESSAGE).key
    keys = {passed(payload).key for payload, _ in GENUINE.values()}
    assert len(keys) == len(GENUINE)
    assert passed(PRESS).key == passed(PRESS).key
    assert passed({**PRESS, "event_id": "Ev0123ABCD"}).key != "slack:Ev0123ABCD"


def test_what_people_wrote_is_not_in_the_repr() -> None:
    assert "password" not in repr(passed(MESSAGE))
    assert "payload?" not in repr(passed(COMMAND))


def test_a_message_with_half_of_utf_16_in_two_escapes_is_whole() -> None:
    body = json.dumps(MESSAGE, ensure_ascii=True).encode()
    assert b"\\ud83d\\ude48" in body
    assert passed(MESSAGE).payload["event"]["text"].endswith("🙈")


@pytest.mark.parametrize("form", [JSON, f"{JSON}; charset=utf-8", f'{JSON};charset="UTF-8"', JSON.upper()])
def test_a_charset_may_be_named_when_it_is_utf_8(form: str) -> None:
    body, _ = encoded(MESSAGE)
    assert gate.slack(headers(signed(body, form)), body, [SECRET], NOW).form == JSON


# -- the certificate check, which Slack doesn't sign ----------------------------------------------


@pytest.mark.parametrize("body", [b"ssl_check=1", b"ssl_check=1&token=abc123", b"token=abc123&ssl_check=1"])
def test_the_certificate_check_passes_unsigned_and_says_nothing(body: bytes) -> None:
    post = gate.slack(headers({"Content-Type": FORM}), body, [SECRET], NOW)
    assert (post.kind, post.payload) == ("ssl_check", {"ssl_check": "1"})


@pytest.mark.parametrize(
    "body",
    [
        b"ssl_check=1&payload=%7B%7D",
        b"ssl_check=1&command=/desk&user_id=U0MAYA",
        b"payload=%7B%7D&ssl_check=1",
        b"ssl_check=0",
        b"ssl_check=true",
        b"ssl_check=1&ssl_check=1",
        b"ssl_check=1&token=a%26payload",
        b"ssl_check=1\n",
        b" ssl_check=1",
        b"ssl_check=1&token=" + b"a" * 65,
    ],
)
def test_nothing_rides_on_a_certificate_check(body: bytes) -> None:
    assert refused({"Content-Type": FORM}, body) == (401, "header missing")
    status, _ = refused(signed(body, FORM), body)
    assert status == 400


def test_a_certificate_check_is_a_form() -> None:
    assert refused({"Content-Type": JSON}, b"ssl_check=1") == (401, "header missing")


# -- who signed it ------------------------------------------------------------------------------

BODY, _ = encoded(PRESS)
GOOD = signed(BODY, FORM)
STAMP, SIGNED = GOOD["X-Slack-Request-Timestamp"], GOOD["X-Slack-Signature"]
SIGNATURES: dict[str, tuple[Mapping[str, str] | list[tuple[str, str]], tuple[int, str]]] = {
    "no signature": (
        {"Content-Type": FORM, "X-Slack-Request-Timestamp": STAMP},
        (401, "header missing"),
    ),
    "no time": ({"Content-Type": FORM, "X-Slack-Signature": SIGNED}, (401, "header missing")),
    "an empty signature": ({**GOOD, "X-Slack-Signature": ""}, (401, "header shape")),
    "only its version": ({**GOOD, "X-Slack-Signature": "v0="}, (401, "header shape")),
    "another version": ({**GOOD, "X-Slack-Signature": "v1" + SIGNED[2:]}, (401, "header shape")),
    "capitals": ({**GOOD, "X-Slack-Signature": "v0=" + SIGNED[3:].upper()}, (401, "header shape")),
    "a digit short": ({**GOOD, "X-Slack-Signature": SIGNED[:-1]}, (401, "header shape")),
    "a digit more": ({**GOOD, "X-Slack-Signature": SIGNED + "0"}, (401, "header shape")),
    "a very long one": ({**GOOD, "X-Slack-Signature": SIGNED * 100}, (401, "header shape")),
    "a new line after it": ({**GOOD, "X-Slack-Signature": SIGNED + "\n"}, (401, "header shape")),
    "full-width digits": ({**GOOD, "X-Slack-Signature": "v0=" + "\uff10" * 64}, (401, "header shape")),
    "bytes": ({**GOOD, "X-Slack-Signature": "v0=" + "\udcff" * 64}, (401, "header shape")),
    "two in one": ({**GOOD, "X-Slack-Signature": f"{SIGNED}, {SIGNED}"}, (401, "header shape")),
    "two signatures": ([*GOOD.items(), ("X-Slack-Signature", SIGNED)], (401, "header twice")),
    "two signatures, a wrong one first": (
        [("x-slack-signature", "v0=" + "0" * 64), *GOOD.items()],
        (401, "header twice"),
    ),
    "two times": ([*GOOD.items(), ("x-slack-request-timestamp", STAMP)], (401, "header twice")),
    "all zeros": ({**GOOD, "X-Slack-Signature": "v0=" + "0" * 64}, (401, "signature")),
    "one digit changed": (
        {**GOOD, "X-Slack-Signature": SIGNED[:-1] + ("0" if SIGNED[-1] != "0" else "1")},
        (401, "signature"),
    ),
    "another time": ({**GOOD, "X-Slack-Request-Timestamp": str(int(NOW) + 1)}, (401, "signature")),
    "over other bytes": (signed(BODY + b" ", FORM), (401, "signature")),
    "with another secret": (signed(BODY, FORM, secret="0" * 32), (401, "signature")),
    "with no secret": (signed(BODY, FORM, secret=""), (401, "signature")),
    "with a retired secret": (signed(BODY, FORM, secret=RETIRED), (401, "signature")),
    "no time in it": ({**GOOD, "X-Slack-Request-Timestamp": ""}, (401, "header shape")),
    "a word for the time": ({**GOOD, "X-Slack-Request-Timestamp": "now"}, (401, "header shape")),
    "a sign": ({**GOOD, "X-Slack-Request-Timestamp": f"+{STAMP}"}, (401, "header shape")),
    "an underscore": ({**GOOD, "X-Slack-Request-Timestamp": "1_900_000_000"}, (401, "header shape")),
    "a blank": ({**GOOD, "X-Slack-Request-Timestamp": f" {STAMP}"}, (401, "header shape")),
    "a leading zero": ({**GOOD, "X-Slack-Request-Timestamp": f"0{STAMP}"}, (401, "header shape")),
    "a fraction": ({**GOOD, "X-Slack-Request-Timestamp": f"{STAMP}.0"}, (401, "header shape")),
    "an exponent": ({**GOOD, "X-Slack-Request-Timestamp": "19e8"}, (401, "header shape")),
    "Arabic digits": (
        {**GOOD, "X-Slack-Request-Timestamp": "١٩٠٠٠٠٠٠٠٠"},
        (401, "header shape"),
    ),
    "thousands of digits": ({**GOOD, "X-Slack-Request-Timestamp": "9" * 5000}, (401, "header shape")),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_only_what_this_secret_signed_is_looked_at(name: str) -> None:
    given, answer = SIGNATURES[name]
    assert refused(given, BODY) == answer


def test_a_signature_is_good_for_five_minutes_and_one_minute_ahead() -> None:
    for late in (-60, -1, 0, 299, 300):
        assert gate.slack(headers(GOOD), BODY, [SECRET], NOW + late).kind == "interaction"
    assert refused(GOOD, BODY, now=NOW + 301) == (401, "too old")
    assert refused(GOOD, BODY, now=NOW + 10**9) == (401, "too old")
    assert refused(GOOD, BODY, now=NOW - 61) == (401, "too early")


def test_two_secrets_hold_while_one_takes_over() -> None:
    old, new = signed(BODY, FORM, secret=RETIRED), signed(BODY, FORM)
    for sent in (old, new):
        assert gate.slack(headers(sent), BODY, [SECRET, RETIRED], NOW).kind == "interaction"
    assert refused(old, BODY, (SECRET,)) == (401, "signature")
    assert refused(new, BODY, (RETIRED,)) == (401, "signature")


def test_without_a_secret_nobody_gets_in() -> None:
    blank = signed(BODY, FORM, secret="")
    for secrets in ((), ("",), ("", "")):
        assert refused(GOOD, BODY, secrets) == (401, "signature")
        assert refused(blank, BODY, secrets) == (401, "signature")


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[" * 60_000, b'{"a":NaN}', b"payload=%ff&payload=", b'{"a":1,"a":2}']
)
def test_nothing_unsigned_is_read(body: bytes) -> None:
    """What a reader would stumble over is answered as anything else that nobody signed."""
    for form in (JSON, FORM):
        assert refused(signed(body, form, secret=RETIRED), body) == (401, "signature")


# -- how it is packed ---------------------------------------------------------------------------

PACKINGS: dict[str, tuple[Mapping[str, str] | list[tuple[str, str]], str]] = {
    "none": ({k: v for k, v in GOOD.items() if k != "Content-Type"}, "content type"),
    "two": ([*GOOD.items(), ("Content-Type", JSON)], "content type"),
    "text": ({**GOOD, "Content-Type": "text/plain"}, "content type"),
    "multipart": ({**GOOD, "Content-Type": "multipart/form-data; boundary=x"}, "content type"),
    "both": ({**GOOD, "Content-Type": f"{FORM}, {JSON}"}, "content type"),
    "another charset": ({**GOOD, "Content-Type": f"{FORM}; charset=utf-7"}, "content type"),
    "two charsets": ({**GOOD, "Content-Type": f"{FORM}; charset=utf-8; charset=utf-16"}, "content type"),
    "a suffix": ({**GOOD, "Content-Type": f"{JSON}+x"}, "content type"),
    "a new line": ({**GOOD, "Content-Type": f"{FORM}\n"}, "content type"),
    "gzip": ({**GOOD, "Content-Encoding": "gzip"}, "packed"),
    "identity": ({**GOOD, "Content-Encoding": "identity"}, "packed"),
    "nothing, named": ({**GOOD, "Content-Encoding": ""}, "packed"),
}


@pytest.mark.parametrize("name", PACKINGS)
def test_a_body_is_json_or_a_form_and_not_compressed(name: str) -> None:
    given, word = PACKINGS[name]
    assert refused(given, BODY) == (415, word)


def test_a_body_has_64_kib_at_most() -> None:
    long = but(MESSAGE, "event.text", "a" * (64 * 1024))
    body, form = encoded(long)
    assert refused(signed(body, form), body) == (413, "too large")
    with pytest.raises(Refused) as caught:
        gate.socket(long)
    assert caught.value.status == 413
    assert passed(but(MESSAGE, "event.text", "a" * 60_000)).kind == "event"
