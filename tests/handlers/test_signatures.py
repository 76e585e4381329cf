"""Playbooks and rules that have to be signed: whatever was changed, left out, swapped or forged, nothing starts."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from handlers.findings import Level
from handlers.playbooks import load, sha256
from handlers.settings import Reach, SettingsError
from handlers.signatures import (
    FILE,
    TAG,
    Judged,
    NotSigned,
    digest,
    finding,
    is_locked,
    line_of,
    maintainers,
    make_key,
    private_key,
    public_key,
    rules_of,
    sign,
    verify,
)
from tests.company import SHIPPED, company

KEYS = {
    name: Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)
    for n, name in enumerate(("nina", "sam", "omar"))
}
RULE = b'@id("weekdays") @reason("Work is done on weekdays.") permit(principal, action, resource);\n'


@dataclass
class Policy:
    """A folder of playbooks and rules, the maintainers' keys beside it, and a way to sign."""

    reach: Reach

    @property
    def folder(self) -> Path:
        return self.reach.playbooks

    def signs(self, *names: str, key: str = "", installation: str = "production") -> Policy:
        for name in names:
            files = load(self.folder).files
            what = digest(installation, files, rules_of(self.folder))
            sign(self.folder, name, KEYS[key or name], what)
        return self

    def verified(self) -> Judged | None:
        return verify(self.reach, load(self.folder), rules_of(self.folder))

    def refused(self) -> str:
        with pytest.raises(NotSigned) as refused:
            self.verified()
        return str(refused.value)

    def knows(self, lines: dict[str, str], installation: str = "production") -> Policy:
        text = json.dumps({"installation": installation, "maintainers": lines})
        self.reach.policy_keys.write_text(text)  # type: ignore[union-attr]
        return self


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    folder = tmp_path / "playbooks"
    (folder / "rules").mkdir(parents=True)
    for name in ("account_unlock", "password_reset"):
        shutil.copy(SHIPPED / f"{name}.yaml", folder)
    (folder / "rules" / "hours.cedar").write_bytes(RULE)
    made = Policy(Reach(playbooks=folder, policy_keys=tmp_path / "maintainers.yaml"))
    return made.knows({name: line_of(key.public_key()) for name, key in KEYS.items()})


# -- signed ---------------------------------------------------------------------------------


def test_two_maintainers_of_three_are_enough(policy: Policy) -> None:
    assert policy.signs("nina", "sam").verified() == Judged(("nina", "sam"), (), ("omar",))
    assert finding(policy.reach, load(policy.folder)).level is Level.PASS


def test_what_is_signed_can_be_made_by_anybody_from_the_files_alone(policy: Policy) -> None:
    policy.signs("nina")
    playbooks = load(policy.folder)
    named = {f"{name}.yaml": playbook.hash for name, playbook in playbooks.items()}
    files = {name: sha256(playbooks.contents[hash]) for name, hash in named.items()}
    signed = {
        "installation": "production",
        "playbooks": files,
        "rules": {"hours.cedar": hashlib.sha256(RULE).hexdigest()},
    }
    message = b"countersign/policy-signature/v1\x00" + hashlib.sha256(rfc8785.dumps(signed)).digest()
    kept = json.loads((policy.folder / FILE).read_text())["nina"]
    KEYS["nina"].public_key().verify(base64.b64decode(kept["signature"]), message)


def test_comments_and_layout_of_a_playbook_may_change(policy: Policy) -> None:
    policy.signs("nina", "sam")
    path = policy.folder / "password_reset.yaml"
    path.write_text("# Read by two.\n" + path.read_text())
    assert policy.verified() is not None


def test_nothing_is_required_where_no_keys_are_named(policy: Policy) -> None:
    plain = Policy(Reach(playbooks=policy.folder))
    assert plain.verified() is None
    assert finding(plain.reach, load(plain.folder)).seen == "none are required"
    assert Policy(policy.reach.model_copy(update={"policy_signatures": 0})).verified() is None


# -- attacks --------------------------------------------------------------------------------


def changed(name: str, old: bytes, new: bytes) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        assert old in content
        (folder / name).write_bytes(content.replace(old, new))

    return change


def swapped(folder: Path) -> None:
    kept = json.loads((folder / FILE).read_text())
    kept["nina"], kept["sam"] = kept["sam"], kept["nina"]
    (folder / FILE).write_text(json.dumps(kept))


def renamed(folder: Path) -> None:
    """Two playbooks change their files."""
    (folder / "account_unlock.yaml").rename(folder / "x.yaml")
    (folder / "password_reset.yaml").rename(folder / "account_unlock.yaml")
    (folder / "x.yaml").rename(folder / "password_reset.yaml")


ATTACKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a weaker proof": (
        changed("account_unlock.yaml", b"lasts: 1 hour", b"lasts: 2 hours"),
        "signed something else",
    ),
    "a changed rule": (changed("rules/hours.cedar", b"permit", b"forbid"), "signed something else"),
    "a rule's comment": (changed("rules/hours.cedar", b"\n", b" // at all hours\n"), "signed something else"),
    "one more rule": (
        lambda folder: (folder / "rules/more.cedar").write_bytes(RULE),
        "signed something else",
    ),
    "a rule less": (lambda folder: (folder / "rules/hours.cedar").unlink(), "signed something else"),
    "one more playbook": (
        lambda folder: shutil.copy(SHIPPED / "group_access.yaml", folder),
        "signed something else",
    ),
    "a playbook less": (lambda folder: (folder / "account_unlock.yaml").unlink(), "signed something else"),
    "two files' names swapped": (renamed, "signed something else"),
    "two signatures swapped": (swapped, "signed with another key, or not at all"),
    "no signatures": (lambda folder: (folder / FILE).unlink(), "there is no file of them"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_whatever_is_changed_after_signing_stops_the_start(policy: Policy, attack: str) -> None:
    change, said = ATTACKS[attack]
    policy.signs("nina", "sam")
    change(policy.folder)
    refusal = policy.refused()
    assert "carry 0 of 2 signatures" in refusal
    assert said in refusal
    assert "missing: " in refusal
    assert "policy sign" in refusal
    judged = finding(policy.reach, load(policy.folder))
    assert (judged.level, judged.remedy[:9]) == (Level.FAIL, "Have them")


def test_who_is_missing_is_named(policy: Policy) -> None:
    refusal = policy.signs("nina").refused()
    assert "carry 1 of 2 signatures; missing: omar, sam" in refusal


def test_whose_signature_is_stale_is_named_and_one_signs_anew_alone(policy: Policy) -> None:
    policy.signs("nina", "sam")
    (policy.folder / "account_unlock.yaml").unlink()
    policy.signs("sam")
    assert "carry 1 of 2 signatures; nina signed something else; missing: omar" in policy.refused()
    policy.signs("nina")
    assert policy.verified() == Judged(("nina", "sam"), (), ("omar",))


def test_a_stranger_counts_for_nothing_and_is_named(policy: Policy) -> None:
    policy.signs("nina").signs("eve", key="omar")
    assert "carry 1 of 2 signatures; eve signed, but is no maintainer" in policy.refused()
    policy.signs("sam")
    judged = finding(policy.reach, load(policy.folder))
    assert (judged.level, "eve signed" in judged.seen) == (Level.WARN, True)


def test_one_maintainer_counts_once_under_however_many_names(policy: Policy) -> None:
    mine = line_of(KEYS["nina"].public_key())
    policy.knows({"nina": mine, "nina2": mine, "sam": line_of(KEYS["sam"].public_key())})
    policy.signs("nina").signs("nina2", key="nina")
    assert "carry 1 of 2 signatures; nina2 has the same key as nina, which counts once" in policy.refused()
    policy.signs("nina", "nina")
    policy.refused()
    assert policy.signs("sam").verified() is not None


def test_what_was_signed_for_another_installation_counts_for_nothing_here(policy: Policy) -> None:
    policy.signs("nina", "sam", installation="pilot")
    assert "nina signed something else; sam signed something else" in policy.refused()


def test_what_was_signed_for_another_purpose_counts_for_nothing_here(policy: Policy) -> None:
    what = digest("production", load(policy.folder).files, rules_of(policy.folder))
    policy.signs("sam")
    kept = json.loads((policy.folder / FILE).read_text())
    for message in (
        bytes.fromhex(what),
        what.encode(),
        b"countersign/checkpoint/v1\x00" + bytes.fromhex(what),
    ):
        assert not message.startswith(TAG)
        signature = base64.b64encode(KEYS["nina"].sign(message)).decode()
        kept["nina"] = {"digest": what, "signature": signature}
        (policy.folder / FILE).write_text(json.dumps(kept))
        assert "nina signed with another key, or not at all" in policy.refused()


def test_a_name_among_playbooks_cannot_pass_for_one_among_rules() -> None:
    assert digest("a", {"x": "y"}, {}) != digest("a", {}, {"x": b"y"})
    assert digest("a", {}, {}) != digest("b", {}, {})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b'{"nina": 1}',
        b'{"nina": {"digest": "x"}}',
        b'{"nina": {"digest": "x", "signature": "?"}}',
        b'{"nina": {"digest": "x", "signature": ""}, "nina": {"digest": "x", "signature": ""}}',
        b'{"ni\\u001bna": {"digest": "x", "signature": ""}}',
        b"[" * 100_000,
        b"\xff",
        b" " * 70_000,
    ],
)
def test_a_file_that_cannot_be_read_is_no_signature(policy: Policy, content: bytes) -> None:
    (policy.folder / FILE).write_bytes(content)
    assert "can't be read" in policy.refused()
    (policy.folder / FILE).write_bytes(b'{"nina": {"digest": "x", "signature": ""}}')
    assert "nina signed something else" in policy.refused()


# -- keys -----------------------------------------------------------------------------------


def other_kinds() -> list[str]:
    keys = [Ed448PrivateKey.generate().public_key(), generate_private_key(SECP256R1()).public_key()]
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    lines = [base64.b64encode(key.public_bytes(serialization.Encoding.DER, kind)).decode() for key in keys]
    raw = base64.b64encode(KEYS["nina"].public_key().public_bytes_raw()).decode()
    return [*lines, raw, "", "nina", "ssh-ed25519 AAAA"]


@pytest.mark.parametrize("line", other_kinds(), ids=["Ed448", "P-256", "raw", "none", "a name", "OpenSSH"])
def test_a_key_of_another_kind_is_refused_with_its_place(policy: Policy, line: str) -> None:
    policy.knows({"nina": line})
    with pytest.raises(SettingsError, match=r"maintainers.yaml: nina: this is no Ed25519 public key"):
        policy.verified()


def test_a_private_key_is_for_its_owner_alone_and_opens_with_its_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "nina.key"
    made = make_key(path, "a long passphrase")
    assert path.stat().st_mode & 0o777 == 0o600
    assert is_locked(path)
    assert line_of(private_key(path, "a long passphrase").public_key()) == line_of(made)
    assert line_of(public_key(line_of(made), "here")) == line_of(made)
    for wrong in ("", "another"):
        with pytest.raises(ValueError, match="can't be opened"):
            private_key(path, wrong)
    with pytest.raises(FileExistsError):
        make_key(path, "")
    path.chmod(0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        is_locked(path)
    plain = tmp_path / "plain.key"
    make_key(plain, "")
    assert not is_locked(plain)
    private_key(plain, "")
    with pytest.raises(ValueError, match="can't be opened"):
        private_key(plain, "there is none")


def test_a_private_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.key"
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(Ed448PrivateKey.generate().private_bytes(*pem))
    with pytest.raises(ValueError, match="another kind"):
        private_key(path, "")


# -- settings and the start -----------------------------------------------------------------


def test_signatures_without_keys_and_keys_among_the_playbooks_are_refused(policy: Policy) -> None:
    with pytest.raises(SettingsError, match="no keys are named"):
        Policy(Reach(playbooks=policy.folder, policy_signatures=2)).verified()
    inside = policy.folder / "maintainers.txt"
    shutil.copy(policy.reach.policy_keys, inside)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="lies among the playbooks"):
        Policy(Reach(playbooks=policy.folder, policy_keys=inside)).verified()


@pytest.mark.parametrize("text", ["", "maintainers: {}", "installation: x\nmaintainers: [a]", "a: [", "\tx"])
def test_a_file_of_maintainers_that_is_none_is_refused(policy: Policy, text: str) -> None:
    path = policy.reach.policy_keys
    assert path is not None
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"maintainers\.yaml"):
        maintainers(path)
    with pytest.raises(SettingsError, match=r"can't be read"):
        maintainers(path.with_name("gone.yaml"))


async def test_a_house_starts_signed_and_not_otherwise(policy: Policy, tmp_path: Path) -> None:
    url, keys = f"sqlite:///{tmp_path / 'desk.db'}", policy.reach.policy_keys
    with pytest.raises(NotSigned, match="carry 0 of 2"):
        async with company(url, tmp_path, playbooks=policy.folder, policy_keys=keys):
            pass
    policy.signs("nina", "sam")
    async with company(url, tmp_path, playbooks=policy.folder, policy_keys=keys) as acme:
        assert set(acme.house.playbooks) == {"account_unlock", "password_reset"}
    (policy.folder / FILE).unlink()
    with pytest.raises(NotSigned, match="there is no file of them"):
        async with company(url, tmp_path, playbooks=policy.folder, policy_keys=keys):
            pass
