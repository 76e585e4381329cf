"""Seals and sealed boxes: what the database can hold but not forge or read.

Everything is derived from COUNTERSIGN_SECRET_KEY by HKDF (RFC 5869), one key a purpose. Several secrets
can be given, newest first: the first one seals, all of them open, `app.py db reseal` moves to the first.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hmac import compare_digest, digest
from operator import itemgetter
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import LargeBinary
from sqlmodel import SQLModel

from flows.errors import Tampered
from storage.tables import LATER, SEALED, Instant, iso

_ID = 4  # bytes of key id in front of every seal and box


class Keys:
    """The keys of this installation. `secrets` are at least 32 characters each, newest first."""

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or any(len(secret) < 32 for secret in secrets):
            raise ValueError("a secret key has at least 32 characters")
        self._secrets = [secret.encode() for secret in secrets]
        self._mac = {self._id(s): HMAC(self._derive(s, "row seal"), SHA256()) for s in self._secrets}
        self._box = {self._id(s): AESGCM(self._derive(s, "sealed box")) for s in self._secrets}
        self._first = self._id(self._secrets[0])

    @staticmethod
    def _derive(secret: bytes, purpose: str) -> bytes:
        info = b"countersign/" + purpose.encode()
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)

    @classmethod
    def _id(cls, secret: bytes) -> bytes:
        return cls._derive(secret, "key id")[:_ID]

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, from the newest secret."""
        return self._derive(self._secrets[0], purpose)

    # -- rows -------------------------------------------------------------------------------

    def seal(self, table: str, row: Mapping[str, Any]) -> bytes:
        """The MAC of a row's covered columns: key id ‖ HMAC-SHA-256."""
        return self._first + self._authenticated(self._first, table, row)

    def holds(self, table: str, row: Mapping[str, Any]) -> bool:
        """True when the row carries the seal its content demands."""
        mac = bytes(row["mac"])
        if mac[:_ID] not in self._mac:
            return False
        return compare_digest(self._authenticated(mac[:_ID], table, row), mac[_ID:])

    def _authenticated(self, id: bytes, table: str, row: Mapping[str, Any]) -> bytes:
        mac = self._mac[id].copy()  # has taken in its key already
        mac.update(_content(table, row))
        return mac.finalize()

    def is_newest(self, mac: bytes) -> bool:
        """True when this seal or box was made with the newest secret."""
        return bytes(mac[:_ID]) == self._first

    # -- boxes ------------------------------------------------------------------------------

    def close(self, content: bytes, bound_to: str) -> bytes:
        """Encrypt with AES-256-GCM, bound to what it belongs to: key id ‖ 12-byte nonce ‖ ciphertext."""
        nonce = os.urandom(12)
        return self._first + nonce + self._box[self._first].encrypt(nonce, content, bound_to.encode())

    def open(self, box: bytes, bound_to: str) -> bytes:
        """Decrypt. Raises Tampered when the box was changed, moved or closed with another secret."""
        aead = self._box.get(box[:_ID])
        if aead is None:
            raise Tampered
        try:
            return aead.decrypt(box[_ID : _ID + 12], box[_ID + 12 :], bound_to.encode())
        except (InvalidTag, ValueError):
            raise Tampered from None

    # -- numbers ----------------------------------------------------------------------------

    def number(self, nonce: str) -> str:
        """The six digits that go with a challenge's random nonce. Never stored: derived where needed.

        HMAC-SHA-256 of 32 CSPRNG bytes under a secret key, reduced modulo 10**6: the bias is below 2**-236.
        """
        derived = digest(self.derive("challenge number"), bytes.fromhex(nonce), "sha256")
        return f"{int.from_bytes(derived) % 1_000_000:06d}"


def token_hash(token: str) -> str:
    """SHA-256 in hex of a random token of ours: enough, because nobody can guess 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def _content(table: str, row: Mapping[str, Any]) -> bytes:
    covered, odd = _COVERED[table]
    content = [table, *covered(row)]
    for place in odd:
        if (plain := _PLAIN.get(type(content[place]))) is not None:
            content[place] = plain(content[place])
    if table in LATER and (more := {n: row[n] for n, unset in LATER[table].items() if row[n] != unset}):
        content.append(more)
    return _encode(content)


_encode = msgspec.json.Encoder().encode
_PLAIN: Mapping[type, Callable[[Any], Any]] = {datetime: iso, bytes: bytes.hex, memoryview: memoryview.hex}


def _covered(table: str, columns: Sequence[str]) -> tuple[itemgetter[Any], Sequence[int]]:
    """What reads a row's covered columns, and at which places of its content JSON needs help."""
    kinds = SQLModel.metadata.tables[table].columns
    odd = [i for i, name in enumerate(columns, 1) if isinstance(kinds[name].type, Instant | LargeBinary)]
    return itemgetter(*columns), odd


_COVERED = {
    table: _covered(table, [name for name in columns if name not in LATER.get(table, ())])
    for table, columns in SEALED.items()
}
