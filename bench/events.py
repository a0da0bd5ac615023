"""Events ingested: parsed, admitted and on disk, beside the same bytes decoded and nothing else."""

from __future__ import annotations

import json

import msgspec

from bench.measuring import EARLIER, NOW, SEED, Figure, a_service, best_seconds
from postreel.demo import event_batches
from postreel.flows.ingest import accept_events
from postreel.ports import Change

MEMBERS = 200


def run() -> list[Figure]:
    """Events a second through the intake."""
    with a_service(MEMBERS) as (app, people, members):
        app.gate.simulate(
            [Change(m, "history", "granted", "bench", "", EARLIER.replace(year=2025)) for m in members]
        )
        bodies = list(event_batches(people, EARLIER, NOW, SEED))[:8]
        count = sum(body.count(b"\n") for body in bodies)
        lines = [line for body in bodies for line in body.splitlines()]
        decoder = msgspec.json.Decoder()
        ceiling = best_seconds(lambda: [decoder.decode(line) for line in lines])
        plain = best_seconds(lambda: [json.loads(line) for line in lines])
        ours = best_seconds(lambda: [accept_events(app.gate, body, NOW) for body in bodies])
    return [
        Figure(
            "events ingested a second",
            count / ours,
            "ceiling: decoded by msgspec, not checked",
            count / ceiling,
        ),
        Figure("events ingested a second", count / ours, "baseline: json.loads, not checked", count / plain),
    ]
