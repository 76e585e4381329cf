"""Behind the signature: a body can be read in one way, or isn't read at all."""

from __future__ import annotations

import json
import time
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import gate
from bot.gate import Refused
from bot.strict import DEEPEST, read_form, read_json
from tests.web.slack_posts import (
    CHALLENGE,
    COMMAND,
    FORM,
    JSON,
    MESSAGE,
    NOW,
    PRESS,
    SECRET,
    SENT,
    SHORTCUT,
    but,
    encoded,
    headers,
    in_a_field,
    passed,
    refused,
    signed,
)

BODY, _ = encoded(PRESS)


# -- how it is written --------------------------------------------------------------------------


def deep(levels: int) -> str:
    """A message's JSON with something nested so that the whole has this many levels."""
    text = json.dumps(MESSAGE)
    return text[:-1] + ',"more":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


TEXTS: dict[str, tuple[str | bytes, str]] = {
    "nothing": (b"", "json"),
    "a blank": (b" ", "json"),
    "null": (b"null", "json"),
    "a list": (b"[]", "json"),
    "a text": (b'"x"', "json"),
    "a number": (b"7", "json"),
    "two objects": (b"{}{}", "json"),
    "an unfinished one": (b'{"a":', "json"),
    "an unfinished text": (b'{"a":"', "json"),
    "a comment": (b"{}/**/", "json"),
    "a comma too many": (b'{"a":1,}', "json"),
    "single quotes": (b"{'a':1}", "json"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "json"),
    "UTF-16": ("{}".encode("utf-16-le"), "json"),
    "a NUL after it": (b"{}\0", "json"),
    "a raw NUL in a text": (b'{"a":"\0"}', "json"),
    "a raw new line in a text": (b'{"a":"\n"}', "json"),
    "no UTF-8": (b'{"a":"\xff"}', "encoding"),
    "overlong UTF-8": (b'{"a":"\xc0\xaf"}', "encoding"),
    "a surrogate in UTF-8": (b'{"a":"\xed\xa0\x80"}', "encoding"),
    "UTF-8 cut off": (b'{"a":"\xf0\x9f\x99', "encoding"),
    "a lone surrogate": (json.dumps(but(MESSAGE, "event.text", "\ud800")), "text"),
    "surrogates the wrong way round": (json.dumps(but(MESSAGE, "event.text", "\udc00\ud800")), "text"),
    "a lone surrogate for a key": (json.dumps({**MESSAGE, "\udfff": 1}), "text"),
    "an escaped NUL": (json.dumps(but(MESSAGE, "event.text", "a\0b")), "text"),
    "an escaped NUL beside an umlaut": (json.dumps(but(MESSAGE, "event.text", "ü\0")), "text"),
    "a key twice": (b'{"type":"event_callback","type":"block_actions"}', "key twice"),
    "a key twice, deep down": (json.dumps(MESSAGE)[:-1] + ',"a":{"b":[{"c":1,"c":1}]}}', "key twice"),
    "a key twice, once escaped": (b'{"a":1,"\\u0061":2}', "key twice"),
    "NaN": (json.dumps(MESSAGE)[:-1] + ',"a":NaN}', "number"),
    "infinity": (json.dumps(MESSAGE)[:-1] + ',"a":[-Infinity]}', "number"),
    "infinity in digits": (json.dumps(MESSAGE)[:-1] + ',"a":1e999}', "number"),
    "a number too large for a double": (json.dumps(MESSAGE)[:-1] + ',"a":9007199254740993}', "number"),
    "a number of 400 digits": (json.dumps(MESSAGE)[:-1] + ',"a":' + "9" * 400 + "}", "number"),
    "a number of 20,000 digits": (json.dumps(MESSAGE)[:-1] + ',"a":-' + "9" * 20_000 + "}", "json"),
    "33 levels": (deep(33), "depth"),
    "thousands of levels": (b'{"a":' * 5_000, "depth"),
    "thousands of levels, closed": (b"[" * 10_000 + b"]" * 10_000, "depth"),
    "levels after a text with brackets": (b'["\\"]]]]]",' + b"[" * 40, "depth"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_json_can_be_read_in_one_way_or_not_at_all(name: str) -> None:
    text, word = TEXTS[name]
    body = text if isinstance(text, bytes) else text.encode()
    assert refused(signed(body, JSON), body) == (400, word)
    inside = in_a_field(body)
    expected = "form" if word == "encoding" else word  # it is the form's escapes that are wrong then
    assert refused(signed(inside, FORM), inside) == (400, expected)


def test_32_levels_are_read_and_brackets_in_texts_are_none() -> None:
    assert gate.slack(headers(signed(b := deep(32).encode(), JSON)), b, [SECRET], NOW).kind == "event"
    assert passed(but(MESSAGE, "event.text", '[{"' * 2_000 + "\\")).kind == "event"


def test_socket_mode_goes_no_deeper() -> None:
    nested: object = "deep"
    for _ in range(DEEPEST - 1):
        nested = [nested]
    assert gate.shape({**MESSAGE, "more": nested}) == "event"
    with pytest.raises(Refused, match="depth"):
        gate.shape({**MESSAGE, "more": [nested]})
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(Refused, match="depth"):
        gate.shape({**MESSAGE, "more": nested})
    while isinstance(nested, list):  # taken apart by hand: letting go of it all at once is recursion too
        nested = nested.pop()


FORMS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "form"),
    "no value": (b"payload", "form"),
    "no name": (b"=1", "form"),
    "only separators": (b"&&&", "form"),
    "a capital in a name": (b"Payload=%7B%7D", "form"),
    "a bracket in a name": (b"payload[]=%7B%7D", "form"),
    "JSON": (json.dumps(PRESS).encode(), "form"),
    "JSON for a name": (b"%7B%22a%22%3A1%7D=1", "form"),
    "bytes": (b"payload=\xff", "encoding"),
    "raw UTF-8": ("text=ü".encode(), "form"),
    "escaped bytes": (b"text=%ff", "form"),
    "an escaped surrogate": (b"text=%ed%a0%80", "form"),
    "overlong escapes": (b"text=%c0%af", "form"),
    "half an escape": (b"text=%", "form"),
    "no escape": (b"text=%zz", "form"),
    "NUL": (b"text=\0", "form"),
    "a blank": (b"text=a b", "form"),
    "a new line": (b"text=a\nb", "form"),
    "an escaped NUL": (encoded({**COMMAND, "text": "a\0b"})[0], "text"),
    "a payload twice": (BODY + b"&" + BODY, "key twice"),
    "a payload twice, another one first": (b"payload=%7B%7D&" + BODY, "key twice"),
    "an escaped name": (BODY + b"&%70ayload=%7B%7D", "form"),
    "a user twice": (encoded(COMMAND)[0] + b"&user_id=U0OMAR", "key twice"),
    "a payload and a command": (BODY + b"&command=/desk", "form"),
    "a payload and a certificate check": (BODY + b"&ssl_check=1", "form"),
    "65 fields": ("&".join(f"a{n}=1" for n in range(65)).encode(), "form"),
    "no payload in the payload": (b"payload=", "json"),
    "a form in the payload": (in_a_field(BODY), "json"),
    "a payload in the payload": (in_a_field(json.dumps({"payload": json.dumps(PRESS)})), "kind"),
    "an event in the payload": (in_a_field(json.dumps(MESSAGE)), "kind"),
    "a challenge in the payload": (in_a_field(json.dumps(CHALLENGE)), "kind"),
    "a command in the payload": (in_a_field(json.dumps(COMMAND)), "kind"),
    "an event's fields": (b"type=event_callback&event_id=Ev0&team_id=T0ACME&event=x", "shape"),
    "a command with a type": (encoded({**COMMAND, "type": "block_actions"})[0], "kind"),
    "a command with an event": (encoded({**COMMAND, "event": "x"})[0], "kind"),
    "a command with authorizations": (encoded({**COMMAND, "authorizations": "x"})[0], "shape"),
    "a command with a message": (encoded({**COMMAND, "message": "x"})[0], "shape"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_says_each_thing_once(name: str) -> None:
    body, word = FORMS[name]
    assert refused(signed(body, FORM), body) == (400, word)


def test_what_comes_as_a_form_is_nothing_as_json() -> None:
    for payload in (PRESS, SENT, SHORTCUT, COMMAND):
        body = json.dumps(payload).encode()
        assert refused(signed(body, JSON), body) == (400, "kind")
    body = encoded(COMMAND)[0]
    assert refused(signed(body, JSON), body) == (400, "json")


@pytest.mark.parametrize(
    "text",
    [
        '"\\' * 30_000, '\\"' * 30_000, '"' * 60_000, '""' * 30_000, "[" * 60_000, "[]" * 30_000, '{"a":' * 12_000,
        '["' * 30_000, "\\" * 60_000, '[' * 33 + '"' * 60_000, "-" * 60_000, "9" * 60_000, '{"a":' + "9" * 60_000,
        "[" + "1," * 30_000, " " * 60_000,
    ],
)  # fmt: skip
def test_no_text_takes_long_to_refuse(text: str) -> None:
    began = time.process_time()
    for read in (read_json, read_form):
        with pytest.raises(Refused):
            read(text)
    assert time.process_time() - began < 0.5


@given(st.dictionaries(st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True), st.text(max_size=9), min_size=1))
def test_a_form_is_read_as_everybody_reads_it(fields: dict[str, str]) -> None:
    """What the library makes of the same text is what Bolt would have made of it."""
    text = urlencode(fields, errors="surrogatepass")
    try:
        found = read_form(text)
    except Refused:
        assert any("\ud800" <= character <= "\udfff" for value in fields.values() for character in value)
        return
    assert found == dict(parse_qsl(text, keep_blank_values=True)) == fields
