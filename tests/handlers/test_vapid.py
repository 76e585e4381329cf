"""The key that push services know us by: made, read in two forms, and judged at start."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from handlers import vapid
from handlers.settings import SettingsError, load_settings
from tests.company import SECRET_KEY

KEY, CONTACT = vapid.new(), "mailto:desk@example.com"
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def pem(key: PrivateKey, lock: KeySerializationEncryption | None = None) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock or NoEncryption()).decode()


def refused(**given: str) -> str:
    with pytest.raises(SettingsError) as why:
        load_settings(secret_key=SECRET_KEY, **given)
    return str(why.value)


def test_a_new_key_is_taken_and_never_the_same() -> None:
    assert vapid.new() != KEY
    settings = load_settings(secret_key=SECRET_KEY, vapid_key=KEY, vapid_contact=CONTACT)
    assert len(vapid.from_base64url(settings.push_key, 65)) == 65


def test_a_pem_is_the_same_key() -> None:
    assert vapid.public(pem(vapid.private(KEY))) == vapid.public(KEY)


def test_without_a_key_there_is_none_to_tell() -> None:
    assert load_settings(secret_key=SECRET_KEY).push_key == ""


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "A" * 43,  # zero is no private key
        "_" * 42 + "8",  # nor is what is larger than the curve's order
        KEY[:-1],
        KEY + KEY,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(vapid.private(KEY), BestAvailableEncryption(b"a passphrase")),
    ],
    ids=[
        "none",
        "one letter",
        "zero",
        "too large",
        "too short",
        "twice",
        "no PEM",
        "ed25519",
        "P-384",
        "locked",
    ],
)
def test_what_is_no_key_is_refused_with_the_way_to_one(key: str) -> None:
    said = refused(vapid_key=key, vapid_contact=CONTACT)
    assert said.startswith("COUNTERSIGN_VAPID_KEY: ")
    assert "python app.py push-key" in said
    assert len(key) < 5 or key not in said


@pytest.mark.parametrize(
    "contact", ["", "desk@example.com", "mailto:", "mailto:desk", "http://example.com", "https://", "tel:1"]
)
def test_a_contact_is_a_mailbox_or_a_page(contact: str) -> None:
    said = refused(vapid_key=KEY, vapid_contact=contact)
    assert "COUNTERSIGN_VAPID_CONTACT" in said


def test_one_without_the_other_is_refused() -> None:
    assert "COUNTERSIGN_VAPID_CONTACT isn't" in refused(vapid_key=KEY)
    assert "push-key" in refused(vapid_contact=CONTACT)
