"""The ledger: entries appended and verified a second, beside the hashing alone; and the gate's check a row."""

from __future__ import annotations

import hashlib

import numpy as np

from bench.measuring import EARLIER, Figure, a_service, best_seconds
from postreel.ports import Change
from postreel.purposes import History

MEMBERS, ROWS = 1_000, 1_000_000
KEYS = ("history", "recommendations", "training", "mail.picks")


def run() -> list[Figure]:
    """Entries a second appended in bulk and verified; rows a second checked against grants."""
    with a_service(MEMBERS) as (app, _, members):
        changes = [Change(m, key, "granted", "bench", "", EARLIER) for m in members for key in KEYS]
        appended = best_seconds(lambda: app.gate.simulate(changes), repeats=1)
        verified = best_seconds(app.gate.verify_ledger)
        count = len(changes)
        blocks = [bytes(65)] * (2 * count)
        hashed = best_seconds(lambda: [hashlib.sha256(block).digest() for block in blocks])
        standing = app.gate.standing()
        rows = np.random.default_rng(1).choice(standing.members(History), ROWS)
        checked = best_seconds(lambda: standing.since_us(History, rows))
        copied = best_seconds(lambda: rows.copy())
    return [
        Figure(
            "ledger entries verified a second", count / verified, "ceiling: its hashes alone", count / hashed
        ),
        Figure(
            "ledger entries appended a second", count / appended, "ceiling: its hashes alone", count / hashed
        ),
        Figure(
            "rows checked against grants a second",
            ROWS / checked,
            "ceiling: the ids copied once",
            ROWS / copied,
        ),
    ]
