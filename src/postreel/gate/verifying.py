"""Proof: the whole ledger compared with its heads, inside and outside the database, and with the grants in use.

Runs under `proof`. Used by `consent verify`, by the pages that show it, and by every start.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from postreel.consent import Finding, Head, checked, is_signed, public_key_of
from postreel.errors import InputError
from postreel.gate.core import Core
from postreel.ports import GrantRow, Transaction

LATE = 64
REPAIRED_MOST = 8


def verify_ledger(core: Core) -> Finding:
    """Go through the whole ledger and compare it with its heads and with the grants in use."""
    # The file first: the database may be ahead of it by what is written meanwhile, but never behind.
    outside, bad_lines = _heads_in(core.heads.lines())
    try:
        return _compared(core, outside, bad_lines)
    except (TypeError, ValueError, ArithmeticError, AttributeError) as fault:
        # Cells of a kind that Postreel never writes.
        finding = Finding()
        finding.blame(0, f"the tables of the ledger cannot be read as such ({fault})")
        return finding


def _compared(core: Core, outside: Sequence[Head], bad_lines: int) -> Finding:
    key = public_key_of(core.keys.ledger_key())
    with core.records.reading() as tx:
        finding = checked(tx.entries(), tx.heads(), outside, key)
        if bad_lines:
            finding.blame(
                max(finding.entries - 1, 0), f"{bad_lines} lines of the file of heads are no signed heads"
            )
        _check_edge(finding, tx)
        _check_grants(core, finding, tx.grants_touched(-1))
    return finding


def _check_edge(finding: Finding, tx: Transaction) -> None:
    """What the store goes on appending from must be the tree's own edge, or the next head is wrong."""
    try:
        is_edge = tx.frontier().packed() == finding.peaks
    except InputError:
        is_edge = False
    if not is_edge:
        finding.blame(max(finding.entries - 1, 0), "the stored edge of the tree is not that of its entries")


def _check_grants(core: Core, finding: Finding, rows: list[GrantRow]) -> None:
    """The grants in use are what the ledger says, and live where, and since when, the policy makes them so."""
    by_member: dict[bytes, dict[str, GrantRow]] = defaultdict(dict)
    for row in rows:
        by_member[row.member][row.purpose] = row
        said = finding.states.pop((row.member.hex(), row.purpose), None)
        if said != (row.state, row.since.isoformat()):
            told = None if said is None else said[0]
            finding.blame(row.position, f"a grant in use says {row.state!r}, the ledger {told!r}")
    if finding.states:
        finding.blame(max(finding.entries - 1, 0), f"{len(finding.states)} grants of the ledger are gone")
    for held in by_member.values():
        since = {key: row.since for key, row in held.items() if row.state == "granted"}
        live = core.policy.live_since(since)
        for key, row in held.items():
            if row.live_since != live.get(key):
                finding.blame(row.position, f"a grant of {key!r} is not in use as its ledger entry has it")


def repair_heads(core: Core) -> None:
    """A process may have died between the commit and the line in the file of heads: nobody was answered."""
    # Processes may write their lines out of order, but not by many.
    last = max((head.size for head in _heads_in(core.heads.lines()[-LATE:])[0]), default=0)
    with core.records.reading() as tx:
        if tx.ledger_size() <= last:
            return
        missing = [head for head in tx.heads() if head.size > last]
    if len(missing) > REPAIRED_MOST:
        # A dying process leaves a line unwritten. A file that lacks many was cut or taken away: `verify` says so.
        return
    key = public_key_of(core.keys.ledger_key())
    for head in missing:
        # What somebody else wrote into the database is not carried into the file; `verify` names it.
        if is_signed(head, key):
            core.heads.append(head.line())


def _heads_in(lines: Sequence[str]) -> tuple[list[Head], int]:
    """The heads in these lines, and how many lines are none."""
    heads: list[Head] = []
    bad = 0
    for line in lines:
        try:
            head = Head.from_line(line)
        except InputError:
            bad += 1
        else:
            heads.append(head)
    return heads, bad
