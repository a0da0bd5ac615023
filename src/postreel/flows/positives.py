"""Positives from files, for `evaluate --data`: a MovieLens folder in any of its three shapes, or a CSV or Parquet.

Public data or an operator's own; nothing of it enters the service, so under no purpose.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from postreel.catalogue import Title
from postreel.errors import InputError
from postreel.recommend import Interactions

LIKED = 4.0
"""The rating from which a MovieLens row is a positive."""
U_GENRES = (
    "unknown",
    "action",
    "adventure",
    "animation",
    "children",
    "comedy",
    "crime",
    "documentary",
    "drama",
    "fantasy",
    "film-noir",
    "horror",
    "musical",
    "mystery",
    "romance",
    "sci-fi",
    "thriller",
    "war",
    "western",
)
"""The genre columns of `u.item`, in order."""
_YEAR = re.compile(r"^(?P<name>.*\S)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)\s*$")
_NUMBERS = ["member", "title", "rating", "time"]


def positives_of(path: Path) -> tuple[Interactions, list[Title]]:
    """The positives of a folder or file, and the titles where it tells of them.

    A folder holds `ratings.csv`, `ratings.dat` (`::`) or `u.data` (tabs), of which a rating of 4 or more is a
    positive, and perhaps `movies.csv`, `movies.dat` or `u.item`. A file has the columns `member,title,time,weight`
    and each row of it is a positive; `time` (Unix seconds or ISO 8601) and `weight` may be empty or missing.

    Raises:
        InputError: no such data, columns are missing, or a value is no number where one is needed.
    """
    if path.is_dir():
        return _movielens(path)
    if not path.is_file():
        raise InputError(f"there is no {path.name} to evaluate on")
    return _table(path), []


def _movielens(folder: Path) -> tuple[Interactions, list[Title]]:
    if (folder / "ratings.csv").is_file():
        table = _columns((folder / "ratings.csv").read_bytes(), ",", None)
        names = ["userId", "movieId", "rating", "timestamp"]
        if missing := [name for name in names if name not in table.column_names]:
            raise InputError(f"ratings.csv has no column {missing[0]}")
        table = table.select(names).rename_columns(_NUMBERS)
    elif (folder / "ratings.dat").is_file():
        table = _columns((folder / "ratings.dat").read_bytes().replace(b"::", b"\t"), "\t", _NUMBERS)
    elif (folder / "u.data").is_file():
        table = _columns((folder / "u.data").read_bytes(), "\t", _NUMBERS)
    else:
        raise InputError(f"{folder.name} holds neither ratings.csv nor ratings.dat nor u.data")
    rating = _floats(table, "rating")
    liked = table.filter(pa.array(rating >= LIKED))
    if liked.num_rows == 0:
        raise InputError(f"no rating in {folder.name} is {LIKED:g} or more; there is nothing to evaluate")
    return _interactions(liked, _times(liked), np.ones(liked.num_rows)), _titles(folder)


def _titles(folder: Path) -> list[Title]:
    for name, reader in (("movies.csv", _movies_csv), ("movies.dat", _movies_dat), ("u.item", _u_item)):
        file = folder / name
        if file.is_file():
            raw = file.read_bytes()
            try:
                text = raw.decode("utf-8-sig")
            except UnicodeDecodeError:
                # The older sets are in Latin-1.
                text = raw.decode("latin-1")
            return reader(text)
    return []


def _movies_csv(text: str) -> list[Title]:
    table = _columns(text.encode(), ",", None)
    columns = [table.column(name).to_pylist() for name in ("movieId", "title", "genres")]
    return [_title(i, name, genres.split("|")) for i, name, genres in zip(*columns, strict=True)]


def _movies_dat(text: str) -> list[Title]:
    rows = [line.split("::") for line in text.splitlines()]
    return [_title(row[0], row[1], row[2].split("|")) for row in rows if len(row) == 3]


def _u_item(text: str) -> list[Title]:
    titles: list[Title] = []
    for row in (line.split("|") for line in text.splitlines()):
        flags = row[-len(U_GENRES) :]
        if len(row) > len(U_GENRES) + 1:
            genres = [genre for genre, flag in zip(U_GENRES, flags, strict=True) if flag == "1"]
            titles.append(_title(row[0], row[1], genres))
    return titles


def _title(title_id: str, name: str, genres: list[str]) -> Title:
    dated = _YEAR.match(name)
    kinds = [genre.strip().lower() for genre in genres]
    return Title(
        title_id.strip(),
        dated["name"] if dated else name.strip(),
        year=int(dated["year"]) if dated else None,
        genres=tuple(kind for kind in kinds if kind and not kind.startswith("(") and kind != "unknown"),
    )


def _table(path: Path) -> Interactions:
    raw = path.read_bytes()
    table = pq.read_table(io.BytesIO(raw)) if raw[:4] == b"PAR1" else _columns(raw, ",", None)
    if missing := [name for name in ("member", "title") if name not in table.column_names]:
        raise InputError(f"{path.name} needs the columns member,title,time,weight; it has no {missing[0]}")
    weights = np.ones(table.num_rows)
    if "weight" in table.column_names:
        # Each row is a positive, so one without a usable weight counts in full.
        told = _floats(table, "weight", is_needed=False)
        weights = np.where((told > 0) & (told <= 1), told, 1.0)
    return _interactions(table, _times(table), weights)


def _columns(raw: bytes, delimiter: str, names: list[str] | None) -> Any:
    """A table of text columns; columns beyond `names` are not expected."""
    first = raw[: raw.find(b"\n") + 1 or None].decode("utf-8-sig", "replace")
    header = names or [name.strip().strip('"') for name in first.rstrip("\r\n").split(delimiter)]
    try:
        return pv.read_csv(
            io.BytesIO(raw.removeprefix(b"\xef\xbb\xbf")),
            pv.ReadOptions(column_names=names, use_threads=False),
            pv.ParseOptions(delimiter=delimiter, quote_char='"' if names is None else False),
            pv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True),
        )
    except pa.ArrowInvalid as error:
        raise InputError(f"the file cannot be read as a table: {error}") from None


def _floats(table: Any, name: str, *, is_needed: bool = True) -> NDArray[np.float64]:
    column = table.column(name)
    try:
        found = np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
    except pa.ArrowInvalid:
        raise InputError(f"the column {name} holds something that is no number") from None
    if is_needed and np.isnan(found).any():
        raise InputError(f"the column {name} is empty in {int(np.isnan(found).sum())} rows")
    return found


def _times(table: Any) -> NDArray[np.float64]:
    """(n,) Unix seconds, NaN where unknown."""
    if "time" not in table.column_names:
        return np.full(table.num_rows, np.nan)
    column = table.column("time")
    if pa.types.is_timestamp(column.type):
        micros = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
        return np.asarray(micros.cast(pa.float64()).to_numpy(), np.float64) / 1e6
    try:
        return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
    except pa.ArrowInvalid:
        pass
    try:
        return _times(pa.table({"time": column.cast(pa.timestamp("us", "UTC"))}))
    except pa.ArrowInvalid:
        pass
    try:
        return _times(pa.table({"time": column.cast(pa.timestamp("us"))}))
    except pa.ArrowInvalid:
        raise InputError("the column time is neither Unix seconds nor ISO 8601") from None


def _interactions(table: Any, times: NDArray[np.float64], weights: NDArray[np.float64]) -> Interactions:
    member, title = table.column("member"), table.column("title")
    if member.null_count or title.null_count:
        raise InputError("the columns member and title may not be empty")
    return Interactions.of(
        np.asarray(member.cast(pa.string()).to_numpy(), object),
        title.cast(pa.string()).to_pylist(),
        times,
        weights,
    )
