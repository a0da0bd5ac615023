"""Simulated members, their households and their children.

Nobody is invented: a member has an address on the reserved domain `example.invalid` and no name. What drives
their viewing (mixture of tastes, rhythm, activity, habits, devices) is kept on `SimulatedMember` for the
players alone and reaches nothing else.

A child is a viewer without a mailbox. Their player reports under an alias that belongs to no member, so the
intake has no grant to admit it by, and refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from postreel.demo.tastes import TASTES
from postreel.errors import InputError
from postreel.members import MemberRow

RHYTHMS = ("evenings", "late nights", "weekends", "mornings", "any hour")

_WORDS = (
    "amber",
    "aurora",
    "balcony",
    "brass",
    "candle",
    "carbon",
    "cinder",
    "comet",
    "copper",
    "curtain",
    "dusk",
    "ember",
    "feather",
    "ferry",
    "foyer",
    "garden",
    "gaslight",
    "harbour",
    "iris",
    "ivory",
    "juniper",
    "kettle",
    "lantern",
    "linen",
    "marble",
    "matinee",
    "meadow",
    "midnight",
    "mirror",
    "nitrate",
    "orbit",
    "organ",
    "paper",
    "parade",
    "pepper",
    "projector",
    "quartz",
    "ribbon",
    "river",
    "rocket",
    "saffron",
    "silver",
    "sparrow",
    "spool",
    "stardust",
    "ticket",
    "timber",
    "tram",
    "trolley",
    "umbrella",
    "usher",
    "velvet",
    "violet",
    "willow",
    "winter",
    "zephyr",
)

# region, time zone, language, share
_PLACES = (
    ("GB", "Europe/London", "en", 0.20),
    ("US", "America/New_York", "en", 0.15),
    ("US", "America/Chicago", "en", 0.07),
    ("US", "America/Los_Angeles", "en", 0.09),
    ("CA", "America/Toronto", "en", 0.06),
    ("AU", "Australia/Sydney", "en", 0.05),
    ("IE", "Europe/Dublin", "en", 0.04),
    ("IN", "Asia/Kolkata", "en", 0.04),
    ("DE", "Europe/Berlin", "de", 0.09),
    ("FR", "Europe/Paris", "fr", 0.07),
    ("ES", "Europe/Madrid", "es", 0.05),
    ("NL", "Europe/Amsterdam", "nl", 0.04),
    ("SE", "Europe/Stockholm", "sv", 0.02),
    ("JP", "Asia/Tokyo", "ja", 0.03),
)
_MAIN_DEVICE = ("tv", "computer", "tablet", "console", "other")
_SECOND_DEVICE = ("phone", "tablet", "computer")

_MEDIAN_VIEWINGS = 16.5
"""Titles that the median member begins in 90 days; the rest follow a log-normal."""
_CHILDREN_SHARE = 0.06
_PAIRED_SHARE = 0.2


@dataclass(frozen=True)
class SimulatedMember:
    """One viewer and what drives them.

    Attributes:
        alias: the id that their player reports under.
        row: the member as a source would tell of them; None for a child, who is no member.
        tastes: (len(TASTES),) mixture, sums to 1.
        rhythm: one of RHYTHMS.
        timezone: IANA name.
        maturity: highest rating shown.
        viewings_90d: titles begun in 90 days, on average.
        patience: shifts how often a title is seen to its end; 0 is the average member.
        restlessness: pauses and seeks, beside 1 for the average member.
        rating_share: share of finished titles that they rate.
        fades: goes quiet in the second half of the period.
        devices: (type, id) of the main and the second device.
    """

    alias: str
    row: MemberRow | None
    tastes: tuple[float, ...]
    rhythm: str
    timezone: str
    maturity: int
    viewings_90d: float
    patience: float
    restlessness: float
    rating_share: float
    fades: bool
    devices: tuple[tuple[str, str], tuple[str, str]]

    @property
    def is_child(self) -> bool:
        """Whether this viewer has no mailbox and grants nothing."""
        return self.row is None


def simulated_members(count: int, seed: int) -> list[SimulatedMember]:
    """This many members, and after them the children of their households (about 6 for each 100).

    The same count and seed give the same members.

    Raises:
        InputError: fewer than one member.
    """
    if count < 1:
        raise InputError(f"a simulation needs at least 1 member, got {count}")
    rng = np.random.default_rng([seed, 1])
    child_count = round(count * _CHILDREN_SHARE)
    total = count + child_count
    draws = _drives(total, rng)
    place_of = rng.choice(len(_PLACES), total, p=[p[3] for p in _PLACES])
    household_of = _households(count, rng)
    maturity_of = rng.choice((18, 16, 12), total, p=(0.9, 0.06, 0.04))
    words = rng.integers(0, len(_WORDS), (count, 2))
    parent_of = rng.choice(count, child_count, replace=child_count > count)
    animated = [t.name for t in TASTES].index("drawn")
    people: list[SimulatedMember] = []
    for i in range(count):
        region, timezone, language, _ = _PLACES[int(place_of[household_of[i]])]
        first, second = _WORDS[int(words[i, 0])], _WORDS[int(words[i, 1])]
        row = MemberRow(
            address=f"{first}.{second}.{i + 1:04d}@example.invalid",
            alias=f"viewer-{i + 1:04d}",
            language=language,
            timezone=timezone,
            region=region,
            maturity=int(maturity_of[i]),
            household=f"home-{int(household_of[i]) + 1:04d}",
        )
        people.append(_person(draws, i, f"viewer-{i + 1:04d}", row, timezone, int(maturity_of[i])))
    for c in range(child_count):
        i = count + c
        draws["tastes"][i] *= 0.3
        draws["tastes"][i, animated] += 0.7
        timezone = people[int(parent_of[c])].timezone
        people.append(_person(draws, i, f"child-{c + 1:04d}", None, timezone, 7))
    return people


def member_rows(members: Sequence[SimulatedMember]) -> list[MemberRow]:
    """The members as `import members` takes them; children are none."""
    return [m.row for m in members if m.row is not None]


def _drives(total: int, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    return {
        # A concentration of 0.15 over twelve tastes: one or two lead, the rest are traces.
        "tastes": rng.dirichlet(np.full(len(TASTES), 0.15), total),
        "rhythm": rng.choice(len(RHYTHMS), total, p=(0.42, 0.18, 0.2, 0.08, 0.12)),
        "viewings": np.clip(_MEDIAN_VIEWINGS * rng.lognormal(0.0, 0.55, total), 2.0, 75.0),
        "patience": rng.normal(0.0, 0.5, total),
        "restlessness": rng.lognormal(-0.2, 0.6, total),
        "rating_share": rng.beta(0.6, 2.2, total),
        "fades": rng.random(total) < 0.06,
        "main": rng.choice(len(_MAIN_DEVICE), total, p=(0.6, 0.2, 0.1, 0.07, 0.03)),
        "second": rng.choice(len(_SECOND_DEVICE), total, p=(0.6, 0.25, 0.15)),
        "device_ids": rng.integers(0, 2**63, (total, 2)),
    }


def _households(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(count,) the household of each member, as the row of its first member."""
    home = np.arange(count)
    has_partner = np.flatnonzero(rng.random(count) < _PAIRED_SHARE / 2)
    has_partner = has_partner[
        (has_partner > 0) & np.append(np.diff(has_partner) > 1, True)[: has_partner.size]
    ]
    home[has_partner] = has_partner - 1
    return home


def _person(
    draws: dict[str, NDArray[np.generic]],
    i: int,
    alias: str,
    row: MemberRow | None,
    timezone: str,
    maturity: int,
) -> SimulatedMember:
    main, second = _MAIN_DEVICE[int(draws["main"][i])], _SECOND_DEVICE[int(draws["second"][i])]
    ids = [f"{int(n):016x}" for n in draws["device_ids"][i]]
    return SimulatedMember(
        alias=alias,
        row=row,
        tastes=tuple(float(w) for w in draws["tastes"][i]),
        rhythm=RHYTHMS[int(draws["rhythm"][i])],
        timezone=timezone,
        maturity=maturity,
        viewings_90d=float(draws["viewings"][i]),
        patience=float(draws["patience"][i]),
        restlessness=float(draws["restlessness"][i]),
        rating_share=float(draws["rating_share"][i]),
        fades=bool(draws["fades"][i]),
        devices=((main, ids[0]), (second, ids[1])),
    )
