"""Sessions and tastes brought up to date with the events. Runs under `history`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from postreel.gate import Gate
from postreel.habits import sessions_of, tastes_of
from postreel.purposes import History
from postreel.schema import Plays

FEW = 1_000
"""Up to so many stale members are read by name; more are found faster by going through all."""


def refresh_habits(gate: Gate, progress: Callable[[int], None] = lambda _: None) -> int:
    """Work out sessions and tastes again for members whose events are newer. How many members.

    Args:
        progress: is told after each batch how many members it held.
    """
    gate.compact()
    stale = gate.stale()
    if len(stale) == 0:
        return 0
    catalogue = gate.catalogue()
    batches = [gate.read(Plays, stale, History)] if len(stale) <= FEW else gate.stream(Plays, History)
    count = 0
    for plays in batches:
        gate.keep(plays.map(sessions_of, catalogue))
        gate.keep(plays.map(tastes_of, catalogue))
        done = int(np.size(plays.warrant.members))
        count += done
        progress(done)
    return count
