"""Rows of requests that were checked and read a moment ago, so that the next step of each need not do it again.

A request's steps follow one another in the same process. A row that is the same to the last byte, seal included,
as one whose seal held is not checked or parsed anew; any other is, so nothing is believed for being remembered.
"""

from __future__ import annotations

from collections import OrderedDict

from flows.model import Request
from storage import codec
from storage.seals import Keys
from storage.sql import Row

MOST = 1024  # rows; about 5 MB


class Recent:
    """The last few thousand request rows and what they say. Used by the one writer of a store."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self._known: OrderedDict[str, tuple[Row, Request]] = OrderedDict()

    def holds(self, table: str, row: Row) -> bool:
        """True when the row carries the seal its content demands."""
        if table == "requests" and (known := self._known.get(row["id"])) is not None and known[0] == row:
            return True
        return self.keys.holds(table, row)

    def request(self, row: Row) -> Request:
        """The state in a row whose seal holds."""
        known = self._known.get(row["id"])
        if known is not None and known[0] == row:
            return known[1]
        return codec.request(row["state"])

    def keep(self, row: Row, request: Request) -> None:
        """Remember a sealed row and its state, and forget the oldest beyond MOST."""
        self._known[row["id"]] = (row, request)
        self._known.move_to_end(row["id"])
        if len(self._known) > MOST:
            self._known.popitem(last=False)
