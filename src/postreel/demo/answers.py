"""What simulated members answer when they are asked for consent, dated.

The mix is meant to be awkward on purpose: about a third grant no measurement, some grant nothing at all, some
never answered, some take mail without history or keep history without recommendations, and some withdraw
while the period runs. Only a sandbox may load answers like these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from postreel.demo.members import SimulatedMember, member_rows

_NEVER_ANSWERED = 0.05
_REFUSED_ALL = 0.05
_WITHDRAWS = 0.09
_MAIL = ("mail.picks", "mail.news", "mail.nudges", "mail.surveys")
# What a withdrawal is about, and how often; "all" takes back whatever is granted. Whoever takes back history
# says no more than that: what rests on it has to fall by itself.
_TAKEN_BACK = (("mail.picks", 0.25), ("history", 0.25), ("training", 0.2), ("measure.", 0.15), ("all", 0.15))


@dataclass(frozen=True)
class Answer:
    """One dated yes or no: `state` is granted, refused or withdrawn."""

    address: str
    purpose: str
    state: str
    at: datetime


def consents(members: Sequence[SimulatedMember], start: datetime, until: datetime, seed: int) -> list[Answer]:
    """Every answer of these members, oldest first.

    First answers are given between 1 and 200 days before `start`, so that grants are live when the first
    event happens; withdrawals fall in the middle of the period. Children are never asked.

    Args:
        members: as `simulated_members` made them.
        start, until: the period whose events the answers go with; aware UTC times.
        seed: the same seed and members give the same answers.
    """
    rng = np.random.default_rng([seed, 2])
    answers: list[Answer] = []
    for row in member_rows(members):
        asked = start - timedelta(days=float(rng.uniform(1, 200)))
        states = _first_states(rng)
        answers.extend(Answer(row.address, purpose, state, asked) for purpose, state in states.items())
        if rng.random() < _WITHDRAWS:
            ended = start + (until - start) * float(rng.uniform(0.3, 0.85))
            answers.extend(Answer(row.address, p, "withdrawn", ended) for p in _taken_back(states, rng))
    return sorted(answers, key=lambda a: a.at)


def consents_csv(answers: Iterable[Answer]) -> bytes:
    """The answers as `consent simulate` reads them: `member,purpose,state,at` with ISO times in UTC."""
    lines = ["member,purpose,state,at"]
    lines.extend(f"{a.address},{a.purpose},{a.state},{_iso(a.at)}" for a in answers)
    return ("\n".join(lines) + "\n").encode()


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _first_states(rng: np.random.Generator) -> dict[str, str]:
    """The answers to the four questions, unfolded, and to the switches that stand alone."""
    kind = rng.random()
    if kind < _NEVER_ANSWERED:
        return {}
    refuses_all = kind < _NEVER_ANSWERED + _REFUSED_ALL

    def says(share: float) -> bool:
        return bool(rng.random() < share) and not refuses_all

    history = says(0.94)
    yes = {"history": history, "recommendations": history and says(0.93)}
    mail = says(0.92)
    for purpose, share in zip(_MAIL, (0.97, 0.8, 0.75, 0.5), strict=True):
        yes[purpose] = mail and says(share) and (history or purpose != "mail.nudges")
    reports = any(yes[p] for p in _MAIL) and says(0.8)
    opens, clicks = ((True, True), (False, True), (True, False))[int(rng.choice(3, p=(0.65, 0.25, 0.1)))]
    yes["measure.opens"] = reports and opens
    yes["measure.clicks"] = reports and clicks
    yes["learn"] = reports and yes["recommendations"] and says(0.7)
    helps = history and says(0.82)
    yes["training"] = helps
    yes["analytics"] = helps and says(0.8)
    states = {purpose: "granted" if granted else "refused" for purpose, granted in yes.items()}
    # Never part of a question's yes: each is its own switch, and most people leave it alone.
    for purpose, share in (("devices", 0.3), ("mail.offers", 0.2)):
        if says(share) and (history or purpose != "devices"):
            states[purpose] = "granted"
    return states


def _taken_back(states: dict[str, str], rng: np.random.Generator) -> list[str]:
    granted = [purpose for purpose, state in states.items() if state == "granted"]
    which = _TAKEN_BACK[int(rng.choice(len(_TAKEN_BACK), p=[share for _, share in _TAKEN_BACK]))][0]
    if which == "all":
        return granted
    return [p for p in granted if p.startswith(which)]
