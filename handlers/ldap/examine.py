"""What a directory lets us do, looked at without changing anything: for the doctor and for `connectors test`.

A right is tried with a change that can't ever be made, such as taking away a value that isn't there: whether we may
is judged before what we ask, so a server without the right says so, and one with it says that it can't be done.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from handlers.findings import Finding, Level, certified
from handlers.ldap.accounts import Accounts
from handlers.ldap.dialect import GROUPS, VERBS
from handlers.ldap.people import seen
from handlers.ldap.session import Changes, Entry, removed
from handlers.ports import Rejected, Unreachable

MOST = 500  # administrators that are tried
LOOKED_AT = 20  # accounts among which one is looked for that may be changed
SHOWN = 10  # of what is found
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
            found.append(await _account(accounts, entry))
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
        if base and not await _any(accounts, base, filter):
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


async def _any(accounts: Accounts, base: str, filter: str) -> bool:
    try:
        return bool(await seen(accounts.ldap, base, filter, ["cn"], most=1))
    except Unreachable:  # of which the servers themselves were looked at before
        return False


async def _sample(accounts: Accounts, name: str) -> Entry | None:
    """The account that was named, or any that may be changed."""
    dialect = accounts.dialect
    filter = dialect.called(name) if name else "(objectClass=*)"
    for entry in await accounts.below(filter, most=1 if name else LOOKED_AT):
        if name or not await accounts.guard.protects(entry, strictly=False):
            return entry
    return None


async def _account(accounts: Accounts, entry: Entry) -> Finding:
    state, person = accounts.dialect.state(entry), accounts.dialect.read(entry, datetime.now(UTC))
    words = {
        "locked": state.locked,
        "disabled": state.disabled,
        "past its end": not person.active and not state.disabled,
        "its password has to be changed": state.must_change,
        "never changed by request": bool(await accounts.guard.protects(entry, strictly=False)),
    }
    told = ", ".join(word for word, is_so in words.items() if is_so) or "open"
    return Finding("account", Level.PASS, f"{entry.dn}: {told}; its lasting id is {person.id}")


# -- rights -----------------------------------------------------------------------------------------------


async def _rights(accounts: Accounts, needed: Collection[str], entry: Entry) -> list[Finding]:
    found = []
    groups = await accounts.groups("", most=1)
    for verb in sorted(set(needed) & accounts.verbs):
        if refused := await _refused(accounts, verb, entry, groups):
            remedy = f"Give the service account this right, as {DOCS} say."
            found.append(Finding(verb, Level.FAIL, f"a playbook needs it, and we may not: {refused}", remedy))
        else:
            found.append(Finding(verb, Level.PASS, "we may, tried without changing anything"))
    for verb in sorted(set(needed) - accounts.verbs):
        why = "groups aren't configured" if verb in GROUPS & VERBS else "it can't be done here"
        found.append(
            Finding(verb, Level.FAIL, f"a playbook needs it, and {why}", "Set `groups`, or change it.")
        )
    found += await _excess(accounts, needed, entry, groups)
    if await accounts.reads_hashes(entry):
        remedy = "Take away the right to read `userPassword`."
        found.append(Finding("hashes", Level.FAIL, "we can read password hashes", remedy))
    else:
        found.append(Finding("hashes", Level.PASS, "we can't read password hashes"))
    return found


async def _refused(accounts: Accounts, verb: str, entry: Entry, groups: Sequence[Entry]) -> str:
    """Why we may not do this; empty when we have every right that it takes. Raises Unreachable."""
    if verb in GROUPS:
        if not groups:
            return "there is no group to try it on"
        return await accounts.ldap.refuses(groups[0].dn, _nobody(accounts))
    answers = [await accounts.ldap.refuses(entry.dn, each) for each in accounts.dialect.never(verb, entry)]
    return next(filter(None, answers), "")


async def _excess(
    accounts: Accounts, needed: Collection[str], entry: Entry, groups: Sequence[Entry]
) -> list[Finding]:
    """What we may write beyond what the needed verbs take, one attribute after another."""
    dialect = accounts.dialect
    takes = {name for verb in set(needed) - GROUPS for each in dialect.never(verb, entry) for name in each}
    more = {f"{right} of {entry.dn}" for right in await _granted(accounts, entry) if right not in takes}
    for group in groups:
        rights = set(await _told(accounts, group.dn))
        if not await accounts.ldap.refuses(group.dn, _nobody(accounts)):
            rights.add("member")
        more |= {f"{each} of {group.dn}" for each in rights if each != "member" or not GROUPS & set(needed)}
    for part in filter(None, (accounts.given.people, accounts.given.groups)):
        more |= {f"{right} of {part}" for right in await _told(accounts, part)}
    if not more:
        return [Finding("excess", Level.PASS, "of what was tried, we may nothing that no playbook needs")]
    seen = f"we may write {_listed(sorted(more))}, and no playbook needs it"
    return [Finding("excess", Level.WARN, seen, "Take these rights away, or add the playbook.")]


async def _administrators(accounts: Accounts, most: int = MOST) -> list[Finding]:
    """Accounts of the highest tier lie outside of every delegation: not one right over them is ours."""
    given, dialect = accounts.given, accounts.dialect
    missing = [each for each in given.untouchable if await accounts.ldap.find(each, dialect.group) is None]
    if missing:
        seen = f"there is no group {', '.join(missing)}, so every change is refused"
        return [Finding("administrators", Level.FAIL, seen, "Check the names under `untouchable`.")]
    those, unread = await accounts.guard.administrators(most + 1)
    tried = [*those, *(Entry(name, {}) for name in unread)]
    more = f"; only the first {most} were tried, and there are more" if len(tried) > most else ""
    reached = {entry.dn: await _granted(accounts, entry) for entry in tried[:most]}
    reached = {dn: rights for dn, rights in reached.items() if rights}
    if reached:
        remedy = "Move them out of the delegated part, or let the delegation end above them."
        told = _listed([f"{dn} ({', '.join(rights)})" for dn, rights in reached.items()])
        return [Finding("administrators", Level.FAIL, f"we could change {told}{more}", remedy)]
    if not tried:
        remedy = "Name your administrators' groups under `untouchable`."
        return [Finding("administrators", Level.WARN, "none are known, so none could be tried", remedy)]
    if unread:
        seen = f"{len(unread)} can't be read, so what we may isn't sure: {_listed(unread)}{more}"
        remedy = "Let the service account read them (not their passwords), or take who left out of the group."
        return [Finding("administrators", Level.WARN, seen, remedy)]
    if more:
        seen = f"none of them can be changed by us{more}"
        return [Finding("administrators", Level.WARN, seen, "Name smaller groups: so many can't be watched.")]
    seen = f"{len(those)} tried, and none of them can be changed by us"
    return [Finding("administrators", Level.PASS, seen)]


async def _granted(accounts: Accounts, entry: Entry) -> list[str]:
    """Every right over an account that we have, of those that can be tried or that the directory tells."""
    dialect = accounts.dialect
    verbs = sorted(VERBS - GROUPS)
    never = [*dialect.others(entry), *(each for verb in verbs for each in dialect.never(verb, entry))]
    tried = {name: change for change in never for name in change}
    rights = {name for name in tried if not await accounts.ldap.refuses(entry.dn, tried[name])}
    if dialect.judges_moves and await accounts.ldap.may_move(entry.dn):
        rights.add("the place")
    return sorted(rights | set(await _told(accounts, entry.dn)))


async def _told(accounts: Accounts, dn: str) -> list[str]:
    """What the directory itself says that we may write, where it says so."""
    told = accounts.dialect.effective
    if not told:
        return []
    found = await accounts.ldap.search(dn, "(objectClass=*)", told, below=False)
    return [right for entry in found for right in accounts.dialect.writes(entry)]


def _nobody(accounts: Accounts) -> Changes:
    """A member taken away who isn't one."""
    return removed("member", f"cn=nobody,{accounts.given.people}")


def _listed(all: Sequence[str]) -> str:
    """As many as one line holds."""
    more = f" and {len(all) - SHOWN} more" if len(all) > SHOWN else ""
    return f"{'; '.join(all[:SHOWN])}{more}"
