"""Habits as words, plots and tables: each plot one message, said as its heading."""

from __future__ import annotations

from typing import Any

import numpy as np

from postreel.habits import Habits
from postreel.plots import Bar, bars, columns, sparkline
from postreel.schema import Sessions

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DEVICES = {None: "not told", "tv": "television", "other": "something else", "console": "games console"}
GENRES = 8
WEEKS = 13
_PARTS = ((5, "in the morning"), (12, "in the afternoon"), (17, "in the evening"), (22, "late at night"))


def told(habits: Habits, sessions: Sessions) -> dict[str, Any]:
    """Values of a page on one member's habits."""
    return {
        "summary": _summary(habits),
        "weeks": _weeks(sessions),
        "figures": _figures(habits),
        "plots": [
            plot
            for plot in (
                _hours(habits),
                _weekdays(habits),
                _genres(habits),
                _completion(sessions),
                _devices(habits),
            )
            if plot is not None
        ],
    }


def _summary(h: Habits) -> list[str]:
    said = [f"{_many(h.sessions, 'sitting')}, {_many(h.titles['seen'], 'title')} seen."]
    if h.watched_hours is not None:
        weekly = h.rhythm["sittings_per_week"]
        said.append(f"{h.watched_hours:.0f} hours watched, {weekly:.1f} sittings a week.")
    if h.completion is not None:
        said.append(f"A title is seen to {h.completion:.0%} on average.")
    if h.rhythm["longest_binge"]:
        said.append(f"The longest binge was {h.rhythm['longest_binge']} episodes.")
    return said


def _figures(h: Habits) -> list[tuple[str, str]]:
    a, b, r = h.attention, h.browsing, h.ratings
    return [
        ("finished", str(h.titles["completed"])),
        ("abandoned", str(h.titles["abandoned"])),
        ("seen again", str(h.titles["rewatched"])),
        ("pauses an hour", _number(a["pauses_per_hour"])),
        ("rewinds an hour", _number(a["rewinds_per_hour"])),
        ("skips an hour", _number(a["skips_per_hour"])),
        ("titles shown to them", f"{b['impressions']:,}"),
        ("of these played within a week", "–" if b["taken_share"] is None else f"{b['taken_share']:.0%}"),
        ("searches", str(b["searches"])),
        ("on their list", str(b["listed"])),
        ("rated", f"{r['count']}" + (f", {r['mean']:.1f} of 5 on average" if r["count"] else "")),
    ]


def _weeks(sessions: Sessions) -> str:
    """Sittings a week, the last thirteen of them, as a line beside the words."""
    if not len(sessions):
        return ""
    started = sessions.column("started").astype("datetime64[D]").astype(np.int64)
    ago = (started.max() - started) // 7
    counts = np.bincount(ago[ago < WEEKS], minlength=WEEKS)[::-1]
    return sparkline(counts.tolist(), f"Sittings a week, last {WEEKS} weeks: {', '.join(map(str, counts))}")


def _hours(h: Habits) -> dict[str, Any] | None:
    top = max(h.hours_of_day)
    if not top:
        return None
    shares = {
        name: sum(h.hours_of_day[hour % 24] for hour in range(start, end))
        for (start, name), end in zip(_PARTS, (12, 17, 22, 29), strict=True)
    }
    most = max(shares, key=lambda name: shares[name])
    heading = f"They begin most often {most}"
    names = [str(hour) if hour % 3 == 0 else "" for hour in range(24)]
    return {
        "heading": heading,
        "svg": columns(h.hours_of_day, names, heading),
        "note": f"Sittings by the hour in which they begin, {h.timezone}.",
        "columns": ("hour", "sittings"),
        "rows": [(f"{hour}:00", str(count)) for hour, count in enumerate(h.hours_of_day)],
    }


def _weekdays(h: Habits) -> dict[str, Any] | None:
    shares: list[float] = h.rhythm["weekday"]
    if not any(shares):
        return None
    best = [day for day, share in zip(DAYS, shares, strict=True) if share == max(shares)]
    heading = f"{best[0]} is their day" if len(best) == 1 else f"{' and '.join(best[:2])} are their days"
    heading = "No day stands out" if len(best) > 2 else heading
    return _barred(heading, "day", [(d, s, f"{s:.0%}") for d, s in zip(DAYS, shares, strict=True)])


def _genres(h: Habits) -> dict[str, Any] | None:
    if not h.genres:
        return None
    rows = [(g["genre"], g["share"], f"{g['share']:.0%}") for g in h.genres]
    return _barred(f"{rows[0][0].capitalize()} before all", "genre", rows, GENRES)


def _completion(sessions: Sessions) -> dict[str, Any] | None:
    """How far titles are watched: the last sitting of each, in five parts."""
    last: dict[str, float] = {}
    for row in sessions.table.sort_by("started").select(["title_id", "completion"]).to_pylist():
        if row["completion"] is not None:
            last[row["title_id"]] = row["completion"]
    if not last:
        return None
    parts = np.bincount(np.minimum((np.array(list(last.values())) * 5).astype(int), 4), minlength=5)
    names = ("under 20%", "20 to 40%", "40 to 60%", "60 to 80%", "over 80%")
    whole = int(parts[4]) / len(last)
    heading = f"{whole:.0%} of titles are watched to the end or nearly"
    rows = [(name, float(count), str(int(count))) for name, count in zip(names, parts, strict=True)]
    return _barred(heading, "how far", rows)


def _devices(h: Habits) -> dict[str, Any] | None:
    rows = [
        (DEVICES.get(d["device_type"]) or str(d["device_type"]), float(d["sessions"]), str(d["sessions"]))
        for d in h.devices
    ]
    return _barred(f"Mostly on the {rows[0][0]}", "device", rows) if rows else None


def _barred(heading: str, what: str, rows: list[tuple[str, float, str]], shown: int = 99) -> dict[str, Any]:
    return {
        "heading": heading,
        "svg": bars([Bar(*row) for row in rows[:shown]], heading),
        "note": "" if len(rows) <= shown else f"{len(rows) - shown} more in the table.",
        "columns": (what, "how much"),
        "rows": [(name, words) for name, _, words in rows],
    }


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
