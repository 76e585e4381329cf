"""Proof with two codes: the number shown where they asked, and the code of their sign-in app (RFC 6238).

The number carries the request to the registered device and the app's code proves a second factor; both
are typed there. Neither is signed, so neither resists phishing.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import pyotp

from flows.authority import Evidence
from flows.model import Assurance, Checked, Method, Wrong
from flows.registration import Authenticator
from handlers.ports import Question, Used, Verdict

SEED_BYTES = 20  # 160 bits (RFC 4226 section 4, R6)

# Apps and cards show "482 913", so that is how people type it. [0-9] is ASCII alone: pyotp would take
# full-width and superscript digits for the same code.
_TYPED = re.compile(r" {0,8}([0-9]{3}) ?([0-9]{3}) {0,8}")


class CodeVerifier:
    """Judges number and code together.

    `number` gives the six digits that belong to a nonce; `open_seed` unseals a sign-in app's seed and
    raises if the row was tampered with.
    """

    method: Method = Method.CODE
    assurance: Assurance = Assurance.MULTI_FACTOR

    def __init__(self, number: Callable[[str], str], open_seed: Callable[[Authenticator], bytes]) -> None:
        self._number = number
        self._open_seed = open_seed

    async def ask(self, question: Question) -> Mapping[str, object]:
        """How many digits to leave room for, in each of the two fields."""
        return {"digits": 6}

    async def check(self, question: Question, answer: Mapping[str, str], now: datetime) -> Verdict:
        """Judge `answer["number"]` and `answer["code"]`. Fails closed at each step.

        1. The number is six ASCII digits.
        2. It is the one shown where they asked.
        3. The code is six ASCII digits.
        4. A live sign-in app of the person asked shows it now or showed it one step ago, and nothing of
           that step or a later one was accepted before (RFC 6238 section 5.2).
        """
        # 1
        number = _digits(answer.get("number"))
        # 2
        if number is None or not _same(number, self._number(question.nonce)):
            return Verdict(Wrong.NUMBER)
        # 3
        code = _digits(answer.get("code"))
        if code is None:
            return Verdict(Wrong.CODE)
        # 4
        for authenticator in question.authenticators:
            if (
                authenticator.method is not self.method
                or authenticator.person != question.person
                or authenticator.revoked_at is not None
            ):
                continue
            step = _step(self._open_seed(authenticator), code, now, after=authenticator.counter)
            if step is not None:
                return Verdict(
                    Checked(
                        self.method,
                        question.nonce,
                        question.digest,
                        self.assurance,
                        authenticator.device,
                        authenticator.id,
                    ),
                    used=Used(authenticator, step),
                    signed={},
                )
        return Verdict(Wrong.CODE)

    def app(self, authenticators: Sequence[Authenticator], code: str, now: datetime) -> Used | None:
        """Which of these sign-in apps shows this code, and its step to compare and set; None when none does."""
        digits = _digits(code)
        for authenticator in authenticators if digits else ():
            step = _step(self._open_seed(authenticator), digits or "", now, after=authenticator.counter)
            if step is not None:
                return Used(authenticator, step)
        return None

    async def recheck(self, evidence: Evidence) -> bool:
        """True for a row this method can have written: its own method and strength, nothing signed.

        Two codes leave nothing that could be verified again. The seal on the row is the evidence.
        """
        return evidence.method == self.method and evidence.assurance == self.assurance and not evidence.signed


# -- registering a sign-in app --------------------------------------------------------------------


def new_seed() -> bytes:
    """A fresh seed for a sign-in app, 20 bytes. Seal it before it is kept."""
    return secrets.token_bytes(SEED_BYTES)


def provisioning_uri(seed: bytes, account: str, issuer: str) -> str:
    """The otpauth:// address that a sign-in app reads from a QR code. It holds the seed: show it once."""
    return _app(seed).provisioning_uri(name=account, issuer_name=issuer)


def first_step(seed: bytes, code: str, now: datetime) -> int | None:
    """The step of a new app's first code, to be its counter from now on; None if the code isn't right."""
    digits = _digits(code)
    return None if digits is None else _step(seed, digits, now, after=-1)


def _step(seed: bytes, code: str, now: datetime, after: int) -> int | None:
    """The 30-second step whose code this is: the present one or the one before, later than `after`.

    Each is compared here, the later first: pyotp's window would take the next step too, and of two steps
    that share a code it reports the earlier, after which the same code would be right again.
    """
    app = _app(seed)
    present = app.timecode(now)
    for step in (present, present - 1):
        if step > after and _same(code, app.generate_otp(step)):
            return step
    return None


def _app(seed: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(base64.b32encode(seed).decode("ascii"))


def _digits(typed: object) -> str | None:
    """Six ASCII digits out of what was typed, a space between the groups of three left out; else None."""
    found = _TYPED.fullmatch(typed) if isinstance(typed, str) else None
    return found[1] + found[2] if found else None


def _same(typed: str, expected: str) -> bool:
    return hmac.compare_digest(typed.encode(), expected.encode())
