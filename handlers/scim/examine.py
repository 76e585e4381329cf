"""A SCIM server looked over without changing anything: for the doctor and for `connectors test`.

What a token may do can't be asked over SCIM, so that much stays open, and is said.
"""

from __future__ import annotations

from collections.abc import Collection

from handlers.findings import Finding, Level, certified
from handlers.ports import Rejected, Unreachable
from handlers.scim.client import Client, Resource
from handlers.scim.guard import Guard
from handlers.scim.users import Users


async def examined(users: Users, can: Collection[str], needed: Collection[str], name: str) -> list[Finding]:
    """The server, what it says of itself, people, groups and one account. `can`: the connector's verbs."""
    found: list[Finding] = []
    try:
        found.append(await _server(users.client, users.given.url))
        found += await _features(users.client, needed)
        found += await _groups(users)
        found += await _account(users, name)
    except (Unreachable, Rejected) as failure:
        remedy = "Check `url`, `token`, and the server's certificate (`ca_file`)."
        return [*found, Finding("server", Level.FAIL, str(failure), remedy)]
    return found + _verbs(can, needed)


async def _server(client: Client, url: str) -> Finding:
    ends = await client.visit()
    if ends is None:
        return Finding("server", Level.PASS, f"{url} answers, on this machine and without a certificate")
    return certified("server", f"{url} answers", ends)


async def _features(client: Client, needed: Collection[str]) -> list[Finding]:
    """What the server says that it can (RFC 7643 §5). Not every server says so, which is no fault of it."""
    told = (await client.features()).values
    found = []
    for feature, wanted in (("patch", bool(needed)), ("changePassword", "set_password" in needed)):
        says = told.get(feature)
        if wanted and isinstance(says, dict) and says.get("supported") is False:
            seen = f"a playbook needs it, and the server says that it doesn't support {feature}"
            found.append(Finding(feature, Level.FAIL, seen, "Switch it on there, or change the playbook."))
    etag = told.get("etag")
    if not (isinstance(etag, dict) and etag.get("supported") is True):
        seen = "the server doesn't promise versions, so a change made at the same moment may be written over"
        found.append(Finding("etag", Level.WARN, seen, "Switch ETags on there, if it has them."))
    return found


async def _groups(users: Users) -> list[Finding]:
    """Every group that the settings name is there, once."""
    given, found = users.given, []
    named = {"untouchable_groups": given.untouchable_groups, **given.roles}
    for where, names in sorted(named.items()):
        wrong = [each for each in names if len(await users.groups(each)) != 1]
        if wrong:
            seen = f"{where} names {', '.join(wrong)}, and there isn't just one group of that name"
            found.append(Finding("groups", Level.FAIL, seen, "Check the spelling of `displayName`."))
    if given.groups and not found:
        first = await users.client.first("Groups")
        seen = "those that are named are there" if first else "there are none yet"
        found.append(Finding("groups", Level.PASS if first else Level.WARN, seen))
    if not given.untouchable_groups:
        remedy = "Name your administrators' groups under `untouchable_groups`."
        found.append(Finding("administrators", Level.WARN, "none are named, so nobody is left alone", remedy))
    return found


async def _account(users: Users, name: str) -> list[Finding]:
    """The account of this name, or any."""
    client = users.client
    if name:
        named = await client.found("Users", "userName", name)
    else:
        named = [each for each in [await client.first("Users")] if each]
    if len(named) != 1:
        who = f"just one account {name!r}" if name else "anybody"
        return [Finding("account", Level.FAIL, f"there isn't {who}", "Check the spelling and the token.")]
    (user,) = named
    found = [Finding("account", Level.PASS, await _state(users, user))] if name else []
    id = user.text(users.given.person_id)
    if not id:
        seen = f"{user.text('userName')} has no `{users.given.person_id}`, so is nobody who can ask"
        found = [Finding("account", Level.FAIL, seen, "Fill it in there, or change `person_id`.")]
    if "password" in user.values:
        remedy = "Have it never returned (RFC 7643 section 4.1.1)."
        found.append(Finding("passwords", Level.FAIL, "the server tells us people's passwords", remedy))
    else:
        found.append(Finding("passwords", Level.PASS, "the server doesn't tell us people's passwords"))
    return found


async def _state(users: Users, user: Resource) -> str:
    words = {
        "disabled": user.values.get("active") is not True,
        "never changed by request": await Guard(users).protects(user),
    }
    told = ", ".join(word for word, is_so in words.items() if is_so) or "open"
    return f"{user.text('userName')}: {told}; its lasting id is {user.text(users.given.person_id)}"


def _verbs(can: Collection[str], needed: Collection[str]) -> list[Finding]:
    found = [
        Finding(
            verb,
            Level.FAIL,
            "a playbook needs it, and it can't be done here",
            "Change the playbook: to `set_password` with a chosen password."
            if verb == "reset_password"
            else "Set `groups: true`, or change the playbook.",
        )
        for verb in sorted(set(needed) - set(can))
    ]
    seen = "what our token may do can't be asked over SCIM, so no verb was tried"
    return [*found, Finding("rights", Level.WARN, seen, "Try a request about an account of your own.")]
