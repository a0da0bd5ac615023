"""Lines and records of text files, read so that one bad line costs one line.

No purpose: it knows no members. Used by the parsers of this room.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from postreel.collect.parsed import TEXT_LIMIT, Refused
from postreel.errors import InputError

LONGEST_RECORD = 64
"""Lines that one quoted record may span; beyond that a quote was left open."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LEEWAY = timedelta(hours=24)
"""How far in the future a clock may be before its events are refused."""

_SURROGATE = re.compile("[\ud800-\udfff]")

Lines = Iterable[bytes] | Iterable[str]
"""An open file, binary or text, or anything that gives its lines."""


@dataclass(frozen=True)
class Record:
    """One record of a CSV file.

    Attributes:
        line: 1-based line on which it starts.
        fields: its fields; empty where it has a problem.
        text: the lines as they were.
        problem: why it cannot be read; None for a good record.
    """

    line: int
    fields: list[str]
    text: str
    problem: str | None = None

    def refused(self, reason: str | None = None) -> Refused:
        """This record as refused, for this reason or its own."""
        return Refused(self.line, reason or self.problem or "not readable", shown(self.text))


class _Feed:
    """Numbered lines that can be put back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = enumerate(lines, 1)
        self._again: deque[tuple[int, str]] = deque()
        self.taken: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= LONGEST_RECORD:
            raise csv.Error(f"a quote is not closed within {LONGEST_RECORD} lines")
        pair = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(pair)
        return pair[1]

    def put_back_all(self) -> None:
        self._again.extendleft(reversed(self.taken))
        self.taken = []

    def put_back_all_but_first(self) -> None:
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def text_lines(lines: Lines) -> Iterator[str]:
    """Each line as text with `\\n` at its end; bytes that are no UTF-8 stay marked, for `records` to refuse."""
    for i, line in enumerate(lines):
        text = line if isinstance(line, str) else line.decode("utf-8", "surrogateescape")
        if i == 0:
            text = text.removeprefix("\ufeff")
        yield text.rstrip("\r\n") + "\n"


def records(lines: Iterable[str], delimiter: str = ",", width: int | None = None) -> Iterator[Record]:
    """The records of a CSV file; blank lines are passed over.

    A quote that is never closed would swallow the good lines after it. A record over several lines that is too
    long, or has not `width` fields, is therefore given up after its first line and the rest is read anew.

    Args:
        lines: from `text_lines`.
        delimiter: one character.
        width: fields a record must have; None: any.
    """
    feed = _Feed(lines)
    while True:
        feed.taken = []
        first = next(feed, None)
        if first is None:
            return
        fields, problem = first.rstrip("\n").split(delimiter), None
        if '"' in first or "\r" in first:
            feed.put_back_all()
            fields, problem = _quoted(feed, delimiter)
        if not problem and width is not None and len(fields) != width:
            problem = f"{len(fields)} fields, expected {width}"
        if problem and len(feed.taken) > 1:
            feed.put_back_all_but_first()
        text = "".join(line for _, line in feed.taken)
        if not text.strip():
            continue
        if _SURROGATE.search(text):
            problem = "not UTF-8; save the file as UTF-8"
        elif "\x00" in text:
            problem = "holds a zero byte"
        yield Record(feed.taken[0][0], [] if problem else fields, text, problem)


def _quoted(feed: _Feed, delimiter: str) -> tuple[list[str], str | None]:
    """The fields of the next record, which has quotes in it, and what is wrong with it."""
    try:
        return next(csv.reader(feed, delimiter=delimiter), []), None
    except csv.Error as error:
        return [], f"not CSV: {error}"


def headed(
    lines: Lines, needed: Sequence[str], delimiters: str = ",;\t"
) -> tuple[list[str], Iterator[Record]]:
    """The header of a CSV file, in lower case, and its records, each as wide as the header.

    Args:
        lines: the file.
        needed: columns that must be there.
        delimiters: those tried; the one that splits the header most is taken.

    Raises:
        InputError: no header, a needed column missing, or a column named twice.
    """
    texts = text_lines(lines)
    first = next(texts, "")
    if _SURROGATE.search(first):
        raise InputError("the first line is not UTF-8; save the file as UTF-8")
    delimiter = max(delimiters, key=first.count)
    try:
        header = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter), [])]
    except csv.Error as error:
        raise InputError(f"the first line is no header of columns ({error})") from None
    missing = [name for name in needed if name not in header]
    if missing:
        raise InputError(
            f"the first line must name the columns {', '.join(needed)}; missing: {', '.join(missing)}"
        )
    if len(set(header)) < len(header):
        raise InputError("the first line names a column twice")
    found = records(texts, delimiter, len(header))
    return header, (Record(r.line + 1, r.fields, r.text, r.problem) for r in found)


def numbered(lines: Lines) -> Iterator[tuple[int, str]]:
    """Lines with their 1-based numbers, blank ones passed over."""
    return ((i, line) for i, line in enumerate(text_lines(lines), 1) if line.strip())


def batches(lines: Iterable[tuple[int, str]], size: int) -> Iterator[list[tuple[int, str]]]:
    """Lists of up to `size`, until nothing is left."""
    rest = iter(lines)
    while batch := list(islice(rest, size)):
        yield batch


def shown(text: str) -> str:
    """A line as it is kept with its refusal: cut, and with what was no UTF-8 replaced."""
    return _SURROGATE.sub("\ufffd", text.strip()[:TEXT_LIMIT])


def time_of(text: str) -> datetime:
    """A time written as Unix seconds or ISO 8601; without a zone it is taken as UTC.

    Raises:
        ValueError: it is neither, or lies outside the calendar; the message is the reason to show.
    """
    bare = text.strip()
    try:
        if re.fullmatch(r"[+-]?\d+(\.\d+)?", bare):
            return EPOCH + timedelta(microseconds=round(float(bare) * 1e6))
        moment = datetime.fromisoformat(bare)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return EPOCH + (zoned - EPOCH)
    except (ValueError, OverflowError):
        raise ValueError("the time is neither Unix seconds nor ISO 8601") from None


def refused_time(moment: datetime, arrived: datetime) -> str | None:
    """Why an event cannot have this time; None where it can."""
    if moment < EARLIEST:
        return "the time is before 1990"
    if moment > arrived + LEEWAY:
        return "the time is more than 24 hours in the future"
    return None
