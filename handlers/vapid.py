"""The key that push services know this installation by: read, made, and its public half (VAPID, RFC 8292)."""

from __future__ import annotations

import base64
import binascii
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

RAW = 32  # bytes of a private key on P-256, the only curve that VAPID uses
_CURVE = ec.SECP256R1()


def private(text: str) -> ec.EllipticCurvePrivateKey:
    """The key from a PEM, or from the base64url of its 32 bytes. Raises ValueError."""
    if text.lstrip().startswith("-----BEGIN"):
        try:
            found = load_pem_private_key(text.encode(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("it can't be read as a PEM without a passphrase") from None
        if not isinstance(found, ec.EllipticCurvePrivateKey) or found.curve.name != _CURVE.name:
            raise ValueError("it isn't a key on the curve P-256")
        return found
    try:
        return ec.derive_private_key(int.from_bytes(from_base64url(text.strip(), RAW)), _CURVE)
    except ValueError:
        raise ValueError("it is neither a PEM nor the base64url of 32 bytes") from None


def public(text: str) -> str:
    """The public half of a key, as browsers take it: the base64url of its 65 bytes."""
    point = private(text).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64url(point)


def new() -> str:
    """A new private key, in the short form."""
    return base64url(ec.generate_private_key(_CURVE).private_numbers().private_value.to_bytes(RAW))


def base64url(content: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def from_base64url(text: str, length: int) -> bytes:
    """The bytes behind base64url, padded or not. Raises ValueError unless there are `length` of them."""
    bare = text.rstrip("=")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", bare, re.ASCII):
        raise ValueError("it isn't base64url")
    try:
        content = base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        raise ValueError("it isn't base64url") from None
    if len(content) != length:
        raise ValueError(f"it isn't {length} bytes long")
    return content


def on_the_curve(point: bytes) -> bool:
    """Whether these 65 bytes are a public key on P-256."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)
    except ValueError:
        return False
    return True
