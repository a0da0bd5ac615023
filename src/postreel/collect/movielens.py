"""MovieLens: `ratings.csv` and `movies.csv` (https://grouplens.org/datasets/movielens/).

Purpose: none yet (`gate.admit` decides under `history`). Used by `import movielens`. A rating is a rating; one of
3.5 or more is also a completed viewing of a title of unknown length, since people mostly rate what they saw.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from postreel.catalogue import Title
from postreel.collect.lines import EARLIEST, EPOCH, LEEWAY, Lines, batches, headed, numbered, shown
from postreel.collect.parsed import Parsed, Refused, event_ids, no_plays, plays_table
from postreel.errors import InputError
from postreel.schema import TIME

SOURCE = "movielens"
LIKED = 3.5
"""The rating from which a viewing is taken to be completed."""

ADDRESS = "movielens-{}@example.invalid"
"""The address that a MovieLens member gets; `.invalid` can never be delivered to (RFC 2606)."""

_HEADER = ["userid", "movieid", "rating", "timestamp"]
_YEAR = re.compile(r"^(?P<name>.*\S)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)$")
_ARTICLE = re.compile(r"^(?P<name>.+), (?P<article>The|A|An)(?P<rest> \(.*\))?$")


def movielens_titles(movies: Lines) -> tuple[list[Title], list[Refused]]:
    """The titles of `movies.csv` (`movieId,title,genres`).

    Raises:
        InputError: the columns are others.
    """
    header, found = headed(movies, ("movieid", "title", "genres"))
    at_id, at_title, at_genres = (header.index(n) for n in ("movieid", "title", "genres"))
    titles: list[Title] = []
    refused: list[Refused] = []
    for record in found:
        if record.problem:
            refused.append(record.refused())
        elif not record.fields[at_id].strip().isascii() or not record.fields[at_id].strip().isdigit():
            refused.append(record.refused("the movieId is not a number"))
        elif not record.fields[at_title].strip():
            refused.append(record.refused("the title is empty"))
        else:
            titles.append(_title(record.fields[at_id], record.fields[at_title], record.fields[at_genres]))
    return titles, refused


def read_movielens(
    ratings: Lines, movies: Lines, arrived: datetime, chunk: int = 200_000
) -> Iterator[Parsed]:
    """The titles first, then the ratings in chunks.

    Args:
        ratings: lines of `ratings.csv` (`userId,movieId,rating,timestamp`).
        movies: lines of `movies.csv`; refusals of both files carry the line of their own file.
        arrived: aware UTC time of the import.
        chunk: ratings a batch.

    Raises:
        InputError: a file has other columns.
    """
    titles, refused = movielens_titles(movies)
    yield no_plays(refused, titles)
    lines = numbered(ratings)
    header = [name.strip().strip('"').lower() for name in next(lines, (1, ""))[1].split(",")]
    if header != _HEADER:
        raise InputError("ratings.csv must begin with the columns userId,movieId,rating,timestamp")
    for batch in batches(lines, chunk):
        yield _ratings(batch, arrived)


def _title(movie: str, name: str, genres: str) -> Title:
    name, year = name.strip(), None
    if dated := _YEAR.match(name):
        name, year = dated["name"], int(dated["year"])
    if moved := _ARTICLE.match(name):
        name = f"{moved['article']} {moved['name']}{moved['rest'] or ''}"
    kinds = () if genres.startswith("(") else tuple(g.strip().lower() for g in genres.split("|") if g.strip())
    return Title(f"ml-{int(movie)}", name, year=year, genres=kinds)


def _ratings(batch: list[tuple[int, str]], arrived: datetime) -> Parsed:
    texts = [text for _, text in batch]
    refused: list[Refused] = []
    numbers = _numbers(texts)
    if numbers is None:
        single = [_numbers([text]) for text in texts]
        refused += [
            Refused(line, "not four numbers", shown(text))
            for (line, text), one in zip(batch, single, strict=True)
            if one is None
        ]
        batch = [pair for pair, one in zip(batch, single, strict=True) if one is not None]
        good = [one for one in single if one is not None]
        numbers = np.concatenate(good) if good else np.empty((0, 4))
    user, movie, rating, at = numbers.T
    low, high = (EARLIEST - EPOCH).total_seconds(), (arrived + LEEWAY - EPOCH).total_seconds()
    is_whole = (
        (user >= 0) & (movie >= 0) & (user < 2**53) & (movie < 2**53) & (user % 1 == 0) & (movie % 1 == 0)
    )
    is_rating = (rating >= 0.5) & (rating <= 5)
    is_timely = (at >= low) & (at <= high)
    is_good = is_whole & is_rating & is_timely
    for i in np.flatnonzero(~is_good).tolist():
        reason = (
            "userId and movieId must be whole numbers"
            if not is_whole[i]
            else "the rating is not between 0.5 and 5"
            if not is_rating[i]
            else "the time is before 1990 or more than 24 hours in the future"
        )
        refused.append(Refused(batch[i][0], reason, shown(batch[i][1])))
    refused.sort(key=lambda r: r.line)
    if not is_good.any():
        return no_plays(refused)
    return _events(numbers[is_good], arrived, refused)


def _numbers(texts: list[str]) -> NDArray[np.float64] | None:
    """(n, 4) the fields of these lines as numbers; None where a line does not hold four."""
    if any(text.count(",") != 3 or "_" in text for text in texts):
        return None
    try:
        found = [float(field) for field in ",".join(texts).split(",")]
    except ValueError:
        return None
    return np.array(found, np.float64).reshape(-1, 4)


def _events(numbers: NDArray[np.float64], arrived: datetime, refused: list[Refused]) -> Parsed:
    user, movie = numbers[:, 0].astype(np.int64), numbers[:, 1].astype(np.int64)
    rating, at = numbers[:, 2], np.rint(numbers[:, 3] * 1e6).astype(np.int64)
    keys = [
        b"%d,%d,%g,%d" % row for row in zip(*(c.tolist() for c in (user, movie, rating, at)), strict=True)
    ]
    is_liked = rating >= LIKED
    liked = np.flatnonzero(is_liked)
    rows = np.concatenate((np.arange(len(user)), liked))
    is_rating = np.arange(len(rows)) < len(user)
    prefixed = [b"movielens rating " + key for key in keys]
    prefixed += [b"movielens watched " + keys[i] for i in liked.tolist()]
    table = plays_table(
        len(rows),
        event_id=event_ids(prefixed),
        at=pa.array(at[rows]).cast(TIME),
        arrived=arrived,
        kind=pa.array(["watched", "rating"]).take(pa.array(is_rating.astype(np.int64))),
        title_id=_named(movie, "ml-{}").take(pa.array(rows)),
        value=np.where(is_rating, rating[rows], 1.0),
        source=SOURCE,
    )
    return Parsed(_named(user, ADDRESS).take(pa.array(rows)), table, refused)


def _named(numbers: NDArray[np.int64], form: str) -> Any:
    """(n,) string: each number put into `form`, made once for each different one."""
    different, codes = np.unique(numbers, return_inverse=True)
    return pa.array([form.format(n) for n in different.tolist()], pa.string()).take(pa.array(codes))
