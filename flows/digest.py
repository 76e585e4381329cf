"""What exactly was asked, as one number: the digest every proof and signature is bound to.

    digest     = SHA-256(canonical JSON (RFC 8785) of the fields below)
    commitment = HMAC-SHA-256(salt, field name ‖ 0x00 ‖ clear text)
    challenge  = SHA-256(tag ‖ 32-byte nonce ‖ digest)

Free text enters the digest as a commitment only, so erasing salt and clear text later breaks no proof
and leaves nothing to guess at.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec

from flows.model import Request

FORMAT = "countersign/request/v1"
PASSKEY_TAG = b"countersign/passkey/v1"
JUSTIFICATION = "justification"

# Sorted names and no spaces are RFC 8785 for strings, whole numbers and ASCII names, which is all there is here:
# tests/flows/test_digest.py holds it against a hand-written vector and the rfc8785 library.
_canonical = msgspec.json.Encoder(order="sorted").encode


def request_digest(request: Request) -> str:
    """SHA-256 in hex over what is asked. Stage, deadlines and answers are not part of it: they change."""
    texts = {name: value for name, value in request.commitments.items() if name != JUSTIFICATION}
    held = {"value": request.parameters, "commitment": texts}  # neither can hide behind the other's name
    asked: dict[str, Any] = {
        "format": FORMAT,
        "request": request.id,
        "action": {"connector": request.connector, "verb": request.verb},
        "subject": request.subject,
        "requester": request.requester,
        "prover": request.prover,
        "parameters": {
            name: {kind: answers[name] for kind, answers in held.items() if name in answers}
            for name in {*request.parameters, *texts}
        },
        "justification": {"commitment": request.commitments.get(JUSTIFICATION, "")},
        "playbook": {
            "name": request.playbook,
            "version": request.playbook_version,
            "hash": request.playbook_hash,
        },
    }
    return hashlib.sha256(_canonical(asked)).hexdigest()


def commitment(name: str, clear_text: str, salt: bytes) -> str:
    """A salted commitment to one free-text answer, in hex. `salt` is 32 fresh random bytes."""
    return hmac.digest(salt, name.encode() + b"\x00" + clear_text.encode(), "sha256").hex()


def passkey_challenge(nonce: str, digest: str) -> bytes:
    """The 32 bytes a passkey signs: one use, for one request. `nonce` and `digest` are 32 bytes in hex."""
    if len(nonce) != 64 or len(digest) != 64:
        raise ValueError("a nonce and a digest are 32 bytes each, in hex")
    return hashlib.sha256(PASSKEY_TAG + bytes.fromhex(nonce) + bytes.fromhex(digest)).digest()


def sign_in_digest(browser: str, key: str) -> str:
    """What a sign-in is bound to: this browser and nothing else.

    `browser` is its cookie's hash, `key` the name of the key that it will sign with (`key_name`).
    """
    bound = {"format": "countersign/sign-in/v2", "browser": browser, "key": key}
    return hashlib.sha256(_canonical(bound)).hexdigest()


def key_name(point: str) -> str:
    """What a browser's key is called: SHA-256 of its public point, both in base64url without padding."""
    raw = base64.urlsafe_b64decode(point + "=" * (-len(point) % 4))
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
