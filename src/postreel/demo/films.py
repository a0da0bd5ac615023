"""The demo's catalogue: 341 films, shorts and serials with facts from named sources.

Reads its own package data (`films/`, with a README on sources and licences) and nothing else. No purpose:
nothing here is about a member.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.resources import files

from postreel.catalogue import Title

_MATURITY = {"all": 0, "7": 7, "12": 12, "16": 16}
_KIND = {"film": "film", "short": "short", "serial": "series"}
# Every so-manyth film, so that which ones move does not depend on any draw.
_STRIDE = 23


def film_catalogue(now: datetime | None = None) -> list[Title]:
    """The titles of the demo, serials followed by their episodes.

    Args:
        now: an aware UTC time. When given, a handful of films joined the service in the weeks before it,
            a handful leave in the weeks after it, and a few arrive only then. Without it nothing moves.
    """
    episodes: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _rows("episodes.csv"):
        episodes[row["serial_slug"]].append(row)
    titles: list[Title] = []
    for row in _rows("films.csv"):
        title = _title(row)
        titles.append(title)
        titles.extend(_episode(title, part) for part in episodes[title.title_id])
    return titles if now is None else _moving(titles, now)


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("postreel.demo") / "films" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def _split(value: str) -> tuple[str, ...]:
    return tuple(part for part in value.split("|") if part)


def _title(row: dict[str, str]) -> Title:
    kind = _KIND[row["kind"]]
    return Title(
        title_id=row["slug"],
        name=row["title"],
        kind=kind,
        year=int(row["year"]),
        minutes=None if kind == "series" else float(row["minutes"]),
        genres=_split(row["genres"]),
        directors=_split(row["director"]),
        cast=_split(row["cast"]),
        countries=_split(row["countries"]),
        languages=_split(row["languages"]),
        moods=_split(row["mood"]),
        maturity=_MATURITY[row["maturity"]],
        sensitive=_split(row["sensitive"]),
        summary=row["summary"],
    )


def _episode(series: Title, row: dict[str, str]) -> Title:
    number = int(row["number"])
    return replace(
        series,
        title_id=f"{series.title_id}-e{number:02d}",
        name=row["title"],
        kind="episode",
        year=int(row["year"]),
        minutes=float(row["minutes"]),
        summary=f"Episode {number} of {series.name}.",
        series_id=series.title_id,
        season=1,
        episode=number,
    )


def _moving(titles: list[Title], now: datetime) -> list[Title]:
    """The same titles, with a window on every `_STRIDE`-th film: joined lately, leaving soon or yet to come."""
    moved: dict[str, Title] = {}
    films = [t for t in titles if t.kind == "film"]
    for turn, film in enumerate(films[_STRIDE // 2 :: _STRIDE]):
        away = timedelta(days=9 + 3 * (turn // 3))
        change = (
            replace(film, available_from=now - 3 * away),
            replace(film, available_until=now + away),
            replace(film, available_from=now + away),
        )[turn % 3]
        moved[film.title_id] = change
    return [moved.get(t.title_id, t) for t in titles]
