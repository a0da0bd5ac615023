"""Viewings as a plain CSV: `member,title,time,weight`.

`member` is an address, `title` a name, `time` Unix seconds or ISO 8601, `weight` the completion in [0, 1] (empty:
unknown). Purpose: none yet (`gate.admit` decides under `history`). Used by `import csv`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

import numpy as np
import pyarrow as pa

from postreel.catalogue import Title
from postreel.collect.lines import Lines, Record, headed, refused_time, time_of
from postreel.collect.parsed import Parsed, Refused, event_ids, key_of, name_id, no_plays, plays_table
from postreel.errors import InputError
from postreel.members import normal_address

SOURCE = "csv"

_Row = tuple[str, str, datetime, float | None]


def read_viewings(lines: Lines, arrived: datetime, chunk: int = 50_000) -> Iterator[Parsed]:
    """The viewings of a file in chunks, each a `watched` event.

    Args:
        lines: the file, with a header.
        arrived: aware UTC time of the import.
        chunk: records a batch.

    Raises:
        InputError: a column is missing.
    """
    header, found = headed(lines, ("member", "title", "time", "weight"))
    places = [header.index(name) for name in ("member", "title", "time", "weight")]
    while batch := list(islice(found, chunk)):
        yield _viewings(batch, places, arrived)


def _viewings(batch: list[Record], places: list[int], arrived: datetime) -> Parsed:
    rows: list[_Row] = []
    refused: list[Refused] = []
    addresses: dict[str, str] = {}
    at_line: list[int] = []
    for record in batch:
        try:
            rows.append(_row(record, places, arrived, addresses))
            at_line.append(record.line)
        except (ValueError, InputError) as error:
            refused.append(record.refused(str(error)))
    if not rows:
        return no_plays(refused)
    ids = {name: name_id(SOURCE, name) for name in dict.fromkeys(name for _, name, _, _ in rows)}
    names = {title: name for name, title in reversed(ids.items())}
    titles = [ids[name] for _, name, _, _ in rows]
    keys = (
        key_of(SOURCE, who, title, at.isoformat(), "" if weight is None else f"{weight:.6g}")
        for (who, _, at, weight), title in zip(rows, titles, strict=True)
    )
    table = plays_table(
        len(rows),
        event_id=event_ids(keys),
        at=[at for _, _, at, _ in rows],
        arrived=arrived,
        kind="watched",
        title_id=titles,
        value=[weight for _, _, _, weight in rows],
        source=SOURCE,
    )
    who = pa.array([who for who, _, _, _ in rows], pa.string())
    found = [Title(i, name) for i, name in sorted(names.items())]
    return Parsed(who, table, refused, found, lines=np.array(at_line, np.int64))


def _row(record: Record, places: list[int], arrived: datetime, addresses: dict[str, str]) -> _Row:
    if record.problem:
        raise InputError(record.problem)
    member, title, time, weight = (record.fields[i].strip() for i in places)
    if not title:
        raise InputError("the title is empty")
    at = time_of(time)
    if problem := refused_time(at, arrived):
        raise InputError(problem)
    if member not in addresses:
        addresses[member] = normal_address(member)
    return addresses[member], title, at, _completion(weight)


def _completion(text: str) -> float | None:
    try:
        share = float(text) if text else None
    except ValueError:
        raise InputError("the weight is not a number") from None
    if share is not None and not 0 <= share <= 1:
        raise InputError("the weight is not between 0 and 1")
    return share
