"""Netflix exports: the data request's `ViewingActivity.csv`, and the instant `NetflixViewingHistory.csv`.

Purpose: none yet (`gate.admit` decides under `history`). Used by `import netflix`. Each row becomes a `watched`
event of the one member who brought the file. Trailers, hooks and what started by itself are no viewings:
they are left out and counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import chain

import pyarrow as pa

from postreel.collect.lines import LEEWAY, Lines, Record, headed, refused_time, text_lines
from postreel.collect.netflix_names import Name, is_no_viewing, names_of, title_id_of, titles_of
from postreel.collect.parsed import Parsed, Refused, event_ids, key_of, plays_table
from postreel.errors import InputError

ACTIVITY = "netflix"
"""Source of rows from the data request: start, seconds watched, position."""
HISTORY = "netflix-history"
"""Source of rows from the instant download: a name and a day, no hour and no length."""
ORDERS = {"dmy": (2, 1, 0), "mdy": (2, 0, 1), "ymd": (0, 1, 2)}
"""Where year, month and day stand in a date."""

_NEEDED = ("profile name", "start time", "duration", "title")
_JUNK_LINES = 5
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d)")
_DATE = re.compile(r"\s*(\d{1,4})\s*([./-])\s*(\d{1,2})\s*\2\s*(\d{1,4})\s*\.?\s*")
_DEVICES = (
    ("console", r"playstation|xbox|\bps[345]\b|nintendo|\bwii"),
    ("phone", r"iphone|phone|mobile|pixel|galaxy s"),
    ("tablet", r"ipad|tablet|\btab\b|kindle"),
    ("computer", r"\bpc\b|\bmac\b|windows|chrome|firefox|safari|edge|linux|browser|laptop|computer|cadmium"),
    ("tv", r"tv|roku|chromecast|fire ?stick|bravia|set.?top|blu-?ray|cast|dvd|lg |samsung|sony|philips|stb"),
)


@dataclass(frozen=True)
class _View:
    """One viewing, whichever export told it."""

    name: str
    at: datetime
    key: tuple[str, ...]
    watched_s: float | None = None
    position_s: float | None = None
    device_type: str | None = None


def parse_netflix(
    lines: Lines, who: str, arrived: datetime, profile: str | None = None, dates: str | None = None
) -> Parsed:
    """The viewings of an export of either kind, told apart by their columns.

    Args:
        lines: the file.
        who: the member who brought it, as `plays_of` will look them up.
        arrived: aware UTC time of the import.
        profile: whose rows of a data request to take, where several profiles are in it.
        dates: dmy, mdy or ymd, where the dates of an instant download leave it open.

    Raises:
        InputError: neither kind of file; several profiles and none named; no such profile; dates that can be read
            in two ways.
    """
    if dates is not None and dates not in ORDERS:
        raise InputError(f"--dates is one of {', '.join(ORDERS)}")
    header, found = headed(_from_header(lines), ())
    if all(name in header for name in _NEEDED):
        return _built(_activity(header, list(found), arrived, profile), who, arrived, ACTIVITY)
    return _built(_history(header, list(found), arrived, dates), who, arrived, HISTORY)


def read_netflix(
    lines: Lines, who: str, arrived: datetime, profile: str | None = None, dates: str | None = None
) -> Iterator[Parsed]:
    """As `parse_netflix`, in the form of the other files' readers: one batch, since a column is judged whole."""
    yield parse_netflix(lines, who, arrived, profile, dates)


_Views = tuple[list[_View], list[Refused], dict[str, int]]


def _from_header(lines: Lines) -> Iterator[str]:
    """The lines from the header on, blank ones standing for junk before it so that line numbers stay true."""
    texts = text_lines(lines)
    head: list[str] = []
    for text in texts:
        head.append(text)
        plain = text.lower()
        if ("title" in plain and ("date" in plain or "start time" in plain)) or len(head) > _JUNK_LINES:
            break
    plain = head[-1].lower() if head else ""
    if not ("title" in plain and ("date" in plain or "start time" in plain)):
        raise InputError(
            "not a Netflix export; expected ViewingActivity.csv of a data request, or NetflixViewingHistory.csv"
        )
    # A junk first line stays ahead of the header, as many blank lines as it was.
    yield head[-1]
    yield from chain(["\n"] * (len(head) - 1), texts)


def _activity(header: list[str], found: list[Record], arrived: datetime, profile: str | None) -> _Views:
    views: list[_View] = []
    refused: list[Refused] = []
    left_out: Counter[str] = Counter()
    good = [r for r in found if not r.problem]
    refused += [r.refused() for r in found if r.problem]
    column = {name: i for i, name in enumerate(header)}
    profiles = {r.fields[column["profile name"]].strip() for r in good}
    if profile is None and len(profiles) > 1:
        raise InputError(
            f"the file holds {len(profiles)} profiles; say whose rows to take with --profile NAME"
        )
    if profile is not None and profile not in profiles:
        raise InputError(
            f"the file has no such profile among its {len(profiles)}; names are told letter by letter"
        )
    for record in good:
        row = {name: record.fields[i].strip() for name, i in column.items()}
        if profile is not None and row["profile name"] != profile:
            left_out["another profile"] += 1
        elif reason := _left_out(row):
            left_out[reason] += 1
        else:
            try:
                views.append(_view(row, arrived))
            except ValueError as error:
                refused.append(record.refused(str(error)))
    return views, sorted(refused, key=lambda r: r.line), dict(left_out)


def _left_out(row: dict[str, str]) -> str | None:
    """Why a row of the data request is no viewing; None where it is one."""
    if row.get("supplemental video type"):
        return "trailer or other extra"
    if is_no_viewing(row["title"]):
        return "trailer or other extra"
    if re.search(r"user action:\s*None\b", row.get("attributes", "")):
        return "started by itself"
    return None


def _view(row: dict[str, str], arrived: datetime) -> _View:
    """A row of the data request as a viewing.

    Raises:
        ValueError: a field cannot be read; the message is the reason to show.
    """
    if not row["title"]:
        raise ValueError("the title is empty")
    try:
        at = datetime.fromisoformat(row["start time"])
    except ValueError:
        raise ValueError("the start time is not YYYY-MM-DD HH:MM:SS") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    if problem := refused_time(at, arrived):
        raise ValueError(problem)
    watched_s = _seconds(row["duration"])
    if watched_s is None:
        raise ValueError("the duration is not HH:MM:SS")
    position_s = _seconds(row.get("bookmark", ""))
    key = (at.isoformat(), f"{watched_s:g}", "" if position_s is None else f"{position_s:g}")
    return _View(row["title"], at, key, watched_s, position_s, device_type(row.get("device type", "")))


def _seconds(text: str) -> float | None:
    found = _CLOCK.fullmatch(text)
    return None if found is None else int(found[1]) * 3600.0 + int(found[2]) * 60.0 + int(found[3])


def device_type(name: str) -> str | None:
    """What kind of device a maker's name for it means; None for an empty name, `other` for an unknown one."""
    if not name:
        return None
    low = name.lower()
    return next((kind for kind, words in _DEVICES if re.search(words, low)), "other")


def _history(header: list[str], found: list[Record], arrived: datetime, dates: str | None) -> _Views:
    if "title" not in header or "date" not in header:
        raise InputError("not a Netflix export; the instant download has the columns Title and Date")
    at_title, at_date = header.index("title"), header.index("date")
    refused = [r.refused() for r in found if r.problem]
    left_out: Counter[str] = Counter()
    rows: list[tuple[Record, str, tuple[int, int, int], str]] = []
    for record in (r for r in found if not r.problem):
        name, text = record.fields[at_title].strip(), record.fields[at_date]
        parts = _DATE.fullmatch(text)
        if is_no_viewing(name):
            left_out["trailer or other extra"] += 1
        elif not name or parts is None:
            refused.append(
                record.refused("the title is empty" if not name else "the date is not three numbers")
            )
        else:
            numbers = (int(parts[1]), int(parts[3]), int(parts[4]))
            rows.append((record, name, numbers, parts[2]))
    order = dates or date_order([(n, s) for _, _, n, s in rows], (arrived + LEEWAY).date())
    views: list[_View] = []
    for record, name, numbers, _ in rows:
        day = _day(numbers, order, (arrived + LEEWAY).date())
        if day is None:
            refused.append(
                record.refused("the date does not exist, or lies in the future, read as the others are")
            )
        else:
            views.append(_View(name, datetime.combine(day, time(12), UTC), (day.isoformat(),)))
    return views, sorted(refused, key=lambda r: r.line), dict(left_out)


def date_order(rows: Iterable[tuple[tuple[int, int, int], str]], latest: date) -> str:
    """The order of day, month and year in which a whole column of dates makes sense.

    Args:
        rows: three numbers and the mark between them.
        latest: no viewing can be later.

    Raises:
        InputError: day and month can be told apart nowhere in the column.
    """
    listed = list(rows)
    days = {order: [_day(n, order, latest) for n, _ in listed] for order in ORDERS}
    fits = {order: sum(d is not None for d in found) for order, found in days.items()}
    if any(mark == "." for _, mark in listed):
        fits["mdy"] = -1  # nobody writes the month first with full stops
    if fits["dmy"] == fits["mdy"] and fits["dmy"] > 0 and days["dmy"] != days["mdy"]:
        raise InputError(
            f"the {len(listed)} dates can be read day first or month first; say which with --dates dmy or --dates mdy"
        )
    # A year of two digits in front is written in few places, so it is taken only where nothing else fits better.
    return max(("dmy", "mdy", "ymd"), key=lambda order: fits[order])


def _day(numbers: tuple[int, int, int], order: str, latest: date) -> date | None:
    """The day; None where there is no such day, or it lies after `latest` or before 1997, when Netflix began."""
    year, month, day = (numbers[i] for i in ORDERS[order])
    if 100 <= year < 1000 or day > 31:
        return None
    try:
        found = date(year + 2000 if year < 100 else year, month, day)
    except ValueError:
        return None
    return found if date(1997, 1, 1) <= found <= latest else None


def _built(found: _Views, who: str, arrived: datetime, source: str) -> Parsed:
    views, refused, left_out = found
    names: dict[str, Name] = names_of([v.name for v in views])
    table = plays_table(
        len(views),
        event_id=event_ids(key_of(source, who, title_id_of(names[v.name]), *v.key) for v in views),
        at=[v.at for v in views],
        arrived=arrived,
        kind="watched",
        title_id=[title_id_of(names[v.name]) for v in views],
        position_s=[v.position_s for v in views],
        watched_s=[v.watched_s for v in views],
        device_type=[v.device_type for v in views],
        source=source,
    )
    return Parsed(
        pa.array([who] * len(views), pa.string()), table, refused, titles_of(names.values()), left_out
    )
