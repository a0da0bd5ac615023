"""Answers told by a file, in a sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from postreel.errors import InputError
from postreel.gate import Gate
from postreel.ports import Change
from postreel.purposes import SWITCHABLE
from postreel.schema import id_array, unique_ids

KEYS = frozenset(p.key for p in SWITCHABLE)
STATES = frozenset({"granted", "refused", "withdrawn"})


def simulated_answers(gate: Gate, rows: Sequence[dict[str, str]], now: datetime) -> dict[str, Any]:
    """Write the answers of `member,purpose,state` rows, in their order; an `at` column dates them.

    Returns:
        `written`, and `refused`: line and reason of each that could not be.
    """
    names = gate.resolve([row.get("member", "").strip() for row in rows])
    children = {who.member for who in gate.members(unique_ids(id_array(names.values()))) if who.is_child}
    refused: list[dict[str, Any]] = []
    changes: list[Change] = []
    for line, row in enumerate(rows, start=2):
        try:
            changes.append(_change(row, names, children, now))
        except (InputError, ValueError) as fault:
            refused.append({"line": line, "reason": str(fault)})
    written = gate.simulate(changes)
    gate.run_jobs()
    return {"written": written, "refused": refused}


def _change(row: dict[str, str], names: dict[str, bytes], children: set[bytes], now: datetime) -> Change:
    member = names.get(row.get("member", "").strip())
    purpose, state = row.get("purpose", "").strip(), row.get("state", "").strip()
    if member is None:
        raise InputError("no such member")
    if member in children and state == "granted":
        raise InputError("a child grants nothing")
    if purpose not in KEYS:
        raise InputError(f"no such purpose {purpose!r}")
    if state not in STATES:
        raise InputError(f"a state is granted, refused or withdrawn, not {state!r}")
    at = datetime.fromisoformat(row["at"]) if row.get("at") else now
    if at.tzinfo is None:
        raise InputError("`at` needs a time zone")
    return Change(member, purpose, state, "simulation", "simulated", at)
