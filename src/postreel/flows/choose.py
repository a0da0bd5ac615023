"""Titles for members: their own by `recommendations`, what is popular for everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from postreel.consent import Permitted
from postreel.gate import Gate
from postreel.ports import MemberFacts
from postreel.purposes import Recommendations
from postreel.recommend import Fit, picks_for, popular_picks
from postreel.schema import Ids, Picks, Tastes, id_array

K = 10


def personal_picks(
    gate: Gate, members: Ids, facts: Sequence[MemberFacts], now: datetime, k: int = K
) -> Permitted[Picks, Recommendations]:
    """The k best titles for each of these members who has a live `recommendations` grant and a history."""
    tastes = gate.read(Tastes, members, Recommendations)
    return tastes.map(picks_for, gate.model(), gate.catalogue(), now, k, fit_of(facts))


def popular(gate: Gate, now: datetime, k: int = K) -> Picks:
    """What is popular, fit for everybody: one row, whose member stands for nobody."""
    nobody = id_array([b"\x01" * 16])
    fit = Fit(nobody, np.array([0], np.int32), np.array([None], object))
    return popular_picks(nobody, gate.model(), gate.catalogue(), now, k, fit)


def fit_of(facts: Sequence[MemberFacts]) -> Fit:
    """What each member may be shown."""
    some = sorted(facts, key=lambda who: who.member)
    maturity = np.array([w.maturity for w in some], np.int32)
    return Fit(id_array(w.member for w in some), maturity, np.array([w.region for w in some], object))
