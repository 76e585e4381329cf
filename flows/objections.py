"""Objections: whoever is told can stop a change until the wait is over, and only the manager's passkey begins it.

Pure rules that the decision, the worker and the pages share: whose place among those who agree is kept, who may
object, when the wait is over, and for whom it is never shortened.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from flows.model import LEAST_WAIT, Person, Playbook, Request

#: Who may stop such a change besides those whom it concerns, and for whom it is never hurried.
GUARDIANS = frozenset({"security", "administrator"})
_OPENS, _CLOSES, _FRIDAY = time(9), time(17), 4
_DAY = timedelta(days=1)


# -- when the wait is over ----------------------------------------------------------------------


def ends_at(agreed: datetime, wait: timedelta, zone: str) -> datetime:
    """When nobody can object any more: after the wait, and after four working hours in that time zone."""
    return max(agreed + wait, after_working_time(agreed, LEAST_WAIT, zone))


def after_working_time(start: datetime, length: timedelta, zone: str) -> datetime:
    """The moment by which so much working time has passed: Monday to Friday, 9:00 to 17:00 in that time zone.

    Aware UTC. Time is measured, not read off the wall, so a clock change takes nobody's time. An unknown zone is UTC.
    """
    there = _zone(zone)
    day = start.astimezone(there).date()
    while True:
        if day.weekday() <= _FRIDAY:
            opens = max(start, datetime.combine(day, _OPENS, there).astimezone(UTC))
            closes = datetime.combine(day, _CLOSES, there).astimezone(UTC)
            if opens + length <= closes:
                return (opens + length).astimezone(UTC)
            length -= max(closes - opens, timedelta(0))
        day += _DAY


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, or no name at all
        return UTC


# -- who ----------------------------------------------------------------------------------------


def may_object(request: Request, subject: Person | None, actor: Person) -> bool:
    """Whether this person's no counts: the subject, their manager, security, an administrator, whoever agreed."""
    agreed = {approval.person for approval in request.approvals}
    manager = subject.manager if subject is not None else None
    return actor.id in {request.subject, manager, *agreed} or bool(actor.roles & GUARDIANS)


def never_hurried(subject: Person) -> bool:
    """Whether nobody may shorten the wait: the account is worth more than the time."""
    return subject.privileged or bool(subject.roles & GUARDIANS)


def manager_agrees(playbook: Playbook, prover: str, manager: str | None, agreed: Collection[str]) -> bool:
    """Whether the manager's own passkey is among those that speak for this; always where nobody can object."""
    return playbook.objection is None or (manager is not None and manager in {prover, *agreed})


def kept_for_manager(
    playbook: Playbook, prover: str, manager: str | None, agreed: Collection[str], actor: str
) -> bool:
    """Whether the last place among those who agree is the manager's, and this is somebody else."""
    if playbook.objection is None or actor == manager or manager_agrees(playbook, prover, manager, agreed):
        return False
    return len({*agreed}) + 1 >= playbook.places
