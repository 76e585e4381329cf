"""Proof with a passkey: a signature over this request, made on a registered device by a verified person.

The rules are those of WebAuthn Level 3, sections 7.1 (registration) and 7.2 (assertion); the `webauthn`
library keeps most of them and this file the rest. The relying party's id and origin are fixed when the
service starts and never read from an answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    options_to_json_dict,
    parse_authentication_credential_json,
    parse_cbor,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AttestationFormat,
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from flows.authority import Evidence
from flows.digest import passkey_challenge
from flows.errors import Refusal
from flows.model import Assurance, Checked, Method, Wrong
from flows.registration import Authenticator
from handlers.ports import Question, Used, Verdict

TIMEOUT = 120_000  # milliseconds: a passkey challenge lives 2 minutes
LARGEST = 16 * 1024  # bytes of JSON; a browser's own credential is under 4 KiB
ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
COPIED = "a passkey's counter went backward: it may have been copied"
CHANGED = "a passkey says of itself what it didn't when it was registered: whether it can be synced"

# A credential id has at most 1023 bytes (WebAuthn section 7.1), so at most 1364 characters of base64url.
_ID = re.compile(r"[A-Za-z0-9_-]{1,1364}")
_HEX = re.compile(r"[0-9a-f]{64}")
_PARTS = frozenset(
    {"credential_id", "authenticator_data", "client_data", "signature", "public_key", "rp_id", "origin"}
)
# Besides its own exceptions the library lets others through: for a user handle that is no base64, a public
# key that is no map or an e-mail, a point that isn't on its curve, an algorithm OpenSSL was built without.
_UNUSABLE = (WebAuthnException, UnsupportedAlgorithm, ValueError, TypeError, LookupError, AttributeError)


class RegistrationFailed(Refusal):
    """That passkey couldn't be registered, so nothing was changed. Try again, or use another device."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A new passkey: `id` in base64url, `material` a COSE public key, `counter` where its count begins."""

    id: str
    material: bytes
    counter: int
    backed_up: bool
    synced: bool


def credential_id(answer_json: str) -> str | None:
    """The id a browser's credential gives itself, to find the authenticator by; None if it gives none.

    It proves nothing: `check` does.
    """
    return _id(_credential(answer_json))


class PasskeyVerifier:
    """Asks for and judges passkey signatures for one relying party."""

    method: Method = Method.PASSKEY
    assurance: Assurance = Assurance.PHISHING_RESISTANT

    def __init__(self, rp_id: str, rp_name: str, origin: str) -> None:
        self._rp_id = rp_id
        self._rp_name = rp_name
        self._origin = origin

    # -- proving ----------------------------------------------------------------------------

    async def ask(self, question: Question) -> Mapping[str, object]:
        """PublicKeyCredentialRequestOptionsJSON for this challenge and this person's passkeys."""
        return self._request(_challenge(question.nonce, question.digest), _live(question))

    async def ask_anyone(self, challenge: bytes) -> Mapping[str, object]:
        """The same with no passkey named: the browser offers whatever it holds for us. For signing in."""
        return {k: v for k, v in self._request(challenge, ()).items() if k != "allowCredentials"}

    async def check(self, question: Question, answer: Mapping[str, str], now: datetime) -> Verdict:
        """Judge `answer["credential"]`, the JSON text of the browser's credential. Fails closed at each step.

        1. It is JSON of at most 16 KiB and names a live passkey of the person asked.
        2. That passkey signed it for this challenge, here, with the person present and verified.
        3. If it says whose passkey it is, that is the person asked.
        4. It can be synced if it could when it was registered, and can't if it couldn't: that never changes
           (section 7.2, on backup eligibility). Else it isn't what was registered: a no with an alarm.
        5. Its counter grew, or it never counts. Else the passkey may have been copied: a no with an alarm.
           Judged last, and by us: the library does it before the signature, where anyone could raise it.
        """
        challenge = _challenge(question.nonce, question.digest)
        # 1
        parsed = _credential(answer.get("credential"))
        authenticator = {a.id: a for a in _live(question)}.get(_id(parsed) or "")
        if parsed is None or authenticator is None:
            return Verdict(Wrong.PASSKEY)
        # 2
        try:
            credential = parse_authentication_credential_json(parsed)
            verified = _judge(credential, authenticator.material, challenge, self._rp_id, self._origin)
        except _UNUSABLE:
            return Verdict(Wrong.PASSKEY)
        # 3
        if credential.response.user_handle not in (None, _user_handle(question.person)):
            return Verdict(Wrong.PASSKEY)
        # 4
        synced = _synced(verified.credential_device_type)
        if authenticator.synced not in (None, synced):
            return Verdict(Wrong.PASSKEY, alarm=CHANGED)
        # 5
        if 0 < authenticator.counter >= verified.new_sign_count:
            return Verdict(Wrong.PASSKEY, alarm=COPIED)
        return Verdict(
            Checked(
                self.method,
                question.nonce,
                question.digest,
                self.assurance,
                authenticator.device,
                authenticator.id,
                device_bound=not synced,
            ),
            used=Used(authenticator, verified.new_sign_count, verified.credential_backed_up, synced),
            signed={
                "credential_id": authenticator.id,
                "authenticator_data": bytes_to_base64url(credential.response.authenticator_data),
                "client_data": bytes_to_base64url(credential.response.client_data_json),
                "signature": bytes_to_base64url(credential.response.signature),
                "public_key": bytes_to_base64url(authenticator.material),
                "rp_id": self._rp_id,
                "origin": self._origin,
            },
        )

    async def recheck(self, evidence: Evidence) -> bool:
        """Judge a kept signature again, from its row alone. Fails closed at each step.

        1. The row is a passkey's proof, with exactly the parts that `check` keeps.
        2. The passkey it names signed nonce and digest, with the person present and verified.

        Origin and rp id are the row's own, so that evidence outlives a move of the service. Person, times
        and whose key it was are not signed by a passkey: the seal on the row vouches for them.
        """
        # 1
        parts = evidence.signed
        if evidence.method != self.method or evidence.assurance != self.assurance or set(parts) != _PARTS:
            return False
        # 2
        try:
            credential = AuthenticationCredential(
                id=evidence.authenticator,
                raw_id=_decoded(parts["credential_id"]),
                response=AuthenticatorAssertionResponse(
                    client_data_json=_decoded(parts["client_data"]),
                    authenticator_data=_decoded(parts["authenticator_data"]),
                    signature=_decoded(parts["signature"]),
                ),
            )
            challenge = _challenge(evidence.nonce, evidence.digest)
            _judge(credential, _decoded(parts["public_key"]), challenge, parts["rp_id"], parts["origin"])
        except _UNUSABLE:
            return False
        return True

    # -- registering ------------------------------------------------------------------------

    async def offer(
        self, person_id: str, person_name: str, challenge: bytes, existing: Sequence[Authenticator]
    ) -> Mapping[str, object]:
        """PublicKeyCredentialCreationOptionsJSON for a new passkey besides the `existing` ones."""
        options = generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._rp_name,
            user_id=_user_handle(person_id),
            user_name=person_name,
            challenge=_long_enough(challenge),
            timeout=TIMEOUT,
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_descriptors([a for a in existing if a.method is self.method]),
            supported_pub_key_algs=ALGORITHMS,
        )
        return options_to_json_dict(options)

    async def register(self, credential_json: str, challenge: bytes) -> Registered:
        """Judge a new passkey. Raises RegistrationFailed at the first step that fails.

        1. It is JSON of at most 16 KiB.
        2. Its attestation needs no certificate: none was asked for, and none is read.
        3. It was made for this challenge, here, with the person present and verified.
        4. The id it gives itself is the one its authenticator gave it, and no longer than allowed.
        5. Its public key can be used: the library accepts any bytes that look like one.
        """
        expected = _long_enough(challenge)
        # 1
        parsed = _credential(credential_json)
        if parsed is None:
            raise RegistrationFailed
        try:
            credential = parse_registration_credential_json(parsed)
            # 2
            if not _plain(credential.response.attestation_object):
                raise RegistrationFailed
            # 3
            verified = verify_registration_response(
                credential=credential,
                expected_challenge=expected,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                require_user_verification=True,
                supported_pub_key_algs=ALGORITHMS,
            )
            _refuse_framed(credential.response.client_data_json)
            # 4
            given = bytes_to_base64url(verified.credential_id)
            if given != _id(parsed):
                raise RegistrationFailed
            # 5
            if not _usable(verified.credential_public_key):
                raise RegistrationFailed
        except _UNUSABLE as error:
            raise RegistrationFailed from error
        return Registered(
            given,
            verified.credential_public_key,
            verified.sign_count,
            verified.credential_backed_up,
            _synced(verified.credential_device_type),
        )

    def _request(self, challenge: bytes, allowed: Sequence[Authenticator]) -> dict[str, object]:
        options = generate_authentication_options(
            rp_id=self._rp_id,
            challenge=_long_enough(challenge),
            timeout=TIMEOUT,
            allow_credentials=_descriptors(allowed),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json_dict(options)


def _judge(
    credential: AuthenticationCredential, public_key: bytes, challenge: bytes, rp_id: str, origin: str
) -> VerifiedAuthentication:
    """Raise one of _UNUSABLE unless this key signed this challenge on our own page, person verified."""
    verified = verify_authentication_response(
        credential=credential,
        expected_challenge=challenge,
        expected_rp_id=rp_id,
        expected_origin=origin,
        credential_public_key=public_key,
        credential_current_sign_count=0,  # compared by the caller, after the signature
        require_user_verification=True,
    )
    _refuse_framed(credential.response.client_data_json)
    return verified


def _refuse_framed(client_data: bytes) -> None:
    """Raise ValueError if our page stood inside another origin's: the library reads that and doesn't judge."""
    if parse_client_data_json(client_data).cross_origin:
        raise ValueError("our page stood inside another origin's")


def _synced(kind: CredentialDeviceType) -> bool:
    """Whether the flags allow copies on other devices: backup eligibility, bit 3 (section 6.1)."""
    return kind is not CredentialDeviceType.SINGLE_DEVICE


def _plain(attestation_object: bytes) -> bool:
    """Whether this attestation is none, or one by the passkey itself, which a browser may leave in.

    The authenticator data must be bytes: from a number the library would make that many zero bytes.
    """
    attestation = parse_cbor(attestation_object)
    return (
        attestation["fmt"] in (AttestationFormat.NONE, AttestationFormat.PACKED)
        and "x5c" not in attestation["attStmt"]
        and isinstance(attestation["authData"], bytes)
    )


def _usable(public_key: bytes) -> bool:
    """Whether this COSE key is a real one of the three kinds we asked for."""
    decoded = decode_credential_public_key(public_key)
    key = decoded_public_key_to_cryptography(decoded)
    match decoded.alg, key:
        case COSEAlgorithmIdentifier.ECDSA_SHA_256, EllipticCurvePublicKey():
            return isinstance(key.curve, SECP256R1)
        case COSEAlgorithmIdentifier.EDDSA, Ed25519PublicKey():
            return True
        case COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256, RSAPublicKey():
            return 2048 <= key.key_size <= 4096
        case _:
            return False


def _live(question: Question) -> list[Authenticator]:
    return [
        a
        for a in question.authenticators
        if a.method is Method.PASSKEY and a.person == question.person and a.revoked_at is None
    ]


def _descriptors(authenticators: Sequence[Authenticator]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(a.id)) for a in authenticators]


def _credential(text: object) -> dict[str, Any] | None:
    """The JSON object in a text from outside, or None if it is too long or anything else."""
    if not isinstance(text, str) or len(text.encode(errors="surrogatepass")) > LARGEST:
        return None
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _id(credential: Mapping[str, Any] | None) -> str | None:
    named = None if credential is None else credential.get("id")
    return named if isinstance(named, str) and _ID.fullmatch(named) else None


def _decoded(text: str) -> bytes:
    """Base64url in its one canonical spelling: the library's decoder skips what it doesn't know."""
    data = base64url_to_bytes(text)
    if bytes_to_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def _challenge(nonce: str, digest: str) -> bytes:
    # Two fields of any length could share one concatenation; two of 32 bytes cannot.
    if not _HEX.fullmatch(nonce) or not _HEX.fullmatch(digest):
        raise ValueError("a nonce and a digest are 32 bytes in lower-case hex")
    return passkey_challenge(nonce, digest)


def _long_enough(challenge: bytes) -> bytes:
    """The challenge, if it has 16 bytes or more (WebAuthn section 13.4.3). The library replaces an empty one."""
    if len(challenge) < 16:
        raise ValueError("a challenge has at least 16 bytes")
    return challenge


def _user_handle(person_id: str) -> bytes:
    """What a passkey calls its person: always the same, and no name (WebAuthn section 14.6.1)."""
    return hashlib.sha256(b"countersign/user/v1\x00" + person_id.encode()).digest()
