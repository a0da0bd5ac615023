"""One member's habits in the terminal: words first, small plots of block characters beside them.

Shows data read under History; used by `postreel habits`. Colour carries no meaning, so nothing is lost under
`NO_COLOR` or in a pipe, and every plot has its numbers beside it.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from postreel.habits import Habits

ACCENT = "red"
BAR_WIDTH = 24
GENRES_SHOWN = 8
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DEVICES = {None: "not told", "tv": "television", "other": "another device"}

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


def print_habits(console: Console, habits: Habits, member_label: str) -> None:
    """Print what is known of one member's viewing.

    Args:
        console: where to; rich leaves out colour where it is not wanted.
        habits: of one member.
        member_label: how to name them; never a title they watched.
    """
    _heading(console, f"Habits of {member_label}")
    if habits.sessions == 0 and habits.ratings["count"] == 0 and habits.browsing["listed"] == 0:
        console.print("Nothing is known yet. Viewing shows here once events come in under a `history` grant.")
        return
    for line in _in_words(habits):
        console.print(line, highlight=False)
    _genres(console, habits)
    _hours(console, habits)
    _weekdays(console, habits)
    _devices(console, habits)
    _attention(console, habits)
    console.print()


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style=f"bold {ACCENT}"))


def _in_words(h: Habits) -> list[str]:
    lines = [f"{_count(h.sessions, 'sitting')}, {_count(h.titles['seen'], 'title')} seen{_since(h)}."]
    if h.watched_hours is None:
        lines.append("How long they watched is not known: no source told it.")
    else:
        part = f", without {_count(h.unknown_length_count, 'sitting')} of unknown length" * bool(
            h.unknown_length_count
        )
        lines.append(f"{h.watched_hours:.1f} hours watched{part}.")
    if h.completion is not None:
        done, left, again = (h.titles[k] for k in ("completed", "abandoned", "rewatched"))
        lines.append(
            f"A title is seen to {h.completion:.0%} on average: "
            f"{done} to the end, {left} abandoned, {again} seen again."
        )
    if h.rhythm["longest_binge"]:
        lines.append(f"The longest binge was {h.rhythm['longest_binge']} episodes.")
    if h.ratings["count"]:
        lines.append(f"{_count(h.ratings['count'], 'title')} rated, {h.ratings['mean']:.1f} of 5 on average.")
    return lines


def _since(h: Habits) -> str:
    if not h.rhythm["first"]:
        return ""
    first, last = h.rhythm["first"][:10], h.rhythm["last"][:10]
    return f", {h.rhythm['sittings_per_week']:.1f} sittings a week from {first} to {last}"


def _genres(console: Console, h: Habits) -> None:
    if not h.genres:
        return
    shown = h.genres[:GENRES_SHOWN]
    _heading(console, f"Mostly {shown[0]['genre']}")
    _bars(console, [(g["genre"], g["share"], f"{g['share']:.0%}") for g in shown])
    if len(h.genres) > len(shown):
        console.print(Text(f"and {len(h.genres) - len(shown)} more genres", style="dim"))


def _hours(console: Console, h: Habits) -> None:
    top = max(h.hours_of_day)
    if top == 0:
        return
    busiest = h.hours_of_day.index(top)
    _heading(console, f"Most sittings begin between {busiest:02d}:00 and {(busiest + 1) % 24:02d}:00")
    line = "".join(_LEVELS[round(n / top * (len(_LEVELS) - 1))] * 2 if n else "  " for n in h.hours_of_day)
    console.print(Text(line, style=ACCENT))
    console.print(Text("0     3     6     9     12    15    18    21", style="dim"))
    console.print(
        Text(f"hour of the day, {h.timezone}; the highest column is {_count(top, 'sitting')}", style="dim")
    )


def _weekdays(console: Console, h: Habits) -> None:
    shares: list[float] = h.rhythm["weekday"]
    if not any(shares):
        return
    _heading(console, f"{DAYS[shares.index(max(shares))]} is the day for it")
    _bars(console, [(day, share, f"{share:.0%}") for day, share in zip(DAYS, shares, strict=True)])


def _devices(console: Console, h: Habits) -> None:
    if not h.devices or h.devices == [{**h.devices[0], "device_type": None}]:
        return
    first = _device(h.devices[0]["device_type"])
    _heading(console, f"Mostly on: {first}")
    rows: list[tuple[str, float, str]] = []
    for device in h.devices:
        hours = "length not known" if device["hours"] is None else f"{device['hours']:.1f} hours"
        rows.append(
            (
                _device(device["device_type"]),
                device["sessions"] / h.sessions,
                f"{_count(device['sessions'], 'sitting')}, {hours}",
            )
        )
    _bars(console, rows)


def _device(kind: str | None) -> str:
    return DEVICES.get(kind) or str(kind)


def _attention(console: Console, h: Habits) -> None:
    a, b = h.attention, h.browsing
    _heading(console, "Attention and browsing")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for label, value in (
        ("pauses an hour", _number(a["pauses_per_hour"])),
        ("rewinds an hour", _number(a["rewinds_per_hour"])),
        ("skips an hour", _number(a["skips_per_hour"])),
        ("titles abandoned", _share(a["abandoned_share"])),
        ("titles shown to them", str(b["impressions"])),
        ("of these played within a week", _share(b["taken_share"])),
        ("searches", str(b["searches"])),
        ("on their list, not yet seen", str(b["listed"])),
    ):
        table.add_row(label, value)
    console.print(table)


def _bars(console: Console, rows: list[tuple[str, float, str]]) -> None:
    """Bars from zero, each with its label before and its number behind it."""
    top = max(share for _, share, _ in rows) or 1.0
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(min_width=BAR_WIDTH, no_wrap=True)
    table.add_column(justify="right")
    for label, share, words in rows:
        table.add_row(label, Text(bar(share / top, BAR_WIDTH), style=ACCENT), words)
    console.print(table)


def bar(share: float, width: int) -> str:
    """A bar of `share` of `width` characters, to an eighth of a character."""
    eighths = round(max(0.0, min(share, 1.0)) * width * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _number(value: Any) -> str:
    return "not known" if value is None else f"{value:.1f}"


def _share(value: Any) -> str:
    return "not known" if value is None else f"{value:.0%}"
