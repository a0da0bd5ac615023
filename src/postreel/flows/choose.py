"""Titles for members: their own by `recommendations`, what is popular for everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from postreel.catalogue import Catalogue
from postreel.consent import Permitted
from postreel.gate import Gate
from postreel.ports import Clock, MemberFacts
from postreel.purposes import Recommendations
from postreel.recommend import Fit, counterfactuals, picks_for, popular_picks
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


def recommended(
    gate: Gate, clock: Clock, who: MemberFacts, k: int, why: str, *, is_explained: bool = False
) -> dict[str, Any]:
    """What a member would be recommended now, with the reasons; what is popular, where nothing is personal.

    Somebody looks: that is written where the member sees it.

    Args:
        why: what for, in words; the member reads it.
        is_explained: add to each title its `rank`, and to each reason `rank_without`: where the title would stand
            without that one.

    Returns:
        As `recommend --json` prints it: `member`, `model` (`popular` where nothing is personal), `titles`.
    """
    now, ids = clock.now(), id_array([who.member])
    operator = gate.as_operator(gate.who, why)
    operator.read(Tastes, who.member, Recommendations)
    rows = operator.shown(personal_picks(gate, ids, [who], now, k)).table.to_pylist()
    best = rows[0] if rows else popular(gate, now, k).table.to_pylist()[0]
    catalogue = gate.catalogue()
    told = [_told(pick, catalogue) for pick in best["picks"]]
    if is_explained and rows:
        tastes = gate.read(Tastes, ids, Recommendations)
        checks = tastes.map(counterfactuals, gate.model(), catalogue, now, k, fit_of([who]))
        for title, check in zip(told, operator.shown(checks), strict=True):
            title["rank"] = check.rank
            for reason, (_, rank) in zip(title["reasons"], check.without, strict=True):
                reason["rank_without"] = rank
    return {
        "member": who.member.hex(),
        "model": gate.model().name if rows else "popular",
        "titles": told,
    }


def _told(pick: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    reasons = [
        {
            "title_id": reason["title_id"],
            "name": _name(reason["title_id"], catalogue),
            "share": reason["share"],
            "evidence": reason["evidence"],
        }
        for reason in pick["reasons"]
    ]
    return {
        "title_id": pick["title_id"],
        "name": _name(pick["title_id"], catalogue),
        "score": pick["score"],
        "reasons": reasons,
        "also": pick["also"],
    }


def _name(title_id: str, catalogue: Catalogue) -> str:
    title = catalogue.get(title_id)
    return title_id if title is None else title.name


def fit_of(facts: Sequence[MemberFacts]) -> Fit:
    """What each member may be shown."""
    some = sorted(facts, key=lambda who: who.member)
    maturity = np.array([w.maturity for w in some], np.int32)
    return Fit(id_array(w.member for w in some), maturity, np.array([w.region for w in some], object))
