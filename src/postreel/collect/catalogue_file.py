"""The catalogue from a file, CSV or NDJSON: the fields of `Title`, lists in CSV parted by `|`.

No purpose: nothing here is about a member. Used by `import catalogue` and `PUT /v1/titles/{id}`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import chain
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from postreel.catalogue import Title
from postreel.collect.lines import Lines, headed, numbered, shown, text_lines
from postreel.collect.parsed import Refused
from postreel.errors import InputError

COLUMNS = tuple(f.name for f in fields(Title))
LISTS = ("genres", "directors", "cast", "countries", "languages", "moods", "sensitive", "regions")

Name = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]+$")]
Moment = Annotated[datetime, Meta(tz=True)]
Number = Annotated[int, Meta(ge=0, le=100_000)]


class TitleLine(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """A title as files and the API write it; the meaning of each field is that of `Title`."""

    title_id: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x20]+$")]
    name: Name
    kind: Literal["film", "short", "series", "season", "episode"] = "film"
    year: Annotated[int, Meta(ge=1870, le=2200)] | None = None
    minutes: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    genres: tuple[Name, ...] = ()
    directors: tuple[Name, ...] = ()
    cast: tuple[Name, ...] = ()
    countries: tuple[Name, ...] = ()
    languages: tuple[Name, ...] = ()
    moods: tuple[Name, ...] = ()
    maturity: Literal[0, 7, 12, 16, 18] = 0
    sensitive: tuple[Name, ...] = ()
    summary: Annotated[str, Meta(max_length=10_000)] = ""
    series_id: Name | None = None
    season: Number | None = None
    episode: Number | None = None
    available_from: Moment | None = None
    available_until: Moment | None = None
    regions: tuple[Annotated[str, Meta(pattern="^[A-Z]{2}$")], ...] = ()

    def title(self) -> Title:
        """The title itself.

        Raises:
            InputError: it is available until before it is available from.
        """
        if self.available_from and self.available_until and self.available_until <= self.available_from:
            raise InputError("available_until is not after available_from")
        return Title(**{name: getattr(self, name) for name in COLUMNS})


@dataclass(frozen=True)
class ParsedTitles:
    """The titles of a file, and the lines that were refused."""

    titles: list[Title]
    refused: list[Refused]


def parse_title(body: bytes) -> Title:
    """One title as JSON.

    Raises:
        InputError: it is no such title; the message names the field.
    """
    try:
        return msgspec.json.decode(body, type=TitleLine).title()
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InputError(f"not a title: {_reason(error)}") from None


def parse_catalogue(lines: Lines) -> ParsedTitles:
    """Titles, each good one kept whatever the others are.

    Raises:
        InputError: the header lacks `title_id` or `name`, or names a column that a title does not have.
    """
    texts = text_lines(lines)
    head: list[str] = []
    for text in texts:
        head.append(text)
        if text.strip():
            break
    whole = chain(head, texts)
    if head and head[-1].lstrip().startswith("{"):
        return _from_json(numbered(whole))
    return _from_csv(whole)


def _from_json(lines: Iterable[tuple[int, str]]) -> ParsedTitles:
    out = ParsedTitles([], [])
    for number, text in lines:
        try:
            out.titles.append(parse_title(text.encode("utf-8", "surrogateescape")))
        except (InputError, UnicodeError) as error:
            out.refused.append(Refused(number, str(error), shown(text)))
    return out


def _from_csv(lines: Iterable[str]) -> ParsedTitles:
    header, found = headed(lines, ("title_id", "name"))
    unknown = [name for name in header if name not in COLUMNS]
    if unknown:
        raise InputError(f"a title has no column {shown(unknown[0])!r}; it has {', '.join(COLUMNS)}")
    out = ParsedTitles([], [])
    for record in found:
        try:
            if record.problem:
                raise InputError(record.problem)
            filled = {
                n: _value(n, v.strip()) for n, v in zip(header, record.fields, strict=True) if v.strip()
            }
            out.titles.append(msgspec.convert(filled, TitleLine, strict=False).title())
        except (msgspec.MsgspecError, InputError, ValueError) as error:
            out.refused.append(record.refused(_reason(error)))
    return out


def _value(name: str, text: str) -> Any:
    if name == "maturity":
        # Literal numbers are not read out of text by msgspec.
        return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else text
    return tuple(part.strip() for part in text.split("|") if part.strip()) if name in LISTS else text


def _reason(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).replace("`$.", "`")
