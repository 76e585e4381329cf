"""What a directory lets us do, looked at without changing anything: for the doctor and for `connectors test`.

A right is tried with a change that can't ever be made, such as taking away a value that isn't there: whether we may
is judged before what we ask, so a server without the right says so, and one with it says that it can't be done.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from handlers.findings import Finding, Level, certified
from handlers.ldap.accounts import GROUPS, VERBS, Accounts
from handlers.ldap.session import Changes, Entry, removed
from handlers.ports import Rejected, Unreachable

MOST = 20  # administrators that are tried
DOCS = "docs/ldap.md, docs/active_directory.md"


class Examined(Accounts):
    """A directory's accounts, which can be looked over."""

    async def examine(self, needed: Collection[str], name: str) -> list[Finding]:
        """What the directory lets us do, of what the `needed` verbs take and beyond; nothing is changed."""
        return await _examined(self, needed, name)


async def _examined(accounts: Accounts, needed: Collection[str], name: str) -> list[Finding]:
    """Servers, parts, and rights: those for the `needed` verbs, and no others. `name`: whose account to look at."""
    found = await _servers(accounts)
    if all(each.level is Level.FAIL for each in found):
        return found
    try:
        found += await _parts(accounts)
        entry = await _sample(accounts, name)
        if entry is None:
            who = f"the account {name!r}" if name else "anybody"
            remedy = "Check `people`, `only` and the spelling."
            return [*found, Finding("account", Level.FAIL, f"there isn't {who} below `people`", remedy)]
        if name:
            found.append(_account(accounts, entry))
        return found + await _rights(accounts, needed, entry) + await _administrators(accounts)
    except (Unreachable, Rejected) as failure:
        return [
            *found,
            Finding("directory", Level.FAIL, str(failure), "Look at the directory's log, then again."),
        ]


# -- servers and parts ------------------------------------------------------------------------------------


async def _servers(accounts: Accounts) -> list[Finding]:
    found = []
    for host in accounts.ldap.hosts:
        try:
            ends = await accounts.ldap.visit(host)
        except Unreachable as failure:
            remedy = "Check its address, its certificate's name and authority (`ca_file`), and `bind_as`."
            found.append(Finding(host, Level.FAIL, str(failure), remedy))
            continue
        found.append(certified(host, "it takes our sign-in", ends))
    return found


async def _parts(accounts: Accounts) -> list[Finding]:
    given, dialect = accounts.given, accounts.dialect
    found = []
    for check, base, filter in (
        ("people", given.people, dialect.person),
        ("groups", given.groups, dialect.group),
    ):
        if base and not await accounts.ldap.search(base, filter, ["cn"], most=1):
            remedy = f"Check `{check}`, and that the service account may read there."
            found.append(Finding(check, Level.FAIL, f"there are none below {base}", remedy))
        elif base:
            found.append(Finding(check, Level.PASS, base))
    for role, names in sorted(given.roles.items()):
        missing = [each for each in names if not await accounts.groups(each)]
        if missing:
            seen = f"there is no group {', '.join(missing)}, so it gives nobody the role {role}"
            found.append(Finding("roles", Level.FAIL, seen, "Check the spelling under `roles`."))
    return found


async def _sample(accounts: Accounts, name: str) -> Entry | None:
    """The account that was named, or any that may be changed."""
    dialect = accounts.dialect
    filter = dialect.called(name) if name else "(objectClass=*)"
    for entry in await accounts.below(filter, most=1 if name else MOST):
        if name or not dialect.untouchable(entry):
            return entry
    return None


def _account(accounts: Accounts, entry: Entry) -> Finding:
    state, person = accounts.dialect.state(entry), accounts.dialect.read(entry, datetime.now(UTC))
    words = {
        "locked": state.locked,
        "disabled": state.disabled,
        "past its end": not person.active and not state.disabled,
        "its password has to be changed": state.must_change,
        "never changed by request": person.privileged,
    }
    told = ", ".join(word for word, is_so in words.items() if is_so) or "open"
    return Finding("account", Level.PASS, f"{entry.dn}: {told}; its lasting id is {person.id}")


# -- rights -----------------------------------------------------------------------------------------------


async def _rights(accounts: Accounts, needed: Collection[str], entry: Entry) -> list[Finding]:
    tried = {verb: await _tried(accounts, verb, entry) for verb in sorted(accounts.verbs)}
    taken = [each for verb in needed for each in tried.get(verb, ())]  # some verbs take the same right
    found = []
    for verb, changes in tried.items():
        refused = await _refused(accounts, changes)
        if refused and verb in needed:
            remedy = f"Give the service account this right, as {DOCS} say."
            found.append(Finding(verb, Level.FAIL, f"a playbook needs it, and we may not: {refused}", remedy))
        elif verb in needed:
            found.append(Finding(verb, Level.PASS, "we may, tried without changing anything"))
        elif not refused and any(each not in taken for each in changes):
            seen = "we may, and no playbook needs it"
            found.append(Finding(verb, Level.WARN, seen, "Take this right away, or add the playbook."))
    for verb in sorted(set(needed) - accounts.verbs):
        why = "groups aren't configured" if verb in GROUPS & VERBS else "it can't be done here"
        found.append(
            Finding(verb, Level.FAIL, f"a playbook needs it, and {why}", "Set `groups`, or change it.")
        )
    if await accounts.reads_hashes(entry):
        remedy = "Take away the right to read `userPassword`."
        found.append(Finding("hashes", Level.FAIL, "we can read password hashes", remedy))
    else:
        found.append(Finding("hashes", Level.PASS, "we can't read password hashes"))
    return found


async def _administrators(accounts: Accounts) -> list[Finding]:
    """Accounts of the highest tier lie outside of every delegation."""
    those = await accounts.administrators(MOST)
    reached = [
        f"{entry.dn} ({verb})"
        for entry in those
        for verb in ("reset_password", "disable")
        if not await _refused(accounts, await _tried(accounts, verb, entry))
    ]
    if reached:
        remedy = "Move them out of the delegated part, or let the delegation end above them."
        return [Finding("administrators", Level.FAIL, f"we could change {'; '.join(reached)}", remedy)]
    if not those:
        remedy = "Name your administrators' groups under `untouchable`."
        return [Finding("administrators", Level.WARN, "none are known, so none could be tried", remedy)]
    seen = f"{len(those)} tried, and none of them can be changed by us"
    return [Finding("administrators", Level.PASS, seen)]


async def _tried(accounts: Accounts, verb: str, entry: Entry) -> list[tuple[str, Changes]]:
    """Changes that nobody can make, one for each right that a verb takes: where, and what."""
    if verb not in GROUPS:
        return [(entry.dn, never) for never in accounts.dialect.never(verb, entry)]
    nobody = removed("member", f"cn=nobody,{accounts.given.people}")
    return [(group.dn, nobody) for group in await accounts.groups("", most=1)]


async def _refused(accounts: Accounts, tried: list[tuple[str, Changes]]) -> str:
    """Why we may not do this; empty when we may. Raises Unreachable."""
    if not tried:
        return "there is no group to try it on"
    answers = [await accounts.ldap.refuses(dn, never) for dn, never in tried]
    return next(filter(None, answers), "")
