"""Our own connector: devices, links, chat accounts and freezes change on a request's authority, like everything."""

from __future__ import annotations

from flows.model import Receipt, Request
from handlers.ports import Bindings, Codes, Freezes, Registry, Rejected


class Countersign:
    """Devices and links over a Registry, chat accounts over Bindings, freezes over Freezes, codes over Codes.

    A link is known by its token, which is made once for the effect key, a revocation by its device or passkey, a
    connection by its account. So what was changed itself tells whether a change was made, and repeating one changes
    nothing.
    """

    verbs = frozenset(
        {
            "invite",
            "add_device",
            "revoke_device",
            "revoke_passkey",
            "re_enrol",
            "connect_account",
            "disconnect_account",
            "freeze",
            "keep_frozen",
            "lift_freeze",
            "make_codes",
        }
    )

    def __init__(self, registry: Registry, bindings: Bindings, freezes: Freezes, codes: Codes) -> None:
        self._registry = registry
        self._bindings = bindings
        self._freezes = freezes
        self._codes = codes

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        """Make the change, unless that was done, and read it back. Raises Rejected."""
        if done := await self.check(request, key, secret):
            return done
        refused: Rejected | None = None
        try:
            await self._change(request, secret)
        except Rejected as no:
            refused = no  # perhaps only because an earlier attempt, given up on, has just come through
        if done := await self.check(request, key, secret):
            return done
        raise refused or RuntimeError(f"the registry does not show the change of {key}")

    async def _change(self, request: Request, secret: str | None) -> None:
        person, id = request.subject, request.id
        match request.verb:
            case "revoke_device":
                await self._registry.revoke(person, _device(request), id)
            case "revoke_passkey":
                await self._registry.revoke_passkey(person, _passkey(request), id)
            case "connect_account":
                await self._bindings.connect(person, _account(request), id)
            case "disconnect_account":
                await self._bindings.disconnect(person, _account(request), id)
            case "freeze" | "keep_frozen" as verb:
                confirmed = verb == "keep_frozen" or request.requester == person
                await self._freezes.freeze(person, request.requester, id, confirmed=confirmed)
            case "lift_freeze":
                await self._freezes.lift(person, id, request.opened_at)
            case "re_enrol":
                await self._registry.re_enrol(person, _token(secret), id)
            case "make_codes":
                await self._codes.keep(person, _codes(secret), id)
            case _:
                await self._registry.invite(person, _token(secret), id, first=request.verb == "invite")

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        """Whether the link of this token exists, the device or passkey counts no more, the account is whose it shall
        be. Raises Rejected.
        """
        self._known(request)
        person = request.subject
        match request.verb:
            case "revoke_device":
                device = _device(request)
                done = await self._registry.revoked(person, device)
                seen = f"Device {device} of {person} counts no more."
            case "revoke_passkey":
                passkey = _passkey(request)
                done = await self._registry.passkey_revoked(person, passkey)
                seen = f"Passkey {passkey} of {person} counts no more."
            case "connect_account":
                account = _account(request)
                done = await self._bindings.connected(person, account)
                seen = f"Account {account} belongs to {person}."
            case "disconnect_account":
                account = _account(request)
                done = not await self._bindings.connected(person, account)
                seen = f"Account {account} doesn't belong to {person} any more."
            case "freeze" | "keep_frozen" | "lift_freeze" as verb:
                done = await self._freezes.ordered(person, request.id)
                seen = f"{person} can go on." if verb == "lift_freeze" else f"Every role of {person} rests."
            case "make_codes":
                done = bool(_codes(secret)) and await self._codes.kept(person, request.id)
                seen = f"{person} has new recovery codes, and the old ones are worth nothing."
            case "re_enrol":
                done = await self._registry.invited(person, _token(secret))
                seen = f"Every device of {person} was removed, and there is an enrolment link to a new one."
            case _:
                done = await self._registry.invited(person, _token(secret))
                kind = "a first" if request.verb == "invite" else "another"
                seen = f"There is an enrolment link to {kind} device of {person}."
        return Receipt(key, seen) if done else None

    async def undo(self, request: Request, key: str) -> Receipt:
        """Never possible: raises Rejected, which says what to do instead."""
        self._known(request)
        match request.verb:
            case "revoke_device":
                raise Rejected("A removed device can't be brought back. Add it again as a new device.")
            case "revoke_passkey":
                raise Rejected("A removed passkey can't be brought back. Add a new one to the device.")
            case "re_enrol":
                raise Rejected("Removed devices can't be brought back. They are added again as new devices.")
            case "connect_account" | "disconnect_account":
                raise Rejected("That can't be undone here: its owner connects or disconnects a chat account.")
            case "make_codes":
                raise Rejected("Recovery codes can't be taken back: new ones replace them.")
            case "freeze" | "keep_frozen" | "lift_freeze":
                raise Rejected(
                    "A freeze can't be undone here: security lets people go on by a request of its own."
                )
            case _:
                raise Rejected(
                    "An enrolment link can't be taken back: it ends by itself within the hour. "
                    "If it was used, remove the device."
                )

    def _known(self, request: Request) -> None:
        if request.verb not in self.verbs:
            raise Rejected(f"Countersign has no verb `{request.verb}`.")


def _token(secret: str | None) -> str:
    if not secret:
        raise Rejected("No enrolment link was made for this request. Check that its playbook hands one out.")
    return secret


def _codes(secret: str | None) -> list[str]:
    if not secret:
        raise Rejected(
            "No recovery codes were made for this request. Check that its playbook hands them out."
        )
    return secret.split("\n")


def _device(request: Request) -> str:
    device = request.parameters.get("device")
    if not device:
        raise Rejected("The request doesn't say which device. Ask again and choose one.")
    return device


def _passkey(request: Request) -> str:
    passkey = request.parameters.get("passkey")
    if not passkey:
        raise Rejected("The request doesn't say which passkey. Ask again and choose one.")
    return passkey


def _account(request: Request) -> str:
    account = request.parameters.get("new_account") or request.parameters.get("account")
    if not account or account.count("/") != 2:
        raise Rejected(
            "The request doesn't say which chat account. Ask again from the link that you were sent."
        )
    return account
