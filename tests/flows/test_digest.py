"""The digest is bound to everything that is asked and to nothing that comes after."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from flows import digest
from flows.digest import commitment, passkey_challenge, request_digest, sign_in_digest
from flows.model import Cause, Challenge, Method, Mode, Origin, Request, Stage, Verification
from tests.flows.stories import MORNING, RECEIPT, TERMINAL, collectable

REQUEST = Request(
    id="CS-7QK2M",
    playbook="group_access",
    playbook_version=3,
    playbook_hash="ab" * 32,
    connector="directory",
    verb="add_to_group",
    requester="omar",
    subject="maya",
    prover="maya",
    origin=TERMINAL,
    parameters={"group": "finance-share", "days": "30"},
    commitments={"note": "11" * 32, "justification": "22" * 32},
    stage=Stage.AWAITING_PROOF,
    version=1,
    opened_at=MORNING,
    due_at=MORNING + timedelta(minutes=10),
)

#: Written by hand from RFC 8785: keys sorted at every level, no space anywhere, numbers without a point.
CANONICAL = (
    '{"action":{"connector":"directory","verb":"add_to_group"},'
    '"format":"countersign/request/v1",'
    '"justification":{"commitment":"2222222222222222222222222222222222222222222222222222222222222222"},'
    '"parameters":{"days":{"value":"30"},"group":{"value":"finance-share"},'
    '"note":{"commitment":"1111111111111111111111111111111111111111111111111111111111111111"}},'
    '"playbook":{"hash":"abababababababababababababababababababababababababababababababab",'
    '"name":"group_access","version":3},'
    '"prover":"maya","request":"CS-7QK2M","requester":"omar","subject":"maya"}'
)
#: `printf %s … | sha256sum` of the line above.
DIGEST = "a896d69ae6d32e68289dbce5890cc42e2f966029fcbd0894eabcc0fa247d834b"

ASKED: Mapping[str, Any] = {
    "id": "CS-7QK2N",
    "playbook": "group_acces",
    "playbook_version": 4,
    "playbook_hash": "ac" * 32,
    "connector": "directory2",
    "verb": "remove_from_group",
    "requester": "eve",
    "subject": "omar",
    "prover": "omar",
    "parameters": {"group": "finance-share", "days": "31"},
    "commitments": {"note": "11" * 32, "justification": "23" * 32},
}
PROOF = Verification(
    "maya", Method.PASSKEY, Method.PASSKEY.assurance, "0" * 64, "phone", MORNING, MORNING + timedelta(hours=1)
)
LATER: Mapping[str, Any] = {
    "origin": Origin("chat", "T1", "U1", "C1"),
    "stage": Stage.FULFILLED,
    "version": 9,
    "opened_at": MORNING + timedelta(days=1),
    "due_at": None,
    "challenges": (Challenge("maya", Method.PASSKEY, "0" * 64, MORNING),),
    "failures": {"maya:code": 2},
    "verification": PROOF,
    "approvals": (PROOF,),
    "step": 1,
    "receipt": RECEIPT,
    "reason": "not collected in time",
    "cause": Cause.POLICY,
    "mode": Mode.OFFER,
    "closed_at": MORNING,
}


def test_the_digest_is_the_published_one() -> None:
    assert hashlib.sha256(CANONICAL.encode()).hexdigest() == DIGEST
    assert request_digest(REQUEST) == DIGEST


def test_every_field_is_either_asked_or_comes_later() -> None:
    assert {*ASKED, *LATER} == {field.name for field in fields(Request)}
    assert not {*ASKED} & {*LATER}


@pytest.mark.parametrize("field", ASKED)
def test_whatever_is_asked_changes_the_digest(field: str) -> None:
    assert request_digest(replace(REQUEST, **{field: ASKED[field]})) != DIGEST


@pytest.mark.parametrize("field", LATER)
def test_whatever_comes_later_does_not(field: str) -> None:
    assert request_digest(replace(REQUEST, **{field: LATER[field]})) == DIGEST


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parameters", {"group": "finance-share"}),
        ("parameters", {"group": "finance-share", "days": "30", "more": ""}),
        ("parameters", {"group": "30", "days": "finance-share"}),
        ("parameters", {"Group": "finance-share", "days": "30"}),
        ("parameters", {"group": "finance-share", "days": "30", "note": "11" * 32}),
        ("commitments", {"justification": "22" * 32}),
        ("commitments", {"note": "12" * 32, "justification": "22" * 32}),
        ("commitments", {"note": "22" * 32, "justification": "11" * 32}),
        ("commitments", {"note": "11" * 32}),
    ],
    ids=str,
)
def test_one_answer_more_less_or_moved_changes_the_digest(field: str, value: Mapping[str, str]) -> None:
    assert request_digest(replace(REQUEST, **{field: value})) != DIGEST  # type: ignore[arg-type]


def test_the_order_of_the_answers_is_nothing() -> None:
    turned = {name: dict(reversed(getattr(REQUEST, name).items())) for name in ("parameters", "commitments")}
    assert request_digest(replace(REQUEST, **turned)) == DIGEST


def test_a_whole_request_keeps_its_digest_to_the_end() -> None:
    story = collectable()
    assert story.it.verification is not None
    assert request_digest(story.it) == request_digest(
        replace(story.it, stage=Stage.AWAITING_PROOF, version=1, verification=None, receipt=None)
    )


# -- commitments ----------------------------------------------------------------------------

TEXTS = st.text(max_size=60)
SALTS = st.binary(min_size=32, max_size=32)


def test_a_commitment_is_the_published_one() -> None:
    # printf 'note\0Quarter end' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…07
    expected = hmac.new(b"\x07" * 32, b"note\x00Quarter end", hashlib.sha256).hexdigest()
    assert (
        commitment("note", "Quarter end", b"\x07" * 32)
        == expected
        == "ca8af4fb875133bf26e514ddd6a297c5ec3f417fe59d23cb6010814edcd4b493"
    )


@given(TEXTS, SALTS, SALTS)
def test_the_same_words_under_another_salt_look_like_other_words(
    text: str, salt: bytes, another: bytes
) -> None:
    assert (commitment("note", text, salt) == commitment("note", text, another)) is (salt == another)


@given(TEXTS, TEXTS, SALTS)
def test_a_commitment_holds_one_to_ones_words(text: str, other: str, salt: bytes) -> None:
    assert (commitment("note", text, salt) == commitment("note", other, salt)) is (text == other)


def test_an_answer_cannot_be_moved_to_another_field() -> None:
    salt = b"\x07" * 32
    assert commitment("note", "s\x00x", salt) != commitment("note\x00s", "y", salt)
    assert commitment("a", "text", salt) != commitment("b", "text", salt)


def test_neither_the_words_nor_their_bare_hash_are_to_be_seen_in_what_is_kept() -> None:
    words = "Maya is ill"
    kept = replace(REQUEST, commitments={"note": commitment("note", words, b"\x07" * 32)})
    assert words not in repr(kept)
    assert hashlib.sha256(words.encode()).hexdigest() not in repr(kept)


def test_erasing_the_words_changes_nothing() -> None:
    """The digest is made from the request alone, and nothing in a request can be turned back into words."""
    aside = {"note": ("Maya is ill", b"\x07" * 32)}
    asked = {name: commitment(name, *kept) for name, kept in aside.items()}
    before = request_digest(replace(REQUEST, commitments=asked))
    aside.clear()
    assert request_digest(replace(REQUEST, commitments=asked)) == before


# -- challenges -----------------------------------------------------------------------------


def test_a_passkey_signs_tag_nonce_and_digest() -> None:
    nonce = "5a" * 32
    expected = hashlib.sha256(b"countersign/passkey/v1" + b"\x5a" * 32 + bytes.fromhex(DIGEST)).digest()
    assert passkey_challenge(nonce, DIGEST) == expected
    assert passkey_challenge("5b" * 32, DIGEST) != expected
    assert passkey_challenge(nonce, "00" * 32) != expected


@pytest.mark.parametrize("cut", ["", "5a" * 31, "5a" * 33])
def test_a_nonce_or_digest_of_another_length_is_no_challenge(cut: str) -> None:
    with pytest.raises(ValueError, match="32 bytes each"):
        passkey_challenge(cut, DIGEST)
    with pytest.raises(ValueError, match="32 bytes each"):
        passkey_challenge("5a" * 32, cut)


def test_signing_in_is_bound_to_the_browser_and_to_nothing_that_is_asked() -> None:
    expected = b'{"browser":"cookie","format":"countersign/sign-in/v2","key":"its key"}'
    assert sign_in_digest("cookie", "its key") == hashlib.sha256(expected).hexdigest()
    assert sign_in_digest("another", "its key") != sign_in_digest("cookie", "its key")
    assert sign_in_digest("cookie", "another") != sign_in_digest("cookie", "its key")


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.integers(0, 2**53 - 1),
)
def test_what_is_hashed_is_what_the_rfc8785_library_writes(
    parameters: dict[str, str], subject: str, version: int
) -> None:
    value = {"subject": subject, "parameters": parameters, "playbook": {"version": version}}
    assert digest._canonical(value) == rfc8785.dumps(value)
