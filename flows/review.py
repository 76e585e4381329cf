"""When somebody looks again at what was given for good."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from flows.model import Request

#: The field of a form that asks in how many days; its answer is one of the playbook's choices, so it is evidence.
REVIEW = "review"
#: Nothing is given for longer without anybody looking at it.
LONGEST = timedelta(days=365)
_DAYS = re.compile(r"([1-9][0-9]{0,2}) days?")


def days(answer: str) -> timedelta | None:
    """`90 days`, at most 365 of them; None for anything else."""
    match = _DAYS.fullmatch(answer)
    length = timedelta(days=int(match[1])) if match else None
    return length if length is not None and length <= LONGEST else None


def review_at(request: Request) -> datetime | None:
    """When what this request gave is looked at again; None where nobody was asked for that, or nothing was given."""
    length = days(request.parameters.get(REVIEW, ""))
    if length is None or request.receipt is None or request.closed_at is None:
        return None
    return request.closed_at + length
