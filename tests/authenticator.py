"""A passkey authenticator and its browser in software, for tests that need no Chromium.

`make` and `get` take the options a page would hand to `navigator.credentials` (the JSON of WebAuthn
Level 3, section 5.1.8 and 5.1.9) and answer with the text of the credential's `toJSON()`. It behaves well
until an attribute is set to make it lie:

    phone = SoftAuthenticator("https://desk.example")
    new = phone.make(await passkeys.offer("maya", "Maya", challenge, []))
    phone.user_verified = False
    unverified = phone.get(await passkeys.ask(question))

It knows ES256 alone and gives no attestation, as passkeys of phones and laptops do when none is asked for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# Bits of the flags byte in authenticator data (WebAuthn Level 3, section 6.1).
UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
ES256 = -7


class NotAllowed(Exception):
    """What the browser's promise is rejected with: no passkey here fits, or this one is here already."""


@dataclass(slots=True)
class Passkey:
    """One key pair for one relying party, and whose it is there."""

    id: bytes
    rp_id: str
    user_handle: bytes
    key: ec.EllipticCurvePrivateKey

    @property
    def public_key(self) -> bytes:
        """The public half as a COSE key: kty EC2, alg ES256, crv P-256, x, y (RFC 9053, section 7.1.1)."""
        point = self.key.public_key().public_numbers()
        cose = {1: 2, 3: ES256, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        return cbor2.dumps(cose)


@dataclass
class SoftAuthenticator:
    """Holds passkeys. Every attribute may be set between calls.

    `origin` is the page's; `rp_id`, when set, is what the authenticator signs instead of what it was asked
    for. `counter` is the last signature count given out and grows by `stride`: a stride of 0 with a counter
    of 0 is a synced passkey, which never counts. `backup_eligible` and `backed_up` are the BE and BS flags.
    """

    origin: str
    rp_id: str | None = None
    user_present: bool = True
    user_verified: bool = True
    backup_eligible: bool = False
    backed_up: bool = False
    cross_origin: bool = False
    counter: int = 0
    stride: int = 1
    passkeys: list[Passkey] = field(default_factory=list)

    def make(self, options: Mapping[str, Any], *, public_key: bytes | None = None) -> str:
        """`navigator.credentials.create()`: a new passkey, kept here. RegistrationResponseJSON as text.

        `public_key` is put in place of the real one, for telling the relying party nonsense.
        """
        rp_id = options["rp"].get("id") or urlsplit(self.origin).hostname or ""
        if self._known(options.get("excludeCredentials") or [], rp_id):
            raise NotAllowed("a passkey of this person is here already")
        if not any(p["alg"] == ES256 for p in options["pubKeyCredParams"]):
            raise NotAllowed("only ES256 is known here")
        key = ec.generate_private_key(ec.SECP256R1())
        passkey = Passkey(secrets.token_bytes(32), rp_id, unb64(options["user"]["id"]), key)
        self.passkeys.append(passkey)

        cose = passkey.public_key if public_key is None else public_key
        attested = bytes(16) + len(passkey.id).to_bytes(2, "big") + passkey.id + cose
        data = self._authenticator_data(rp_id, AT) + attested
        response = {
            "clientDataJSON": b64(self._client_data("webauthn.create", options["challenge"])),
            "attestationObject": b64(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            "authenticatorData": b64(data),
            "transports": ["internal"],
            "publicKey": b64(_spki(key)),
            "publicKeyAlgorithm": ES256,
        }
        return _to_json(passkey, response)

    def get(self, options: Mapping[str, Any]) -> str:
        """`navigator.credentials.get()`: a signature by a passkey held here. AuthenticationResponseJSON text.

        With no allowCredentials the newest passkey for the relying party answers, as a chooser would.
        """
        rp_id = options.get("rpId") or urlsplit(self.origin).hostname or ""
        allowed = options.get("allowCredentials") or []
        fitting = self._known(allowed, rp_id) if allowed else [p for p in self.passkeys if p.rp_id == rp_id]
        if not fitting:
            raise NotAllowed("no passkey here fits")
        passkey = fitting[-1]

        self.counter += self.stride
        data = self._authenticator_data(rp_id, 0)
        client_data = self._client_data("webauthn.get", options["challenge"])
        signed = data + hashlib.sha256(client_data).digest()
        response = {
            "clientDataJSON": b64(client_data),
            "authenticatorData": b64(data),
            "signature": b64(passkey.key.sign(signed, ec.ECDSA(hashes.SHA256()))),
            "userHandle": b64(passkey.user_handle),
        }
        return _to_json(passkey, response)

    def _known(self, listed: Sequence[Mapping[str, str]], rp_id: str) -> list[Passkey]:
        ids = {unb64(entry["id"]) for entry in listed}
        return [p for p in self.passkeys if p.rp_id == rp_id and p.id in ids]

    def _client_data(self, type_: str, challenge: str) -> bytes:
        """What the browser says about the call, in the order browsers write it (section 5.8.1.1)."""
        said = {
            "type": type_,
            "challenge": challenge,
            "origin": self.origin,
            "crossOrigin": self.cross_origin,
        }
        return json.dumps(said, separators=(",", ":")).encode()

    def _authenticator_data(self, rp_id: str, more: int) -> bytes:
        """rpIdHash ‖ flags ‖ signCount, before any attested credential data (section 6.1)."""
        flags = (
            more
            | (UP if self.user_present else 0)
            | (UV if self.user_verified else 0)
            | (BE if self.backup_eligible else 0)
            | (BS if self.backed_up else 0)
        )
        rp_id_hash = hashlib.sha256((self.rp_id or rp_id).encode()).digest()
        return rp_id_hash + bytes([flags]) + self.counter.to_bytes(4, "big")


def b64(data: bytes) -> str:
    """Base64url without padding, as WebAuthn's JSON writes bytes."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    """The bytes of base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _to_json(passkey: Passkey, response: Mapping[str, object]) -> str:
    credential = {
        "id": b64(passkey.id),
        "rawId": b64(passkey.id),
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": response,
    }
    return json.dumps(credential)
