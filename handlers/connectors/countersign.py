"""Our own connector: enrolment links and devices change on a request's authority, like everything else."""

from __future__ import annotations

from flows.model import Receipt, Request
from handlers.ports import Registry, Rejected

INVITE, ADD_DEVICE, REVOKE_DEVICE = "invite", "add_device", "revoke_device"


class Countersign:
    """Invites, adds and revokes over a Registry.

    A link is known by its token, which is made once for the effect key, and a revocation by its device. So
    the registry itself tells whether a change was made, and repeating one changes nothing.
    """

    verbs = frozenset({INVITE, ADD_DEVICE, REVOKE_DEVICE})

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        """Make the link or revoke the device, unless that was done, and read it back. Raises Rejected."""
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
        if request.verb == REVOKE_DEVICE:
            await self._registry.revoke(request.subject, _device(request), request.id)
        else:
            first = request.verb == INVITE
            await self._registry.invite(request.subject, _token(secret), request.id, first=first)

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        """Whether the link of this token exists, or the device counts no more. Raises Rejected."""
        self._known(request)
        person = request.subject
        if request.verb == REVOKE_DEVICE:
            device = _device(request)
            done = await self._registry.revoked(person, device)
            return Receipt(key, f"Device {device} of {person} counts no more.") if done else None
        done = await self._registry.invited(person, _token(secret))
        kind = "a first" if request.verb == INVITE else "another"
        return Receipt(key, f"There is an enrolment link to {kind} device of {person}.") if done else None

    async def undo(self, request: Request, key: str) -> Receipt:
        """Never possible: raises Rejected, which says what to do instead."""
        self._known(request)
        if request.verb == REVOKE_DEVICE:
            raise Rejected("A removed device can't be brought back. Add it again as a new device.")
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


def _device(request: Request) -> str:
    device = request.parameters.get("device")
    if not device:
        raise Rejected("The request doesn't say which device. Ask again and choose one.")
    return device
