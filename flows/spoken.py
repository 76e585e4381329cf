"""Names and codes that people read out and type again, in Crockford's base32: no sign is taken for another."""

from __future__ import annotations

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O or U
_MISREAD = str.maketrans("OIL", "011")


def heard(text: str) -> str:
    """What was meant by it: small letters, O for 0, I and L for 1."""
    return text.upper().translate(_MISREAD)
