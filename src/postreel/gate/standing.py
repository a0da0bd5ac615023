"""Who has granted what, at one position of the ledger, held in memory so that a batch is checked in one sweep.

Every door asks for it anew; it is brought up to the ledger's head first, by one indexed look-up and, where the
head moved, by the rows that changed since. If that look-up fails nothing is released.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from postreel.errors import ConsentError, PostreelError
from postreel.ports import GrantRow, Records
from postreel.purposes import BIT, SWITCHABLE, Purpose
from postreel.schema import Ids, Mask, id_array, is_among

NEVER = np.iinfo(np.int64).max
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
RESET = "grants_reset"
"""The note that tells other processes to load all grants again: an erasure removes rows without a trace."""


@dataclass(frozen=True)
class Standing:
    """Live grants at one position.

    Attributes:
        position: the ledger's size.
        ids: for each purpose key, the sorted members for whom it is live.
        since: for each purpose key, (m,) microseconds since 1970 UTC when it began to be.
    """

    position: int
    ids: Mapping[str, Ids]
    since: Mapping[str, NDArray[np.int64]]

    def members(self, purpose: type[Purpose]) -> Ids:
        """Sorted members for whom the purpose is live."""
        return self.ids[purpose.key]

    def is_live(self, purpose: type[Purpose], members: Ids) -> Mask:
        """(n,) whether it is live for each."""
        return is_among(members, self.ids[purpose.key])

    def since_us(self, purpose: type[Purpose], members: Ids) -> NDArray[np.int64]:
        """(n,) since when; the far future where it is not live."""
        ids, since = self.ids[purpose.key], self.since[purpose.key]
        if len(ids) == 0:
            return np.full(len(members), NEVER)
        at = np.minimum(np.searchsorted(ids, members), len(ids) - 1)
        return np.where(ids[at] == members, since[at], NEVER)

    def bits(self, members: Ids) -> NDArray[np.int64]:
        """(n,) the purposes live for each, as bits."""
        bits = np.zeros(len(members), np.int64)
        for purpose in SWITCHABLE:
            bits |= np.where(self.is_live(purpose, members), BIT[purpose.key], 0)
        return bits


class Follower:
    """Keeps a `Standing` at the ledger's head."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._lock = threading.Lock()
        self._rows: dict[str, dict[bytes, int]] = {purpose.key: {} for purpose in SWITCHABLE}
        self._now: Standing | None = None

    def standing(self) -> Standing:
        """Live grants at the head of this moment.

        Raises:
            ConsentError: the grants could not be looked up.
        """
        with self._lock:
            try:
                return self._followed()
            except PostreelError as fault:
                raise ConsentError("grants could not be looked up, so nothing is used; try again") from fault

    def _followed(self) -> Standing:
        known = -1 if self._now is None else self._now.position
        with self._records.reading() as tx:
            head = tx.ledger_size()
            if self._now is not None and head == known:
                return self._now
            if int(tx.meta(RESET) or -1) > known:
                known, self._now = -1, None
                self._rows = {purpose.key: {} for purpose in SWITCHABLE}
            changed = tx.grants_touched(known - 1 if known >= 0 else -1)
        self._now = self._with(changed, head)
        return self._now

    def _with(self, changed: list[GrantRow], head: int) -> Standing:
        touched = {row.purpose for row in changed}
        for row in changed:
            if row.live_since is None:
                self._rows[row.purpose].pop(row.member, None)
            else:
                self._rows[row.purpose][row.member] = (row.live_since - EPOCH) // MICROSECOND
        ids: dict[str, Ids] = {}
        since: dict[str, NDArray[np.int64]] = {}
        for key, rows in self._rows.items():
            if self._now is not None and key not in touched:
                ids[key], since[key] = self._now.ids[key], self._now.since[key]
                continue
            members = id_array(rows)
            order = np.argsort(members)
            ids[key] = members[order]
            since[key] = np.fromiter(rows.values(), np.int64, len(rows))[order]
        return Standing(head, ids, since)
