"""The commands of maintainers: a key to sign playbooks and rules with, and the signature itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot import console
from bot.commands import run
from handlers import signatures
from handlers.evidence import count_of
from handlers.playbooks import load
from handlers.settings import SettingsError, load_reach


def add(policy: typer.Typer) -> None:
    """Add `keygen` and `sign` to the commands about playbooks."""
    policy.command()(keygen)
    policy.command()(sign)


def keygen(
    name: Annotated[str, typer.Argument(help="Whose key it is, as the file of maintainers calls them.")],
    file: Annotated[
        Path | None, typer.Option("--file", help="Where it goes. Default: NAME.key, here.")
    ] = None,
) -> None:
    """Make a maintainer's signing key; prints its public line. Example: python app.py policy keygen nina

    The passphrase may be empty, where the file is guarded otherwise.
    """
    passphrase = typer.prompt(
        "Passphrase", default="", hide_input=True, confirmation_prompt=True, show_default=False
    )

    async def work() -> int:
        path = file or Path(f"{name}.key")
        try:
            key = signatures.make_key(path, passphrase)
        except FileExistsError:
            raise ValueError(f"{path} is there already. Name another file with --file") from None
        console.out.print(f"{name}: {signatures.line_of(key)}", soft_wrap=True)
        console.err.print(f"The private key is in {path}. Keep it to yourself.", soft_wrap=True)
        return console.DONE

    run(work())


def sign(
    key: Annotated[Path, typer.Option("--key", help="Your private key, as `policy keygen` made it.")],
    name: Annotated[str, typer.Option("--as", help="Who you are in the file of maintainers.")],
) -> None:
    """Sign all playbooks and rules as they are now. Example: python app.py policy sign --key nina.key --as nina

    It takes COUNTERSIGN_PLAYBOOKS and COUNTERSIGN_POLICY_KEYS, and no other setting.
    """

    async def work() -> int:
        reach = load_reach()
        if reach.policy_keys is None:
            raise SettingsError(
                "COUNTERSIGN_POLICY_KEYS: it isn't set. Name the file of the maintainers' keys."
            )
        installation, keys = signatures.maintainers(reach.policy_keys)
        if name not in keys:
            raise ValueError(f"No maintainer is called {name}. Have your key put into {reach.policy_keys}")
        passphrase = typer.prompt("Passphrase", hide_input=True) if signatures.is_locked(key) else ""
        mine = signatures.private_key(key, passphrase)
        if mine.public_key().public_bytes_raw() != keys[name].public_bytes_raw():
            raise ValueError(f"{key} isn't the key that {reach.policy_keys} has for {name}")
        playbooks, rules = load(reach.playbooks), signatures.rules_of(reach.playbooks)
        what = signatures.digest(installation, playbooks.files, rules)
        signatures.sign(reach.playbooks, name, mine, what)
        counted = f"{count_of(len(playbooks.files), 'playbook')} and {count_of(len(rules), 'rule file')}"
        console.say(f"{name} signed {counted} for {installation}.")
        console.say(f"SHA-256 {what}")
        return console.DONE

    run(work())
