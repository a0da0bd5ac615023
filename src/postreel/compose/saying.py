"""What a picks mail says: greeting, subject, reasons and footer, each sentence true of this mail.

Reasons name only what the brief holds, in words no stronger than the arithmetic, and never a title with a
sensitive theme. Subjects and preheaders hold no title at all: mail is read over shoulders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from postreel.catalogue import Catalogue
from postreel.compose.kit import short
from postreel.words import Wordings, joined

Row = Mapping[str, Any]

EVIDENCE = ("watched", "rated", "listed")
_NAMED_COUNT = 2
_LEAST_SECOND = 0.1
"""A second title is named only where it adds this much itself, and at least half of what the first adds."""

_WEEKEND_DAYS = (5, 6)
_EVENING_HOUR = 17
_FRIDAY, _FRIDAY_HOUR = 4, 15


@dataclass(frozen=True)
class Moment:
    """The reader's own time, as far as a mail speaks of it.

    Attributes:
        weekday: its name.
        time: `friday` (from three in the afternoon), `weekend`, `evening` (from five) or `day`.
    """

    weekday: str
    time: str

    @classmethod
    def of(cls, at: datetime, timezone: str | None, words: Wordings) -> Moment:
        """The moment in a time zone; UTC where the zone is unknown."""
        try:
            local = at.astimezone(ZoneInfo(timezone or "UTC"))
        except (ZoneInfoNotFoundError, ValueError):
            local = at.astimezone(ZoneInfo("UTC"))
        day = local.weekday()
        if day in _WEEKEND_DAYS:
            time = "weekend"
        elif day == _FRIDAY and local.hour >= _FRIDAY_HOUR:
            time = "friday"
        else:
            time = "evening" if local.hour >= _EVENING_HOUR else "day"
        return cls(words.ways("weekdays")[day], time)


def subject_and_preheader(
    words: Wordings, moment: Moment, count: int, *, is_personal: bool, chance: int
) -> tuple[str, str]:
    """A subject and a preheader without a title; `chance` chooses among the ways to say it."""
    ways = words.ways(f"subject.{moment.time}")
    if count == 1:
        ways = tuple(w for w in ways if "{count_small}" not in w)
    name = words.ways("counts")[count]
    subject = ways[chance % len(ways)].format(count=name, count_small=name.lower(), weekday=moment.weekday)
    preheaders = words.ways("preheader.personal" if is_personal else "preheader.popular")
    return subject, preheaders[chance // len(ways) % len(preheaders)]


def greeting(words: Wordings, name: str | None) -> str:
    """The line that greets; a name is shortened, and freed of what is no letter of a name."""
    bare = short("".join(c for c in name or "" if c.isprintable()), 60)
    return words.say("picks.hello", name=bare) if bare else words.say("picks.hello_unnamed")


def why_now(
    words: Wordings, moment: Moment, service: str, count: int, evidence: Sequence[str], *, is_personal: bool
) -> str:
    """Why this mail, and why today; and what the titles were chosen from."""
    when = words.say(f"picks.when_{moment.time}", weekday=moment.weekday)
    many = "one" if count == 1 else "many"
    small = words.ways("counts")[count].lower()
    if not is_personal:
        rest = words.say(f"picks.popular_{many}", count_small=small, service=service)
    elif evidence:
        deeds = joined([words.say(f"basis.{e}") for e in evidence], words.say("join.and"))
        rest = words.say(f"picks.personal_{many}", count_small=small, deeds=deeds)
    else:
        rest = words.say(f"picks.chosen_{many}", count_small=small)
    return f"{when[:1].upper()}{when[1:]} {rest}"


def reason_sentence(
    words: Wordings, pick: Row, catalogue: Catalogue, service: str, *, is_personal: bool
) -> tuple[str, list[str]]:
    """Why a title was chosen, and the ids of the titles that the sentence names.

    Args:
        words: the reader's language.
        pick: `title_id`, `reasons` and `also` as in a brief.
        catalogue: gives names, and tells which may not be named.
        service: for "popular on ...".
        is_personal: false: the reasons are not looked at.

    Returns:
        An empty sentence where there is nothing true to say.
    """
    also: set[str] = set(pick["also"] or ())
    if not is_personal:
        return words.say("reason.popular", service=service), []
    reasons = [r for r in pick["reasons"] or () if r["share"] is not None and r["share"] > 0]
    named = _nameable(reasons, catalogue)
    if named:
        share = sum(r["share"] for r in named)
        key = _strength(share) + ("_lift" if "lift" in also else "")
        return words.say(f"reason.{key}", deeds=_deeds(words, named, catalogue)), [
            r["title_id"] for r in named
        ]
    parts: list[str] = []
    if reasons:
        parts.append(words.say("reason.unnamed"))
    elif "content" in also:
        parts.append(words.say("reason.content"))
    elif "popular" in also:
        parts.append(words.say("reason.popular", service=service))
    if "lift" in also:
        parts.append(words.say("reason.lift"))
    elif "variety" in also and not parts:
        parts.append(words.say("reason.variety"))
    return " ".join(parts), []


def evidence_of(picks: Sequence[Row]) -> list[str]:
    """The kinds of evidence that moved any of the picks, in one order."""
    seen = {r["evidence"] for p in picks for r in p["reasons"] or () if (r["share"] or 0) > 0}
    return [e for e in EVIDENCE if e in seen]


def footer_lines(
    words: Wordings,
    service: str,
    used: Sequence[str],
    *,
    is_personal: bool,
    has_opens: bool,
    has_clicks: bool,
) -> tuple[str, str]:
    """Which data chose these titles, and whether this mail reports back."""
    data = "data_popular" if not is_personal else ("data_learn" if "learn" in used else "data_personal")
    report = {
        (False, False): "report_none",
        (True, False): "report_opens",
        (False, True): "report_clicks",
        (True, True): "report_both",
    }[has_opens, has_clicks]
    return words.say(f"footer.{data}", service=service), words.say(f"footer.{report}")


def _nameable(reasons: Sequence[Row], catalogue: Catalogue) -> list[Row]:
    known = [
        r
        for r in reasons
        if r["evidence"] in EVIDENCE
        and (title := catalogue.get(r["title_id"])) is not None
        and not title.sensitive
        and title.name.strip()
    ]
    known.sort(key=_share, reverse=True)
    named = known[:1]
    for reason in known[1:_NAMED_COUNT]:
        if reason["share"] >= max(_LEAST_SECOND, named[0]["share"] / 2):
            named.append(reason)
    return named


def _share(reason: Row) -> float:
    return float(reason["share"])


def _strength(share: float) -> str:
    if share >= 0.95:
        return "all"
    if share > 0.5:
        return "most"
    return "part" if share >= 0.2 else "little"


def _deeds(words: Wordings, named: Sequence[Row], catalogue: Catalogue) -> str:
    deeds: list[str] = []
    for evidence in EVIDENCE:
        names = [short(catalogue[r["title_id"]].name, 80) for r in named if r["evidence"] == evidence]
        if names:
            deeds.append(words.say(f"reason.{evidence}", names=joined(names, words.say("join.and"))))
    return joined(deeds, words.say("join.and"))
