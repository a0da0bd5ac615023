"""A withdrawal is a durable job: begun in the ledger's own transaction, resumed at its step after a crash.

    begun -> counted out -> erased -> done

Every step may be run twice. The ledger, the withheld mails and the removal journal are already safe when the job
begins (see consenting.py); what is left is to solve the model anew, to erase rows, and to write a certificate.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

from postreel.gate.core import Core
from postreel.gate.learning import held_in_turn, is_on_roster, journal_removals, solve_removals
from postreel.gate.shelf import stored_catalogue
from postreel.ports import Job
from postreel.purposes import BIT, Devices, History, MeasureClicks, MeasureOpens, Training, keys_in
from postreel.schema import STORED, id_array

WAIT_S = 120.0


@contextmanager
def alone_with(core: Core, member: bytes) -> Generator[None, None, None]:
    """Be the one process that works on this member's jobs; waits while another does.

    Two that ran one job side by side could erase what came in under a later grant.

    Raises:
        TransientError: another process has been at it for two minutes.
    """
    # A few locks for all members: a file named after a member would outlive them.
    name = f"jobs-{core.member_key(member)[0] % 16:x}"
    with held_in_turn(core, name, WAIT_S):
        yield


def carry_withdrawal(core: Core, job: Job) -> None:
    """Carry a withdrawal through, if nobody else has meanwhile."""
    with alone_with(core, job.member):
        with core.records.reading() as tx:
            now = next((other for other in tx.open_jobs() if other.job == job.job), None)
        if now is not None:
            run_withdrawal(core, now)


def run_withdrawal(core: Core, job: Job) -> dict[str, Any]:
    """Carry one withdrawal through, under `alone_with`. Returns its certificate: what was removed, by purpose."""
    if job.step == "begun":
        # Journalled once more: the process may have died between the commit and the journal's fsync.
        journal_removals(core, (job,))
        if job.purposes & BIT[Training.key]:
            solve_removals(core, partial(stored_catalogue, core))
        _step(core, job, "counted out")
    removed = _removed_rows(core, job)
    _step(core, job, "erased")
    certificate: dict[str, Any] = {
        "job": job.job,
        "position": job.position,
        "purposes": list(keys_in(job.purposes)),
        "removed": removed,
        "model_exact": not is_on_roster(core, job.member) if job.purposes & BIT[Training.key] else None,
        "done": core.now().isoformat(),
    }
    with core.records.writing() as tx:
        tx.step_job(job.job, "done", core.now(), json.dumps(certificate))
    return certificate


def _step(core: Core, job: Job, step: str) -> None:
    with core.records.writing() as tx:
        tx.step_job(job.job, step, None, None)


def _removed_rows(core: Core, job: Job) -> dict[str, int]:
    removed: dict[str, int] = {}
    members = id_array([job.member])
    if job.purposes & BIT[History.key]:
        removed |= core.events.erase(members, STORED)
    elif job.purposes & BIT[Devices.key]:
        removed["devices"] = core.events.cut_devices(members)
    kinds = {MeasureOpens.key: "open", MeasureClicks.key: "click"}
    lost = [kind for key, kind in kinds.items() if job.purposes & BIT[key]]
    if lost:
        with core.records.writing() as tx:
            removed["engagement"] = tx.forget_engagement(job.member, lost)
    return removed
