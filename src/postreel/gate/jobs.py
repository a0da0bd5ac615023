"""Jobs under way: withdrawals and erasures, resumed after a crash."""

from __future__ import annotations

from postreel.gate.core import Core
from postreel.gate.erasing import carry_erasure
from postreel.gate.withdrawing import carry_withdrawal


def run_open_jobs(core: Core, member: bytes | None = None) -> int:
    """Carry all open jobs through, or those of one member, oldest first. How many were looked after."""
    count = 0
    while True:
        with core.records.reading() as tx:
            waiting = [job for job in tx.open_jobs() if member is None or job.member == member]
        if not waiting:
            return count
        first = waiting[0]
        if first.kind == "erasure":
            carry_erasure(core, first)
        else:
            carry_withdrawal(core, first)
        count += 1
