"""Events come in: from the HTTP intake, and from files of every source. Admitted before they are stored."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from postreel.catalogue import Title
from postreel.collect import (
    Parsed,
    Refused,
    movielens_titles,
    parse_catalogue,
    parse_events,
    parse_members,
    plays_of,
    read_events,
    read_movielens,
    read_netflix,
    read_viewings,
)
from postreel.errors import InputError
from postreel.gate import Gate
from postreel.members import MemberRow, normal_address
from postreel.ports import Change
from postreel.schema import Mask, Plays, ids_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOST = "no such member; register them first"
BY_NAME = ("csv", "netflix")
"""Sources that know titles by their names alone."""


@dataclass
class Taken:
    """What became of what a source told.

    Attributes:
        read, kept, refused: rows of the source; kept counts those that were new.
        withheld: rows that no live grant covered, by the purpose that was missing.
        known: rows that were stored already.
        left_out: rows that are no viewing, by reason.
        members, titles: how many the source named.
        strange: why a name that the source uses is nobody here, where more is known than that.
        refusals: each refused row with its place and reason.
    """

    source: str
    read: int = 0
    kept: int = 0
    known: int = 0
    withheld: Counter[str] = field(default_factory=Counter[str])
    left_out: Counter[str] = field(default_factory=Counter[str])
    names: set[str] = field(default_factory=set[str])
    title_ids: set[str] = field(default_factory=set[str])
    refusals: list[Refused] = field(default_factory=list[Refused])
    refused_file: str | None = None
    strange: dict[str, str] = field(default_factory=dict[str, str])

    def facts(self) -> dict[str, Any]:
        """As `import … --json` prints it."""
        return {
            "source": self.source,
            "read": self.read,
            "kept": self.kept,
            "refused": len(self.refusals),
            "withheld": dict(self.withheld),
            "known": self.known,
            "left_out": dict(self.left_out),
            "members": len(self.names),
            "titles": len(self.title_ids),
            "refused_file": self.refused_file,
        }


def accept_events(gate: Gate, body: bytes, arrived: datetime) -> Taken:
    """One batch from the HTTP intake: on disk when this returns. What is stored already is found out later.

    Raises:
        InputError: the body is no batch of events.
        ConsentError: grants could not be looked up; nothing was stored.
        TransientError: the disk refused; nothing was stored.
    """
    taken = Taken("events")
    _take(gate, parse_events(body, arrived), taken, is_own=False, is_new_only=False)
    return taken


def import_events(gate: Gate, path: Path, arrived: datetime, grants: Sequence[str] = ()) -> Taken:
    """A file of events, one a line."""
    return _imported(gate, "events", lambda: read_events(_lines(path), arrived), grants, adds=bool(grants))


def import_movielens(gate: Gate, path: Path, arrived: datetime, grants: Sequence[str] = ()) -> Taken:
    """A folder with `ratings.csv` and `movies.csv`.

    Raises:
        InputError: one of them is not there.
    """
    ratings, movies = (_file(path / name) for name in ("ratings.csv", "movies.csv"))
    titles, _ = movielens_titles(text_lines(movies))
    gate.put_titles(titles)

    def parsed() -> Iterator[Parsed]:
        return read_movielens(text_lines(ratings), text_lines(movies), arrived)

    return _imported(gate, "movielens", parsed, grants, adds=True)


def import_viewings(gate: Gate, path: Path, arrived: datetime, grants: Sequence[str] = ()) -> Taken:
    """A CSV of `member,title,time,weight`."""
    file = _file(path)
    return _imported(gate, "csv", lambda: read_viewings(text_lines(file), arrived), grants, adds=True)


def import_netflix(
    gate: Gate,
    path: Path,
    arrived: datetime,
    address: str,
    *,
    profile: str | None = None,
    dates: str | None = None,
    grants: Sequence[str] = (),
) -> Taken:
    """A member's own Netflix export, of either kind. Their grant of now covers it."""
    file = _file(path)

    def parsed() -> Iterator[Parsed]:
        return read_netflix(text_lines(file), normal_address(address), arrived, profile=profile, dates=dates)

    return _imported(gate, "netflix", parsed, grants, adds=bool(grants), is_own=True)


def import_catalogue(gate: Gate, path: Path) -> Taken:
    """A CSV or NDJSON of titles."""
    parsed = parse_catalogue(text_lines(_file(path)))
    taken = Taken("catalogue", read=len(parsed.titles) + len(parsed.refused), refusals=list(parsed.refused))
    taken.kept = gate.put_titles(parsed.titles)
    taken.title_ids = {title.title_id for title in parsed.titles}
    return taken


def import_members(gate: Gate, path: Path, at: datetime, simulated: Sequence[str] = ()) -> Taken:
    """A CSV or NDJSON of members, each grant with its evidence; one without evidence stays unknown."""
    parsed = parse_members(text_lines(_file(path)))
    rows = parsed.rows
    taken = Taken("members", read=len(rows) + len(parsed.refused), refusals=list(parsed.refused))
    registered = gate.register(rows)
    taken.refusals += [Refused(parsed.lines[place], why, "") for place, why in registered.refused]
    taken.kept = registered.added
    taken.known = sum(found is not None for found in registered.ids) - registered.added
    taken.names = {row.alias or row.address for row in rows}
    gate.import_grants(rows, registered, f"import of {path.name}")
    if simulated:
        pairs = zip(rows, registered.ids, strict=True)
        adults = dict.fromkeys(m for row, m in pairs if m is not None and not row.is_child)
        simulate_grants(gate, list(adults), simulated, at)
    return taken


def simulate_grants(gate: Gate, members: Sequence[bytes], purposes: Sequence[str], at: datetime) -> int:
    """Simulated grants of these purposes, in a sandbox."""
    return gate.simulate(
        [
            Change(m, purpose, "granted", "simulation", "simulated", at)
            for m in members
            for purpose in purposes
        ]
    )


def write_refused(taken: Taken, folder: Path, at: datetime) -> None:
    """Write the refused rows where they can be read; readable for the owner alone, since they may be personal."""
    if not taken.refusals:
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{taken.source}-{at:%Y%m%dT%H%M%S%f}.ndjson"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        for row in taken.refusals:
            line = {"line": row.line, "reason": row.reason, "text": row.text}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    taken.refused_file = str(path)


def forget_refused(folder: Path, names: Sequence[str]) -> int:
    """Take the lines that name an erased member out of the refused files. How many went."""
    count = 0
    # A name is whole: an alias `12` does not stand in `2012`.
    named = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names), re.IGNORECASE)
    for path in sorted(folder.glob("*.ndjson")):
        lines = path.read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not named.search(json.loads(line)["text"])]
        if len(kept) < len(lines):
            count += len(lines) - len(kept)
            beside = path.with_suffix(".tmp")
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
                file.writelines(kept)
            beside.replace(path)
    return count


def _imported(
    gate: Gate,
    source: str,
    parsed: Any,
    grants: Sequence[str],
    *,
    adds: bool,
    is_own: bool = False,
) -> Taken:
    taken = Taken(source)
    if adds:
        _add_members(gate, parsed(), grants, taken)
    for part in parsed():
        matched = _matched(gate, part) if source in BY_NAME else part
        gate.put_titles(_new_titles(gate, matched.titles))
        _take(gate, matched, taken, is_own=is_own, is_new_only=True)
    gate.compact()
    return taken


def _matched(gate: Gate, part: Parsed) -> Parsed:
    """The titles of a source that knows names only, by the ids of the catalogue where it has that name once."""
    by_name: dict[str, list[str]] = {}
    for title in gate.catalogue():
        by_name.setdefault(title.name.casefold(), []).append(title.title_id)
    ours = {
        title.title_id: found[0]
        for title in part.titles
        if len(found := by_name.get(title.name.casefold(), [])) == 1 and title.kind != "episode"
    }
    if not ours:
        return part
    place = part.plays.schema.get_field_index("title_id")
    ids = [ours.get(title_id, title_id) for title_id in part.plays.column("title_id").to_pylist()]
    plays = part.plays.set_column(place, part.plays.schema.field(place), pa.array(ids, pa.string()))
    titles = [title for title in part.titles if title.title_id not in ours]
    return dataclasses.replace(part, plays=plays, titles=titles)


def _new_titles(gate: Gate, titles: Sequence[Title]) -> list[Title]:
    # What the service says of a title goes before what an export says.
    known = gate.catalogue()
    return [title for title in titles if title.title_id not in known]


def _add_members(gate: Gate, parts: Iterable[Parsed], grants: Sequence[str], taken: Taken) -> None:
    """Register whom the source names, and simulate their grants from before the first event of it."""
    names: set[str] = set()
    first: datetime | None = None
    for part in parts:
        names |= set(part.who.unique().to_pylist())
        if len(part):
            earliest = EPOCH + timedelta(
                microseconds=int(part.plays.column("at").cast(pa.int64()).to_numpy().min())
            )
            first = earliest if first is None else min(first, earliest)
    known = gate.resolve(sorted(names))
    # What is stored of a member already says more than an address in an export.
    rows = [MemberRow(address=name) for name in sorted(names - set(known)) if "@" in name]
    registered = gate.register(rows)
    taken.strange |= {rows[place].address: why for place, why in registered.refused}
    if grants and first is not None:
        members = [*known.values(), *(member for member in registered.ids if member is not None)]
        simulate_grants(gate, members, grants, first - timedelta(seconds=1))


def _take(gate: Gate, parsed: Parsed, taken: Taken, *, is_own: bool, is_new_only: bool) -> None:
    names: list[str] = parsed.who.unique().to_pylist()
    taken.names |= set(names)
    taken.title_ids |= {title for title in parsed.plays.column("title_id").unique().to_pylist() if title}
    plays, strangers = plays_of(parsed, gate.resolve(names))
    is_row = _is_row(parsed, taken.source)
    taken.read += int(np.count_nonzero(is_row)) + len(parsed.refused) + sum(parsed.left_out.values())
    taken.left_out.update(parsed.left_out)
    taken.refusals += parsed.refused
    lines = np.arange(1, len(parsed) + 1) if parsed.lines is None else parsed.lines
    who = parsed.who.to_pylist() if len(strangers) else []
    taken.refusals += [
        Refused(int(lines[place]), taken.strange.get(who[place], LOST), "")
        for place in strangers
        if is_row[place]
    ]
    is_row = np.delete(is_row, strangers)
    if is_new_only:
        is_new = _is_new(gate, plays)
        taken.known += int(np.count_nonzero(is_row & ~is_new))
        plays, is_row = plays.where(is_new), is_row[is_new]
    admitted = gate.admit(plays, is_own=is_own)
    is_in = admitted.is_covered
    taken.kept += int(np.count_nonzero(is_row & is_in))
    refused = int(np.count_nonzero(is_row & ~is_in))
    if refused:
        taken.withheld[admitted.missing] += refused
    gate.store(admitted)


def _is_row(parsed: Parsed, source: str) -> Mask:
    """Which events stand for a row of the source: MovieLens tells a liked title twice, as rated and as watched."""
    if source != "movielens":
        return np.ones(len(parsed), np.bool_)
    return np.asarray(parsed.plays.column("kind").to_numpy() == "rating", np.bool_)


def _is_new(gate: Gate, plays: Plays) -> Mask:
    ids = ids_of(plays.table.column("event_id"))
    _, first = np.unique(ids, return_index=True)
    is_first: NDArray[np.bool_] = np.zeros(len(ids), np.bool_)
    is_first[first] = True
    return is_first & ~np.array(gate.known_events(ids), np.bool_)


def _file(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    return path


def _lines(path: Path) -> Iterator[bytes]:
    with _file(path).open("rb") as file:
        yield from file


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a text file, what is no UTF-8 replaced, so that one bad line does not stop the rest."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        yield from file
