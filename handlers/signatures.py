"""Who signed the playbooks and rules: two maintainers, or nothing starts.

What is signed = TAG ‖ SHA-256(canonical JSON (RFC 8785) of the installation's name, the hash of each playbook's
content by its file's name, and the SHA-256 of each rule file's bytes by its name), with Ed25519 (RFC 8032).

Comments and layout of a playbook may change after it was signed, since its content doesn't. Signatures are for one
installation: what was signed for a pilot is worth nothing in production.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785
import yaml
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from handlers.findings import Finding, Level
from handlers.playbooks import Playbooks
from handlers.settings import Reach, SettingsError, problems

TAG = b"countersign/policy-signature/v1\x00"
FILE = "SIGNATURES"
CAP = 64 * 1024  # bytes of the file of signatures
_SIGN = "Have them look at the changes and run `python app.py policy sign --key FILE --as NAME`."


class NotSigned(Exception):
    """The playbooks and rules aren't signed as they have to be. The text says who is missing, and what to do."""


class Maintainers(BaseModel):
    """The file that COUNTERSIGN_POLICY_KEYS names: for which installation, and whose signature counts.

    A key is one line of base64, as it stands between the two lines of a public key in PEM.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    installation: str = Field(min_length=1, max_length=200)
    maintainers: Mapping[str, str] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Signed:
    """One maintainer's signature, as the file keeps it. `digest` only says what it was made for."""

    digest: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Judged:
    """What the signatures came to. `good` counts keys: whoever holds two names signs once."""

    good: tuple[str, ...]
    wrong: tuple[str, ...]  # a sentence for each name that doesn't count
    missing: tuple[str, ...]


# -- what is signed -------------------------------------------------------------------------


def digest(installation: str, playbooks: Mapping[str, str], rules: Mapping[str, bytes]) -> str:
    """SHA-256 in hex over file name → content hash, and file name → bytes."""
    signed: dict[str, Any] = {
        "installation": installation,
        "playbooks": dict(playbooks),
        "rules": {name: hashlib.sha256(content).hexdigest() for name, content in rules.items()},
    }
    return hashlib.sha256(rfc8785.dumps(signed)).hexdigest()


def rules_of(folder: Path) -> dict[str, bytes]:
    """The bytes of every rule below a folder of playbooks, by file name. Raises OSError."""
    return {path.name: path.read_bytes() for path in sorted((folder / "rules").glob("*.cedar"))}


# -- keys -----------------------------------------------------------------------------------


def maintainers(path: Path) -> tuple[str, Mapping[str, Ed25519PublicKey]]:
    """The installation's name and the maintainers' keys. Raises SettingsError with the place."""
    try:
        found = Maintainers.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise SettingsError(
            f"COUNTERSIGN_POLICY_KEYS: {path} can't be read ({said}). Name a readable file of YAML."
        ) from None
    except ValidationError as error:
        raise SettingsError(problems(error, str(path))) from None
    return found.installation, {
        name: public_key(text, f"{path}: {name}") for name, text in found.maintainers.items()
    }


def public_key(text: str, place: str) -> Ed25519PublicKey:
    """A maintainer's key from its line of base64. Raises SettingsError for any other kind."""
    try:
        key = serialization.load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        what = "this is no Ed25519 public key"
        raise SettingsError(f"{place}: {what}. Copy the line that `python app.py policy keygen` prints.")
    return key


def line_of(key: Ed25519PublicKey) -> str:
    """A public key as one line of base64."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def make_key(path: Path, passphrase: str) -> Ed25519PublicKey:
    """A new private key in a file of mode 0600 that wasn't there, locked with the passphrase unless it is empty."""
    key = Ed25519PrivateKey.generate()
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        lock = serialization.BestAvailableEncryption(passphrase.encode())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    return key.public_key()


def is_locked(path: Path) -> bool:
    """Whether a private key takes a passphrase. Raises ValueError for a file that others may read, and OSError."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ValueError(f"{path} can be read by others. chmod 600 {path}, and ask why it was")
    return b"BEGIN ENCRYPTED PRIVATE KEY" in path.read_bytes()


def private_key(path: Path, passphrase: str) -> Ed25519PrivateKey:
    """A maintainer's private key. Raises ValueError for what is none, a key of another kind or a wrong passphrase."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), passphrase.encode() or None)
    except (ValueError, TypeError):
        raise ValueError(
            f"{path} can't be opened. Check that it is a private key, and the passphrase"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} is a key of another kind. Make one with `python app.py policy keygen`")
    return key


# -- signing --------------------------------------------------------------------------------


def sign(folder: Path, name: str, key: Ed25519PrivateKey, what: str) -> None:
    """Put one maintainer's signature over this digest into the folder's file, beside the others' that are there.

    Raises NotSigned for a file that can't be read, and OSError.
    """
    signatures = {**kept(folder), name: Signed(what, key.sign(_message(what)))}
    text = json.dumps(
        {
            who: {"digest": each.digest, "signature": base64.b64encode(each.signature).decode()}
            for who, each in sorted(signatures.items())
        },
        indent=2,
        ensure_ascii=False,
    )
    beside = folder / f".{FILE}.new"
    beside.write_text(text + "\n", encoding="utf-8")
    beside.replace(folder / FILE)


def kept(folder: Path) -> dict[str, Signed]:
    """The signatures of a folder; none where there is no file. Raises NotSigned for a file that can't be read."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            raw = file.read(CAP + 1)
        if len(raw) > CAP:
            raise ValueError("it is too large")
        return {_name(name): _signed(each) for name, each in json.loads(raw, object_pairs_hook=_once).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        remedy = "Restore it, or remove it and have everybody sign anew."
        raise NotSigned(f"{path} can't be read ({type(error).__name__}). {remedy}") from None


def _signed(each: Mapping[str, Any]) -> Signed:
    return Signed(str(each["digest"]), base64.b64decode(each["signature"], validate=True))


def _name(text: str) -> str:
    if not text.isprintable() or len(text) > 100:
        raise ValueError("that is no name")
    return text


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name is there twice")
    return dict(pairs)


def _message(what: str) -> bytes:
    return TAG + bytes.fromhex(what)


# -- judging --------------------------------------------------------------------------------


def judged(signatures: Mapping[str, Signed], keys: Mapping[str, Ed25519PublicKey], what: str) -> Judged:
    """Whose signatures are good for this digest, each key once; what is wrong with the others; who hasn't signed."""
    good: dict[bytes, str] = {}
    wrong: list[str] = []
    for name, each in signatures.items():
        key = keys.get(name)
        if key is None:
            wrong.append(f"{name} signed, but is no maintainer")
        elif not _holds(key, each, what):
            stale = each.digest != what
            wrong.append(f"{name} signed {'something else' if stale else 'with another key, or not at all'}")
        elif (first := good.setdefault(key.public_bytes_raw(), name)) != name:
            wrong.append(f"{name} has the same key as {first}, which counts once")
    missing = tuple(sorted(keys.keys() - signatures.keys()))
    return Judged(tuple(sorted(good.values())), tuple(wrong), missing)


def _holds(key: Ed25519PublicKey, each: Signed, what: str) -> bool:
    try:
        key.verify(each.signature, _message(what))
    except InvalidSignature:
        return False
    return True


def needed(reach: Reach) -> int:
    """How many maintainers must have signed: none where no keys are named, two where they are, unless said."""
    if reach.policy_signatures is not None:
        return reach.policy_signatures
    return 2 if reach.policy_keys else 0


def verify(reach: Reach, playbooks: Playbooks, rules: Mapping[str, bytes]) -> Judged | None:
    """Judge what was loaded, never what lies on the disk by then. None where no signatures are required.

    Raises NotSigned with who is missing, or SettingsError. In that order:
    1. The maintainers' keys are named, and don't lie where whoever changes playbooks could change them.
    2. There is a file of signatures that can be read.
    3. Enough different keys signed exactly this.
    """
    many = needed(reach)
    if not many:
        return None
    # 1
    if reach.policy_keys is None:
        raise SettingsError(
            "COUNTERSIGN_POLICY_KEYS: signatures are required, but no keys are named. Name the file of the keys."
        )
    if reach.policy_keys.resolve().is_relative_to(reach.playbooks.resolve()):
        raise SettingsError(
            f"COUNTERSIGN_POLICY_KEYS: {reach.policy_keys} lies among the playbooks, so whoever changes them could "
            "change it. Keep it elsewhere."
        )
    installation, keys = maintainers(reach.policy_keys)
    # 2
    found = judged(kept(reach.playbooks), keys, digest(installation, playbooks.files, rules))
    # 3
    if len(found.good) < many:
        raise NotSigned(_unsigned(reach.playbooks / FILE, found, many))
    return found


def _unsigned(path: Path, found: Judged, many: int) -> str:
    said = [f"The playbooks and rules carry {len(found.good)} of {many} signatures"]
    said += ["there is no file of them"] if not path.exists() else []
    said += found.wrong
    said += [f"missing: {', '.join(found.missing)}"] if found.missing else []
    return f"{path}: {'; '.join(said)}. {_SIGN}"


def finding(reach: Reach, playbooks: Playbooks) -> Finding:
    """Whether the playbooks and rules are signed as the settings demand, for `doctor` and `policy check`."""
    check = "policy signatures"
    try:
        found = verify(reach, playbooks, rules_of(reach.playbooks))
    except NotSigned as problem:
        return Finding(check, Level.FAIL, str(problem).removesuffix(f" {_SIGN}"), _SIGN)
    except SettingsError as problem:
        return Finding(check, Level.FAIL, str(problem), "See docs/policy-signing.md.")
    if found is None:
        return Finding(check, Level.PASS, "none are required")
    if found.wrong:
        seen = f"signed by {', '.join(found.good)}; {'; '.join(found.wrong)}"
        return Finding(check, Level.WARN, seen, _SIGN)
    return Finding(check, Level.PASS, f"signed by {', '.join(found.good)}")
