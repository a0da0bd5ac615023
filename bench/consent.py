"""What a consent write waits beside a bulk import, which is cut so that no transaction is long."""

from __future__ import annotations

import threading
import time

import numpy as np

from bench.measuring import EARLIER, Figure, a_service
from postreel.app import App, opened
from postreel.ports import Change

MEMBERS, WRITES = 1_500, 60


def run() -> list[Figure]:
    """99th percentile of a withdrawal's answer, alone and beside an import of grants."""
    with a_service(MEMBERS) as (app, _, members):
        some, others = members[:WRITES], members[WRITES:]
        app.gate.simulate([Change(m, "analytics", "granted", "bench", "", EARLIER) for m in some])
        app.gate.simulate([Change(m, "mail.news", "granted", "bench", "", EARLIER) for m in some])
        alone = _waits(app, some, "analytics")
        other = opened(app.settings, "bench import")
        bulk = threading.Thread(target=_bulk, args=(other, others))
        bulk.start()
        beside = _waits(app, some, "mail.news")
        bulk.join()
    return [
        Figure(
            "ms to the answer of a withdrawal beside a bulk import, p99",
            float(np.percentile(beside, 99)),
            "baseline: alone, p99",
            float(np.percentile(alone, 99)),
        )
    ]


def _bulk(app: App, members: list[bytes]) -> None:
    keys = ("history", "recommendations", "training", "mail.picks", "mail.news", "analytics")
    app.gate.simulate([Change(m, key, "granted", "bench", "", EARLIER) for m in members for key in keys])


def _waits(app: App, members: list[bytes], purpose: str) -> list[float]:
    found: list[float] = []
    for member in members:
        began = time.perf_counter()
        app.gate.rights(member).refuse([purpose], "bench")
        found.append((time.perf_counter() - began) * 1000)
    return found
