"""What every verifier promises, told once for all of them, and what only one of them promises."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import cbor2
import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from flows.authority import Evidence
from flows.model import Assurance, Checked, Method, Wrong
from flows.registration import Authenticator, used
from handlers.ports import Question, Verdict, Verifier
from handlers.verifiers.code import CodeVerifier, first_step, new_seed, provisioning_uri
from handlers.verifiers.passkey import (
    CHANGED,
    COPIED,
    PasskeyVerifier,
    RegistrationFailed,
    credential_id,
)
from tests.authenticator import NotAllowed, SoftAuthenticator, b64, unb64

NOW = datetime(2026, 3, 2, 9, 30, 15, tzinfo=UTC)
STEP = timedelta(seconds=30)
ORIGIN = "https://desk.example"
CHALLENGE = bytes(range(32))


def a_question(person: str, name: str = "first", *authenticators: Authenticator) -> Question:
    """One challenge for one request; another name is another request."""
    nonce = hashlib.sha256(b"nonce " + name.encode()).hexdigest()
    digest = hashlib.sha256(b"digest " + name.encode()).hexdigest()
    return Question(person, nonce, digest, authenticators)


def evidence_of(question: Question, verdict: Verdict) -> Evidence:
    """The row that is kept of a yes."""
    yes = verdict.answer
    assert isinstance(yes, Checked)
    assert verdict.signed is not None
    return Evidence(
        nonce=yes.nonce,
        request="CS-2K7QF",
        purpose="prove",
        person=question.person,
        method=yes.method,
        assurance=yes.assurance,
        digest=yes.digest,
        device=yes.device,
        authenticator=yes.authenticator,
        at=NOW,
        until=NOW + timedelta(minutes=10),
        signed=verdict.signed,
    )


# -- the people's devices -----------------------------------------------------------------------


class Bench(Protocol):
    """One method on a workbench: register with it, and answer rightly with what was registered."""

    verifier: Verifier
    wrong: frozenset[Wrong]

    async def register(self, person: str) -> Authenticator: ...

    async def answer(self, question: Question, authenticator: Authenticator) -> dict[str, str]: ...

    def changed(self, evidence: Evidence) -> Sequence[Evidence]:
        """The row with one thing changed, for everything that a recheck can notice."""
        ...


@dataclass
class PasskeyBench:
    passkeys: PasskeyVerifier = field(
        default_factory=lambda: PasskeyVerifier("desk.example", "Countersign", ORIGIN)
    )
    wrong: frozenset[Wrong] = frozenset({Wrong.PASSKEY})
    held: dict[str, SoftAuthenticator] = field(default_factory=dict)

    @property
    def verifier(self) -> Verifier:
        return self.passkeys

    async def register(self, person: str) -> Authenticator:
        phone = SoftAuthenticator(ORIGIN)
        options = await self.passkeys.offer(person, person.title(), CHALLENGE, [])
        new = await self.passkeys.register(phone.make(options), CHALLENGE)
        self.held[new.id] = phone
        return Authenticator(
            new.id, person, f"{person}-phone", Method.PASSKEY, new.material, new.counter, NOW, new.backed_up
        )

    def phone(self, authenticator: Authenticator) -> SoftAuthenticator:
        return self.held[authenticator.id]

    async def answer(self, question: Question, authenticator: Authenticator) -> dict[str, str]:
        options = await self.passkeys.ask(replace(question, authenticators=[only(authenticator, question)]))
        return {"credential": self.phone(authenticator).get(options)}

    def changed(self, evidence: Evidence) -> Sequence[Evidence]:
        other = {
            "credential_id": b64(bytes(32)),
            "rp_id": "evil.example",
            "origin": "https://evil.example",
        }
        parts: list[Mapping[str, str]] = []
        for name, value in evidence.signed.items():
            parts.append({k: v for k, v in evidence.signed.items() if k != name})
            parts.append({**evidence.signed, name: other.get(name) or one_bit_off(value)})
            parts.append({**evidence.signed, name: value + "="})
            parts.append({**evidence.signed, name: "\N{SNOWMAN}"})
        return [
            replace(evidence, method=Method.CODE),
            replace(evidence, assurance=Assurance.MULTI_FACTOR),
            replace(evidence, nonce=evidence.digest),
            replace(evidence, nonce="not hex"),
            replace(evidence, digest=evidence.nonce),
            replace(evidence, digest=evidence.digest + " "),
            # Where the nonce ends and the digest begins is part of what was signed.
            replace(evidence, nonce=evidence.nonce[:-2], digest=evidence.nonce[-2:] + evidence.digest),
            replace(evidence, authenticator=b64(bytes(32))),
            replace(evidence, signed={}),
            replace(evidence, signed={**evidence.signed, "more": ""}),
            # The library's CBOR reader makes an e-mail message of tag 36, and hands it on as a key.
            replace(evidence, signed={**evidence.signed, "public_key": b64(bytes.fromhex("d8246178"))}),
            *(replace(evidence, signed=signed) for signed in parts),
        ]


@dataclass
class CodeBench:
    verifier: Verifier = field(default_factory=lambda: CodeVerifier(number_of, lambda a: a.material))
    wrong: frozenset[Wrong] = frozenset({Wrong.NUMBER, Wrong.CODE})

    async def register(self, person: str) -> Authenticator:
        return an_app(person)

    async def answer(self, question: Question, authenticator: Authenticator) -> dict[str, str]:
        return {"number": number_of(question.nonce), "code": code_of(authenticator.material, NOW)}

    def changed(self, evidence: Evidence) -> Sequence[Evidence]:
        return [
            replace(evidence, method=Method.PASSKEY),
            replace(evidence, assurance=Assurance.PHISHING_RESISTANT),
            replace(evidence, signed={"signature": "AA"}),
        ]


def only(authenticator: Authenticator, question: Question) -> Authenticator:
    """The authenticator as its own device sees it: never revoked, always the right person's."""
    return replace(authenticator, person=question.person, revoked_at=None)


def one_bit_off(text: str) -> str:
    data = bytearray(unb64(text))
    data[len(data) // 2] ^= 1
    return b64(bytes(data))


def number_of(nonce: str) -> str:
    return f"{int(nonce, 16) % 1_000_000:06}"


def an_app(person: str, counter: int = -1, seed: bytes | None = None) -> Authenticator:
    seed = seed or hashlib.sha256(person.encode()).digest()[:20]
    return Authenticator(
        f"{person}-app", person, f"{person}-laptop", Method.CODE, seed, counter, NOW - timedelta(days=9)
    )


def code_of(seed: bytes, at: datetime) -> str:
    """RFC 6238 and RFC 4226 section 5.3, written out: the tests don't ask the library they judge."""
    step = int(at.timestamp()) // 30
    mac = hashlib.sha1(_pad(seed, 0x5C) + hashlib.sha1(_pad(seed, 0x36) + step.to_bytes(8)).digest()).digest()  # noqa: S324
    offset = mac[-1] & 0xF
    return f"{(int.from_bytes(mac[offset : offset + 4]) & 0x7FFFFFFF) % 1_000_000:06}"


def _pad(key: bytes, byte: int) -> bytes:
    return bytes(b ^ byte for b in key.ljust(64, b"\0"))


BENCHES: list[type[PasskeyBench] | type[CodeBench]] = [PasskeyBench, CodeBench]
every_method = pytest.mark.parametrize("make_bench", BENCHES, ids=["passkey", "code"])
MakeBench = Callable[[], Bench]


# -- the contract -------------------------------------------------------------------------------


@every_method
async def test_a_right_answer_is_checked_for_this_nonce_and_digest(make_bench: MakeBench) -> None:
    bench = make_bench()
    mine = await bench.register("maya")
    question = a_question("maya", "first", mine)

    verdict = await bench.verifier.check(question, await bench.answer(question, mine), NOW)

    assert verdict.answer == Checked(
        bench.verifier.method,
        question.nonce,
        question.digest,
        bench.verifier.assurance,
        mine.device,
        mine.id,
        device_bound=mine.method is Method.PASSKEY,
    )
    assert bench.verifier.assurance is bench.verifier.method.assurance
    assert verdict.used is not None
    assert verdict.used.authenticator == mine
    assert verdict.used.counter > mine.counter
    assert verdict.alarm == ""


@every_method
async def test_the_question_is_json_and_holds_nothing_secret(make_bench: MakeBench) -> None:
    bench = make_bench()
    mine = await bench.register("maya")
    question = a_question("maya", "first", mine)

    said = json.dumps(await bench.verifier.ask(question))

    assert number_of(question.nonce) not in said
    assert mine.material.hex() not in said
    assert b64(mine.material) not in said


@every_method
async def test_an_answer_to_another_request_is_wrong(make_bench: MakeBench) -> None:
    bench = make_bench()
    mine = await bench.register("maya")
    elsewhere = await bench.answer(a_question("maya", "second", mine), mine)

    verdict = await bench.verifier.check(a_question("maya", "first", mine), elsewhere, NOW)

    assert verdict == Verdict(verdict.answer)
    assert verdict.answer in bench.wrong


@every_method
async def test_another_persons_authenticator_is_wrong(make_bench: MakeBench) -> None:
    bench = make_bench()
    mine, eves = await bench.register("maya"), await bench.register("eve")
    question = a_question("maya", "first", mine)
    answer = await bench.answer(question, eves)

    assert (await bench.verifier.check(question, answer, NOW)).answer in bench.wrong
    # Not even if it came along among Maya's by mistake.
    mixed = replace(question, authenticators=[mine, eves])
    assert (await bench.verifier.check(mixed, answer, NOW)).answer in bench.wrong


@every_method
async def test_a_revoked_authenticator_is_wrong(make_bench: MakeBench) -> None:
    bench = make_bench()
    mine = await bench.register("maya")
    question = a_question("maya", "first", replace(mine, revoked_at=NOW))

    verdict = await bench.verifier.check(question, await bench.answer(question, mine), NOW)

    assert verdict.answer in bench.wrong


@every_method
async def test_an_absent_authenticator_is_wrong(make_bench: MakeBench) -> None:
    bench = make_bench()
    mine = await bench.register("maya")
    question = a_question("maya")

    verdict = await bench.verifier.check(question, await bench.answer(question, mine), NOW)

    assert verdict.answer in bench.wrong


@every_method
async def test_an_authenticator_of_another_method_is_wrong(make_bench: MakeBench) -> None:
    bench = make_bench()
    mine = await bench.register("maya")
    other = Method.CODE if mine.method is Method.PASSKEY else Method.PASSKEY
    question = a_question("maya", "first", replace(mine, method=other))

    verdict = await bench.verifier.check(question, await bench.answer(question, mine), NOW)

    assert verdict.answer in bench.wrong


@every_method
async def test_kept_evidence_holds_until_anything_in_it_changes(make_bench: MakeBench) -> None:
    bench = make_bench()
    mine = await bench.register("maya")
    question = a_question("maya", "first", mine)
    verdict = await bench.verifier.check(question, await bench.answer(question, mine), NOW)
    kept = evidence_of(question, verdict)

    assert json.loads(json.dumps(dict(kept.signed))) == kept.signed
    assert await bench.verifier.recheck(kept)
    for changed in bench.changed(kept):
        assert not await bench.verifier.recheck(changed), changed


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
garbage = st.one_of(
    st.text(),
    st.text("0123456789 \N{FULLWIDTH DIGIT ONE}\N{SUPERSCRIPT TWO}", max_size=9),
    st.text(st.characters(categories=["Cs"]), min_size=1),  # lone surrogates
    json_values.map(json.dumps),
    json_values,  # not even text, as a form parser may let through
    st.binary(),
)


@every_method
@given(answer=st.dictionaries(st.sampled_from(["credential", "number", "code", "other"]), garbage))
async def test_garbage_is_a_wrong_answer(make_bench: MakeBench, answer: dict[str, Any]) -> None:
    bench = make_bench()
    mine = await bench.register("maya")

    verdict = await bench.verifier.check(a_question("maya", "first", mine), answer, NOW)

    assert verdict.answer in bench.wrong
    assert verdict == Verdict(verdict.answer)


# -- passkeys -----------------------------------------------------------------------------------

PASSKEY_NO = Verdict(Wrong.PASSKEY)


async def a_passkey(
    counter: int | None = None,
) -> tuple[PasskeyVerifier, SoftAuthenticator, Authenticator, Question]:
    """Maya's phone, with the last counter we know of, and a question to her."""
    bench = PasskeyBench()
    mine = await bench.register("maya")
    mine = mine if counter is None else replace(mine, counter=counter)
    return bench.passkeys, bench.phone(mine), mine, a_question("maya", "first", mine)


async def test_the_passkey_question_names_this_persons_live_passkeys_and_demands_verification() -> None:
    passkeys, _, mine, question = await a_passkey()
    eves = replace(mine, id=b64(b"eve"), person="eve")
    old = replace(mine, id=b64(b"old"), revoked_at=NOW)

    options = await passkeys.ask(replace(question, authenticators=[mine, eves, old, an_app("maya")]))

    bound = b"countersign/passkey/v1" + bytes.fromhex(question.nonce) + bytes.fromhex(question.digest)
    assert options == {
        "challenge": b64(hashlib.sha256(bound).digest()),
        "timeout": 120_000,
        "rpId": "desk.example",
        "allowCredentials": [{"id": mine.id, "type": "public-key"}],
        "userVerification": "required",
    }


@pytest.mark.parametrize(
    ("lie", "value"),
    [
        ("user_present", False),
        ("user_verified", False),
        ("origin", "https://desk.example.evil.example"),
        ("origin", "https://desk.example:8443"),
        ("origin", "http://desk.example"),
        ("rp_id", "evil.example"),
        ("cross_origin", True),
        ("backed_up", True),  # without being eligible: no such authenticator exists
    ],
)
async def test_a_signature_made_otherwise_than_asked_is_wrong(lie: str, value: object) -> None:
    passkeys, phone, _, question = await a_passkey()
    setattr(phone, lie, value)

    answer = {"credential": phone.get(await passkeys.ask(question))}

    assert await passkeys.check(question, answer, NOW) == PASSKEY_NO


async def test_a_signature_over_another_digest_is_wrong() -> None:
    passkeys, phone, _, question = await a_passkey()
    answer = {"credential": phone.get(await passkeys.ask(question))}
    other = replace(question, digest=a_question("maya", "second").digest)

    assert await passkeys.check(other, answer, NOW) == PASSKEY_NO


@pytest.mark.parametrize("part", ["signature", "authenticatorData", "clientDataJSON", "userHandle"])
async def test_one_changed_bit_is_wrong(part: str) -> None:
    passkeys, phone, _, question = await a_passkey()
    credential = json.loads(phone.get(await passkeys.ask(question)))
    credential["response"][part] = one_bit_off(credential["response"][part])

    assert await passkeys.check(question, {"credential": json.dumps(credential)}, NOW) == PASSKEY_NO


async def test_a_registration_is_no_proof() -> None:
    passkeys, phone, mine, question = await a_passkey()
    asked = await passkeys.ask(question)
    offered = await passkeys.offer("maya", "Maya", unb64(str(asked["challenge"])), [])
    credential = json.loads(phone.make(offered)) | {"id": mine.id, "rawId": mine.id}
    credential["response"]["signature"] = b64(b"none")

    assert await passkeys.check(question, {"credential": json.dumps(credential)}, NOW) == PASSKEY_NO


async def test_a_passkey_may_leave_out_whose_it_is() -> None:
    passkeys, phone, _, question = await a_passkey()
    credential = json.loads(phone.get(await passkeys.ask(question)))
    del credential["response"]["userHandle"]

    verdict = await passkeys.check(question, {"credential": json.dumps(credential)}, NOW)

    assert isinstance(verdict.answer, Checked)


async def test_a_replayed_assertion_is_wrong_once_its_counter_was_kept() -> None:
    passkeys, phone, mine, question = await a_passkey()
    answer = {"credential": phone.get(await passkeys.ask(question))}
    first = await passkeys.check(question, answer, NOW)
    assert first.used is not None
    kept = replace(mine, counter=first.used.counter)

    again = await passkeys.check(replace(question, authenticators=[kept]), answer, NOW)

    assert again == Verdict(Wrong.PASSKEY, alarm=COPIED)


@pytest.mark.parametrize("says", [8, 7, 1, 0])
async def test_a_counter_that_does_not_grow_raises_the_alarm(says: int) -> None:
    passkeys, phone, _, question = await a_passkey(counter=8)
    phone.counter, phone.stride = says, 0

    verdict = await passkeys.check(question, {"credential": phone.get(await passkeys.ask(question))}, NOW)

    assert verdict == Verdict(Wrong.PASSKEY, alarm=COPIED)


async def test_the_alarm_takes_the_real_key() -> None:
    passkeys, phone, _, question = await a_passkey(counter=8)
    phone.counter = 3
    credential = json.loads(phone.get(await passkeys.ask(question)))
    credential["response"]["signature"] = one_bit_off(credential["response"]["signature"])

    assert await passkeys.check(question, {"credential": json.dumps(credential)}, NOW) == PASSKEY_NO


async def test_a_synced_passkey_never_counts_and_is_right_all_the_same() -> None:
    passkeys, phone, mine, question = await a_passkey(counter=0)
    phone.counter = phone.stride = 0
    phone.backup_eligible = phone.backed_up = True

    verdict = await passkeys.check(question, {"credential": phone.get(await passkeys.ask(question))}, NOW)

    assert isinstance(verdict.answer, Checked)
    assert verdict.used is not None
    assert (verdict.used.authenticator, verdict.used.counter) == (mine, 0)
    assert verdict.used.backed_up


@pytest.mark.parametrize("synced", [True, False])
async def test_a_passkey_is_registered_as_what_it_says_it_is(synced: bool) -> None:
    passkeys, phone = PasskeyVerifier("desk.example", "Countersign", ORIGIN), SoftAuthenticator(ORIGIN)
    phone.backup_eligible = synced
    new = await passkeys.register(phone.make(await passkeys.offer("maya", "Maya", CHALLENGE, [])), CHALLENGE)
    assert (new.synced, new.backed_up) == (synced, False)


@pytest.mark.parametrize("registered", [True, False])
async def test_a_passkey_that_is_suddenly_of_the_other_kind_raises_the_alarm(registered: bool) -> None:
    passkeys, phone, mine, question = await a_passkey(counter=8)
    phone.counter, phone.backup_eligible = 8, not registered
    question = replace(question, authenticators=[replace(mine, synced=registered)])

    answer = {"credential": phone.get(await passkeys.ask(question))}

    assert await passkeys.check(question, answer, NOW) == Verdict(Wrong.PASSKEY, alarm=CHANGED)


async def test_that_alarm_takes_the_real_key_too() -> None:
    passkeys, phone, mine, question = await a_passkey()
    phone.backup_eligible = True
    question = replace(question, authenticators=[replace(mine, synced=False)])
    credential = json.loads(phone.get(await passkeys.ask(question)))
    credential["response"]["signature"] = one_bit_off(credential["response"]["signature"])

    assert await passkeys.check(question, {"credential": json.dumps(credential)}, NOW) == PASSKEY_NO


@pytest.mark.parametrize("backed_up", [True, False])
async def test_a_copy_may_come_and_go_and_is_remembered(backed_up: bool) -> None:
    passkeys, phone, mine, question = await a_passkey()
    phone.backup_eligible, phone.backed_up = True, backed_up
    question = replace(question, authenticators=[replace(mine, synced=True, backed_up=not backed_up)])

    verdict = await passkeys.check(question, {"credential": phone.get(await passkeys.ask(question))}, NOW)

    assert verdict.used is not None
    assert used(verdict.used.authenticator, 9, verdict.used.backed_up, NOW).backed_up is backed_up


@pytest.mark.parametrize("synced", [True, False])
async def test_the_kind_of_a_passkey_from_before_is_learned_from_its_next_use(synced: bool) -> None:
    passkeys, phone, mine, question = await a_passkey()
    phone.backup_eligible = synced
    question = replace(question, authenticators=[replace(mine, synced=None)])

    verdict = await passkeys.check(question, {"credential": phone.get(await passkeys.ask(question))}, NOW)

    assert verdict.used is not None
    after = used(mine, 9, False, NOW, verdict.used.synced)
    assert (after.synced, after.device_bound) == (synced, not synced)
    assert used(after, 10, False, NOW, not synced).synced is synced, "once known, nothing changes it"


@pytest.mark.parametrize("synced", [True, False])
async def test_kept_evidence_says_by_itself_whether_the_passkey_stays_on_one_device(synced: bool) -> None:
    passkeys, phone, _, question = await a_passkey()
    phone.backup_eligible = synced
    verdict = await passkeys.check(question, {"credential": phone.get(await passkeys.ask(question))}, NOW)
    assert isinstance(verdict.answer, Checked)
    assert verdict.answer.device_bound is not synced

    evidence = evidence_of(question, verdict)
    assert evidence.device_bound is not synced
    assert await passkeys.recheck(evidence)
    for changed in ("", "A", "AAAA", "\N{SNOWMAN}" * 50, "=" * 50):
        assert not replace(evidence, signed={**evidence.signed, "authenticator_data": changed}).device_bound
    assert not replace(evidence, signed={}).device_bound
    assert not replace(evidence, method=Method.CODE).device_bound


async def test_a_credential_is_bounded_before_it_is_read() -> None:
    passkeys, phone, _, question = await a_passkey()
    text = phone.get(await passkeys.ask(question))
    largest = text + " " * (16 * 1024 - len(text))

    assert isinstance((await passkeys.check(question, {"credential": largest}, NOW)).answer, Checked)
    assert await passkeys.check(question, {"credential": largest + " "}, NOW) == PASSKEY_NO


@pytest.mark.parametrize(
    "text",
    [
        "[" * 16_000,
        '{"id":' * 2_000,
        "1" * 16_000,
        "NaN",
        '"\ud800"',
        "{}",
        "[]",
        "null",
        "",
        "\0",
        "\ufeff{}",
    ],
    ids=lambda text: repr(text[:8]),
)
async def test_hostile_json_is_wrong(text: str) -> None:
    passkeys, _, _, question = await a_passkey()

    assert await passkeys.check(question, {"credential": text}, NOW) == PASSKEY_NO
    assert credential_id(text) is None
    with pytest.raises(RegistrationFailed):
        await passkeys.register(text, CHALLENGE)


MEMBERS = [
    ("id",),
    ("rawId",),
    ("type",),
    ("response",),
    ("response", "clientDataJSON"),
    ("response", "authenticatorData"),
    ("response", "signature"),
    ("response", "attestationObject"),
    ("response", "userHandle"),
    ("authenticatorAttachment",),
]
#: What is worth putting there: no base64, base64 of noise, of CBOR and of JSON.
planted = st.one_of(
    json_values.filter(lambda value: value is not None),
    st.binary(max_size=80).map(b64),
    json_values.map(lambda value: b64(cbor2.dumps(value))),
    json_values.map(lambda value: b64(json.dumps(value).encode())),
    st.binary(max_size=40).map(lambda noise: b64(hashlib.sha256(b"desk.example").digest() + b"\xc5" + noise)),
)


def plant(credential: dict[str, Any], member: tuple[str, ...], value: object) -> str:
    holder = credential
    for name in member[:-1]:
        holder = holder[name]
    holder[member[-1]] = value
    return json.dumps(credential)


@given(member=st.sampled_from([m for m in MEMBERS if m[-1] != "attestationObject"]), value=planted)
async def test_a_credential_with_one_hostile_member_is_wrong(member: tuple[str, ...], value: object) -> None:
    passkeys, phone, _, question = await a_passkey()
    text = plant(json.loads(phone.get(await passkeys.ask(question))), member, value)

    verdict = await passkeys.check(question, {"credential": text}, NOW)

    # Where it was made says nothing about whether it is right: a browser may leave the attachment out.
    assert verdict == PASSKEY_NO or (member == ("authenticatorAttachment",) and not isinstance(value, str))


@given(member=st.sampled_from([*MEMBERS[:5], ("response", "attestationObject")]), value=planted)
async def test_a_registration_with_one_hostile_member_fails(member: tuple[str, ...], value: object) -> None:
    passkeys, phone, _, _ = await a_passkey()
    text = plant(json.loads(phone.make(await passkeys.offer("maya", "Maya", CHALLENGE, []))), member, value)

    with pytest.raises(RegistrationFailed):
        await passkeys.register(text, CHALLENGE)


@given(value=planted)
async def test_a_hostile_attestation_statement_fails(value: object) -> None:
    passkeys, phone, _, _ = await a_passkey()
    text = await an_attested(phone, passkeys, fmt="packed", attStmt={"sig": value, "alg": -7})

    with pytest.raises(RegistrationFailed):
        await passkeys.register(text, CHALLENGE)


# -- registering a passkey ----------------------------------------------------------------------


async def test_the_offer_demands_a_verifying_passkey_that_can_be_found_again() -> None:
    passkeys, phone, mine, _ = await a_passkey()

    options: Any = await passkeys.offer("maya", "Maya", CHALLENGE, [mine, an_app("maya")])

    assert options["rp"] == {"id": "desk.example", "name": "Countersign"}
    assert options["challenge"] == b64(CHALLENGE)
    assert options["timeout"] == 120_000
    assert options["attestation"] == "none"
    assert [p["alg"] for p in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["excludeCredentials"] == [{"id": mine.id, "type": "public-key"}]
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert json.loads(json.dumps(options)) == options
    with pytest.raises(NotAllowed):
        phone.make(options)


async def test_a_person_has_one_opaque_handle() -> None:
    passkeys, *_ = await a_passkey()

    async def handle(person: str) -> str:
        options: Any = await passkeys.offer(person, person.title(), CHALLENGE, [])
        return str(options["user"]["id"])

    assert await handle("maya") == await handle("maya") != await handle("omar")
    assert b"maya" not in unb64(await handle("maya"))
    assert len(unb64(await handle("maya"))) <= 64  # WebAuthn Level 3, section 5.4.3


@pytest.mark.parametrize(
    ("lie", "value"),
    [
        ("user_present", False),
        ("user_verified", False),
        ("origin", "https://evil.example"),
        ("rp_id", "evil.example"),
        ("cross_origin", True),
        ("backed_up", True),
    ],
)
async def test_a_passkey_made_otherwise_than_asked_is_not_registered(lie: str, value: object) -> None:
    passkeys, phone, _, _ = await a_passkey()
    setattr(phone, lie, value)
    text = phone.make(await passkeys.offer("maya", "Maya", CHALLENGE, []))

    with pytest.raises(RegistrationFailed) as no:
        await passkeys.register(text, CHALLENGE)

    assert no.value.sentence.startswith("That passkey couldn't be registered")


async def test_a_passkey_made_for_another_challenge_is_not_registered() -> None:
    passkeys, phone, _, _ = await a_passkey()
    text = phone.make(await passkeys.offer("maya", "Maya", CHALLENGE, []))

    with pytest.raises(RegistrationFailed):
        await passkeys.register(text, bytes(32))


async def test_a_passkey_keeps_the_id_its_authenticator_gave_it() -> None:
    passkeys, phone, mine, _ = await a_passkey()
    text = phone.make(await passkeys.offer("eve", "Eve", CHALLENGE, []))
    renamed = json.dumps(json.loads(text) | {"id": mine.id, "rawId": mine.id})

    with pytest.raises(RegistrationFailed):
        await passkeys.register(renamed, CHALLENGE)


P256 = ec.derive_private_key(7, ec.SECP256R1()).public_key().public_numbers()
P384 = ec.derive_private_key(7, ec.SECP384R1()).public_key().public_numbers()
X, Y = P256.x.to_bytes(32, "big"), P256.y.to_bytes(32, "big")
ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()


def rsa_key(bits: int) -> bytes:
    """A modulus of so many bits; nobody needs its factors to register it."""
    return ((1 << (bits - 1)) + 1).to_bytes(bits // 8, "big")


@pytest.mark.parametrize(
    "cose",
    [
        {1: 2, 3: -7, -1: 1, -2: X, -3: Y},
        {1: 1, 3: -8, -1: 6, -2: ED},
        {1: 3, 3: -257, -1: rsa_key(2048), -2: b"\x01\x00\x01"},
    ],
    ids=["ES256", "EdDSA", "RS256"],
)
async def test_each_algorithm_that_was_offered_is_registered(cose: dict[int, object]) -> None:
    passkeys, phone, _, _ = await a_passkey()
    options = await passkeys.offer("maya", "Maya", CHALLENGE, [])

    new = await passkeys.register(phone.make(options, public_key=cbor2.dumps(cose)), CHALLENGE)

    assert cbor2.loads(new.material) == cose
    assert (new.counter, new.backed_up) == (0, False)


@pytest.mark.parametrize(
    "cose",
    [
        4,  # taken for an old security key's uncompressed point, of no length
        "text",
        {},
        {1: 2, 3: -7, -1: 1, -2: X, -3: X},
        {1: 2, 3: -7, -1: 1, -2: X[:31], -3: Y},
        {1: 2, 3: -7, -1: 1, -2: 5, -3: Y},
        {1: 2, 3: -7, -1: 2, -2: P384.x.to_bytes(48, "big"), -3: P384.y.to_bytes(48, "big")},
        {1: 2, 3: -8, -1: 1, -2: X, -3: Y},
        {1: 2, 3: -36, -1: 1, -2: X, -3: Y},
        {1: 1, 3: -8, -1: 6, -2: ED[:31]},
        {1: 1, 3: -7, -1: 6, -2: ED},
        {1: 3, 3: -257, -1: rsa_key(1024), -2: b"\x01\x00\x01"},
        {1: 3, 3: -257, -1: rsa_key(8192), -2: b"\x01\x00\x01"},
        {1: 3, 3: -7, -1: rsa_key(2048), -2: b"\x01\x00\x01"},
        {1: 3, 3: -65535, -1: rsa_key(2048), -2: b"\x01\x00\x01"},
        {1: 9, 3: -7},
    ],
    ids=lambda cose: repr(cose)[:40],
)
async def test_a_key_that_could_never_be_used_is_not_registered(cose: object) -> None:
    passkeys, phone, _, _ = await a_passkey()
    options = await passkeys.offer("maya", "Maya", CHALLENGE, [])

    with pytest.raises(RegistrationFailed):
        await passkeys.register(phone.make(options, public_key=cbor2.dumps(cose)), CHALLENGE)


async def an_attested(phone: SoftAuthenticator, passkeys: PasskeyVerifier, **changes: object) -> str:
    """A new passkey's text with members of its attestation object changed.

    A statement of `...` is one by the passkey itself, as WebAuthn Level 3 section 8.2 has it.
    """
    credential = json.loads(phone.make(await passkeys.offer("maya", "Maya", CHALLENGE, [])))
    attestation = cbor2.loads(unb64(credential["response"]["attestationObject"])) | changes
    if attestation["attStmt"] is ...:
        signed = (
            attestation["authData"] + hashlib.sha256(unb64(credential["response"]["clientDataJSON"])).digest()
        )
        signature = phone.passkeys[-1].key.sign(signed, ec.ECDSA(SHA256()))
        attestation["attStmt"] = {"alg": -7, "sig": signature}
    return plant(credential, ("response", "attestationObject"), b64(cbor2.dumps(attestation)))


async def test_an_attestation_by_the_passkey_itself_is_let_through() -> None:
    passkeys, phone, _, _ = await a_passkey()
    text = await an_attested(phone, passkeys, fmt="packed", attStmt=...)

    new = await passkeys.register(text, CHALLENGE)

    assert unb64(new.id) == phone.passkeys[-1].id


@pytest.mark.parametrize(
    "changes",
    [
        {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"none", "x5c": [b"\x30\x03"]}},
        {"fmt": "fido-u2f", "attStmt": {"sig": b"none", "x5c": [b"\x30\x03"]}},
        {"fmt": "android-safetynet", "attStmt": {"ver": "1", "response": b"a.b.c"}},
        {"fmt": "android-key"},
        {"fmt": "apple"},
        {"fmt": "tpm"},
        {"fmt": "unheard-of"},
        {"fmt": ["none"]},
        # The library would make room for that many bytes.
        {"authData": 37},
        {"authData": 2**40},
        {"authData": 2**70},
        {"authData": "text"},
    ],
    ids=repr,
)
async def test_an_attestation_nobody_asked_for_is_turned_away_unread(changes: dict[str, object]) -> None:
    passkeys, phone, _, _ = await a_passkey()
    text = await an_attested(phone, passkeys, **changes)

    with pytest.raises(RegistrationFailed) as no:
        await passkeys.register(text, CHALLENGE)

    assert no.value.__cause__ is None  # the library wasn't asked


@pytest.mark.parametrize(
    "changes",
    [
        {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"none"}},
        {"attStmt": {"sig": b"some"}},
        {"attStmt": 7},
        {"attStmt": None},
        {"authData": b""},
    ],
    ids=repr,
)
async def test_a_broken_attestation_is_not_registered(changes: dict[str, object]) -> None:
    passkeys, phone, _, _ = await a_passkey()
    text = await an_attested(phone, passkeys, **changes)

    with pytest.raises(RegistrationFailed):
        await passkeys.register(text, CHALLENGE)


async def test_an_empty_challenge_is_a_mistake_of_ours_and_goes_nowhere() -> None:
    passkeys, _, _, question = await a_passkey()

    with pytest.raises(ValueError, match="16 bytes"):
        await passkeys.offer("maya", "Maya", b"", [])
    with pytest.raises(ValueError, match="16 bytes"):
        await passkeys.register("{}", b"")
    with pytest.raises(ValueError, match="16 bytes"):
        await passkeys.ask_anyone(b"")
    with pytest.raises(ValueError, match="lower-case hex"):
        await passkeys.ask(replace(question, nonce=question.nonce[:-2]))


async def test_anyone_can_sign_in_with_the_passkey_their_browser_finds() -> None:
    passkeys, phone, mine, question = await a_passkey()
    named = await passkeys.ask(question)

    options = await passkeys.ask_anyone(unb64(str(named["challenge"])))
    text = phone.get(options)

    assert options == {k: v for k, v in named.items() if k != "allowCredentials"}
    assert credential_id(text) == mine.id
    assert isinstance((await passkeys.check(question, {"credential": text}, NOW)).answer, Checked)


@pytest.mark.parametrize(
    "id", [None, 7, "", "a=", "a+b", "a/b", "a\n", "\N{FULLWIDTH DIGIT ONE}", "a" * 1365, ["a"]]
)
def test_a_credential_id_is_base64url_or_nothing(id: object) -> None:
    assert credential_id(json.dumps({"id": id})) is None


# -- number and code ----------------------------------------------------------------------------

NUMBER_NO, CODE_NO = Verdict(Wrong.NUMBER), Verdict(Wrong.CODE)


async def judged(*, counter: int = -1, **said: Any) -> Verdict:
    """What becomes of Maya's answer, right but for what is `said` instead."""
    mine = an_app("maya", counter)
    question = a_question("maya", "first", mine)
    answer = await CodeBench().answer(question, mine) | said
    return await CodeBench().verifier.check(question, answer, NOW)


# RFC 6238, Appendix B, the SHA-1 rows: (seconds since 1970, eight digits). Six digits are the last six of
# eight, since both are the same number modulo a power of ten (RFC 4226, section 5.3).
RFC_6238_SEED = b"12345678901234567890"
RFC_6238 = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]


@pytest.mark.parametrize(("seconds", "eight"), RFC_6238)
async def test_codes_are_those_of_rfc_6238(seconds: int, eight: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    mine = an_app("maya", seed=RFC_6238_SEED)
    question = a_question("maya", "first", mine)

    verdict = await CodeBench().verifier.check(
        question, {"number": number_of(question.nonce), "code": eight[-6:]}, at
    )

    assert isinstance(verdict.answer, Checked)
    assert verdict.used is not None
    assert verdict.used.counter == seconds // 30
    assert first_step(RFC_6238_SEED, eight[-6:], at) == seconds // 30


def code_at(steps: int) -> str:
    return code_of(an_app("maya").material, NOW + steps * STEP)


PRESENT = int(NOW.timestamp()) // 30


@pytest.mark.parametrize("steps", [0, -1])
async def test_the_present_code_and_the_one_before_are_right(steps: int) -> None:
    verdict = await judged(code=code_at(steps))

    assert verdict.used is not None
    assert verdict.used.counter == PRESENT + steps


@pytest.mark.parametrize("steps", [-3, -2, 1, 2])
async def test_a_code_of_any_other_step_is_wrong(steps: int) -> None:
    assert await judged(code=code_at(steps)) == CODE_NO
    assert first_step(an_app("maya").material, code_at(steps), NOW) is None


async def test_a_code_is_right_once() -> None:
    assert isinstance((await judged(counter=PRESENT - 1)).answer, Checked)
    assert await judged(counter=PRESENT) == CODE_NO


async def test_the_code_before_is_wrong_after_a_newer_one() -> None:
    assert await judged(code=code_at(-1), counter=PRESENT) == CODE_NO
    assert await judged(code=code_at(-1), counter=PRESENT - 1) == CODE_NO


# Found by search: the first step of the RFC's seed whose code is that of the step before, too.
TWIN_STEP = 910738


async def test_of_two_steps_that_share_a_code_the_later_counts() -> None:
    at = datetime.fromtimestamp(30 * TWIN_STEP, UTC)
    assert code_of(RFC_6238_SEED, at) == code_of(RFC_6238_SEED, at - STEP)
    mine = an_app("maya", seed=RFC_6238_SEED)
    question = a_question("maya", "first", mine)

    verdict = await CodeBench().verifier.check(
        question, {"number": number_of(question.nonce), "code": code_of(RFC_6238_SEED, at)}, at
    )

    assert verdict.used is not None
    assert verdict.used.counter == TWIN_STEP


async def test_a_wrong_number_is_told_before_the_code_is_looked_at() -> None:
    right = number_of(a_question("maya").nonce)
    assert await judged(number=code_at(0), code="") == NUMBER_NO
    assert await judged(number=f"{(int(right) + 1) % 1_000_000:06}") == NUMBER_NO


@pytest.mark.parametrize("change", [" {0}", "{0} ", "{1} {2}", " {1} {2} "])
async def test_digits_may_be_typed_in_their_groups(change: str) -> None:
    number, code = (
        change.format(six, six[:3], six[3:]) for six in (number_of(a_question("maya").nonce), code_at(0))
    )

    assert isinstance((await judged(number=number, code=code)).answer, Checked)


FULL_WIDTH = str.maketrans("0123456789", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19")
SUPERSCRIPT = str.maketrans("0123456789", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


TWISTS: dict[str, Callable[[str], str]] = {
    "full-width": lambda six: six.translate(FULL_WIDTH),
    "superscript": lambda six: six.translate(SUPERSCRIPT),
    "one full-width": lambda six: six[:5] + six[5].translate(FULL_WIDTH),
    "a digit after": lambda six: six + "0",
    "a digit before": lambda six: "0" + six,
    "five": lambda six: six[:5],
    "a line end": lambda six: six + "\n",
    "two spaces": lambda six: six[:3] + "  " + six[3:],
    "pairs": lambda six: f"{six[:2]} {six[2:4]} {six[4:]}",
    "one by one": " ".join,
    "no-break space": lambda six: six[:3] + "\u00a0" + six[3:],
    "tab": lambda six: six[:3] + "\t" + six[3:],
    "dash": lambda six: six[:3] + "-" + six[3:],
    "sign": lambda six: "+" + six,
    "much padding": lambda six: " " * 10_000 + six,
    "nothing": lambda _: "",
}


@pytest.mark.parametrize("twist", TWISTS.values(), ids=TWISTS)
async def test_anything_but_six_ascii_digits_is_wrong(twist: Callable[[str], str]) -> None:
    assert await judged(code=twist(code_at(0))) == CODE_NO
    assert await judged(number=twist(number_of(a_question("maya").nonce))) == NUMBER_NO
    assert first_step(an_app("maya").material, twist(code_at(0)), NOW) is None


@given(code=garbage)
async def test_garbage_beside_the_right_number_is_a_wrong_code(code: Any) -> None:
    assert await judged(code=code) == CODE_NO
    assert first_step(an_app("maya").material, code, NOW) is None


async def test_any_of_the_persons_apps_will_do() -> None:
    old, new = an_app("maya", seed=b"o" * 20), replace(an_app("maya"), id="new-app", device="phone")
    question = a_question("maya", "first", old, new)

    verdict = await CodeBench().verifier.check(question, await CodeBench().answer(question, new), NOW)

    assert isinstance(verdict.answer, Checked)
    assert (verdict.answer.authenticator, verdict.answer.device) == ("new-app", "phone")


async def test_a_seed_that_cannot_be_opened_is_no_wrong_answer() -> None:
    class Broken(Exception):
        pass

    def refuse(authenticator: Authenticator) -> bytes:
        raise Broken(authenticator.id)

    mine = an_app("maya")
    question = a_question("maya", "first", mine)
    with pytest.raises(Broken):
        await CodeVerifier(number_of, refuse).check(question, await CodeBench().answer(question, mine), NOW)


def test_a_new_seed_has_160_bits_of_its_own() -> None:
    assert len(new_seed()) == 20
    assert new_seed() != new_seed()


def test_a_sign_in_app_reads_the_seed_back_from_its_address() -> None:
    app = pyotp.parse_uri(provisioning_uri(RFC_6238_SEED, "maya@example.com", "Countersign & Co"))

    assert isinstance(app, pyotp.TOTP)
    assert app.byte_secret() == RFC_6238_SEED
    assert (app.name, app.issuer) == ("maya@example.com", "Countersign & Co")
    assert (app.digits, app.interval, app.digest) == (6, 30, hashlib.sha1)
