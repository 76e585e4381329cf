"""What a browser's signature is good for: this request, now, once, by this key. Anything else is no proof."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

import flows.errors as no
from bot.web.proofs import MOST, REMEMBERED, SKEW, Asked, Proofs, usable_point
from flows.digest import key_name
from tests.browser_key import BrowserKey, text

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MAYA, EVE = BrowserKey(), BrowserKey()
ASKED = Asked("POST", "/requests/CS-7F3KQ/code?a=%20b", b"csrf=1&number=482+913&code=000111")
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (SP 800-186, section 3.2.1.3)


def signed(asked: Asked = ASKED, key: BrowserKey = MAYA, at: datetime = NOW, once: str = "") -> str:
    return key.proof(asked.method, asked.target, asked.body, at=at, once=once)


def taken(proof: str, asked: Asked = ASKED, now: datetime = NOW, key: BrowserKey = MAYA) -> bool:
    """What a process that has seen nothing yet says to it."""
    return Proofs().take(proof, key.point, asked, now)


def test_what_was_signed_is_believed() -> None:
    assert taken(signed())
    assert taken(signed(Asked("GET", "/")), Asked("GET", "/"))
    assert key_name(MAYA.point) == MAYA.name


def test_a_proof_is_used_up() -> None:
    seen, proof = Proofs(), signed()
    assert seen.take(proof, MAYA.point, ASKED, NOW)
    assert not seen.take(proof, MAYA.point, ASKED, NOW)
    assert seen.take(signed(), MAYA.point, ASKED, NOW)


def test_turning_a_signature_into_its_twin_doesnt_renew_it() -> None:
    """Of one good (r, s) anybody can make another, (r, n − s)."""
    seen, proof = Proofs(), signed()
    head, signature = proof.rsplit(".", 1)
    raw = base64.urlsafe_b64decode(signature + "==")
    other = f"{head}.{text(raw[:32] + (ORDER - int.from_bytes(raw[32:])).to_bytes(32))}"
    assert taken(other), "it is as good as the first"
    assert seen.take(proof, MAYA.point, ASKED, NOW)
    assert not seen.take(other, MAYA.point, ASKED, NOW)


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, method="GET"),
        replace(ASKED, target="/requests/CS-7F3KQ/secret"),
        replace(ASKED, target="/requests/CS-7F3KQ/code"),
        replace(ASKED, body=b""),
        replace(ASKED, body=ASKED.body.replace(b"913", b"914")),
    ],
    ids=["another method", "another path", "without its query", "no body", "another body"],
)
def test_it_is_for_exactly_what_was_asked(other: Asked) -> None:
    assert not taken(signed(), other)


@pytest.mark.parametrize("off", [SKEW + timedelta(milliseconds=1), -SKEW - timedelta(milliseconds=1)])
def test_it_is_for_now(off: timedelta) -> None:
    assert not taken(signed(at=NOW + off))
    assert taken(signed(at=NOW + off * 0.99))


def test_another_devices_key_signs_nothing_here() -> None:
    assert not taken(signed(key=EVE))
    named_after_her = f"{signed(key=EVE).rsplit('.', 1)[0]}.{signed().rsplit('.', 1)[1]}"
    assert not taken(named_after_her)


@given(place=st.integers(0, 10_000), letter=st.characters(codec="utf-8"))
def test_not_a_letter_of_it_can_be_changed(place: int, letter: str) -> None:
    proof = signed()
    place %= len(proof) - 1  # the last one carries four bits that no byte needs
    changed = proof[:place] + letter + proof[place + 1 :]
    assert taken(changed) == (changed == proof)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_anything_else_is_no_proof(given_instead: str) -> None:
    assert not taken(given_instead)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD"]),
    target=st.text(max_size=40),
    body=st.binary(max_size=60),
)
def test_no_other_request_is_signed_along(method: str, target: str, body: bytes) -> None:
    """Lines can't run into one another: what stands in one of them can't make another request out of this one."""
    if (other := Asked(method, target, body)) != ASKED:
        assert not taken(signed(), other)


# -- where our own answer leads --------------------------------------------------------------------


def test_our_own_answer_leads_on_once_and_nowhere_else() -> None:
    seen, proof = Proofs(), signed()
    seen.take(proof, MAYA.point, ASKED, NOW)
    there = Asked("GET", "/requests/CS-7F3KQ")
    assert not seen.take(proof, MAYA.point, there, NOW), "nobody led there"
    seen.lead(proof, MAYA.point, there.target)
    assert not seen.take(proof, MAYA.point, replace(there, target="/devices"), NOW)
    assert not seen.take(proof, MAYA.point, replace(there, method="POST"), NOW)
    assert not seen.take(proof, EVE.point, there, NOW)
    assert seen.take(proof, MAYA.point, there, NOW)
    assert not seen.take(proof, MAYA.point, there, NOW)


def test_an_answer_leads_only_who_sent_what_it_answers() -> None:
    """The random part is no secret for ever: without the signature that came with it, it opens nothing."""
    seen, proof, once = Proofs(), signed(once="o" * 22), "o" * 22
    seen.take(proof, MAYA.point, ASKED, NOW)
    seen.lead(proof, MAYA.point, "/devices")
    forged = signed(Asked("GET", "/devices"), EVE, once=once)
    assert not seen.take(forged, MAYA.point, Asked("GET", "/devices"), NOW)


# -- remembering -----------------------------------------------------------------------------------


def test_it_is_remembered_longer_than_it_could_be_used() -> None:
    assert REMEMBERED > 2 * SKEW
    seen = Proofs()
    proof = signed(at=NOW + SKEW)
    assert seen.take(proof, MAYA.point, ASKED, NOW)
    for n in range(MOST // 5):  # makes it tidy up
        seen.take(signed(once=f"{n:022}"), MAYA.point, ASKED, NOW)
    assert not seen.take(proof, MAYA.point, ASKED, NOW + 2 * SKEW)


def test_who_signs_too_much_has_to_wait_and_nobody_else_does() -> None:
    seen = Proofs(most=20)
    for n in range(20):
        assert seen.take(signed(once=f"{n:022}"), MAYA.point, ASKED, NOW)
    assert not seen.take(signed(), MAYA.point, ASKED, NOW)
    assert seen.take(signed(key=EVE), EVE.point, ASKED, NOW)
    later = NOW + REMEMBERED
    assert seen.take(signed(at=later), MAYA.point, ASKED, later)


def test_as_many_browsers_are_remembered_as_there_is_room_for() -> None:
    seen = Proofs(browsers=1)
    assert seen.take(signed(), MAYA.point, ASKED, NOW)
    assert not seen.take(signed(key=EVE), EVE.point, ASKED, NOW), "rather none than one that could come twice"
    later = NOW + REMEMBERED
    assert seen.take(signed(key=EVE, at=later), EVE.point, ASKED, later)


def test_a_copied_cookie_is_news_once_a_minute() -> None:
    seen = Proofs(browsers=2)
    assert [seen.worth_noting("d-1", NOW + timedelta(seconds=s)) for s in (0, 1, 59, 60, 61)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert all(seen.worth_noting(f"d-{n}", NOW) for n in range(2, 6))


# -- new keys --------------------------------------------------------------------------------------


def test_a_browsers_key_is_a_point_of_the_curve() -> None:
    assert usable_point(MAYA.point) == MAYA.point
    raw = base64.urlsafe_b64decode(MAYA.point + "=")
    off = text(raw[:-1] + bytes([raw[-1] ^ 1]))
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    wide = text(other.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    infinite = text(b"\x04" + bytes(64))
    for bad in (None, 7, "", "B", off, wide, infinite, MAYA.point + "=", MAYA.point[:-1], ["B"]):
        with pytest.raises(no.NoBrowserKey):
            usable_point(bad)
