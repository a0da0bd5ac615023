"""Erasing a member: through the gate, and out of the files that imports left beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from postreel.flows.ingest import forget_refused
from postreel.gate import Erasure, Gate


def erase_member(gate: Gate, home: Path, member: bytes) -> Erasure:
    """Erase a member, the refused rows that name them included.

    Args:
        home: the home folder, under which imports keep what they refused.

    Raises:
        ConsentError: the member is not here.
    """
    rights = gate.rights(member)
    address = rights.facts().address
    names = [*rights.aliases(), member.hex(), *([address] if address else [])]
    done = rights.erase()
    return replace(done, rows={**done.rows, "refused_lines": forget_refused(home / "refused", names)})
