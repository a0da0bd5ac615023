"""Members from a file, CSV or NDJSON, each grant with its evidence.

Runs under `service` (the addresses) and `proof` (the grants); used by `import members`. In CSV a column named after
a purpose (`mail.picks`) holds the evidence of that grant; empty means unknown. In NDJSON `grants` is an object.
A grant of `measure.*` never comes from a file: only the member can give it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from postreel.catalogue import MATURITIES
from postreel.collect.lines import Lines, headed, numbered, shown, text_lines
from postreel.collect.parsed import Refused
from postreel.errors import InputError
from postreel.members import MemberRow, normal_address
from postreel.purposes import SWITCHABLE

COLUMNS = (
    "address",
    "alias",
    "name",
    "language",
    "timezone",
    "region",
    "maturity",
    "household",
    "is_child",
)
KEYS = tuple(p.key for p in SWITCHABLE)

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
Text = Annotated[str, Meta(min_length=1, max_length=320, pattern=r"^[^\x00-\x1f]+$")]


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    address: str = ""
    alias: Text | None = None
    name: Text | None = None
    language: str | None = None
    timezone: str | None = None
    region: str | None = None
    maturity: int | None = None
    household: Text | None = None
    is_child: bool | None = None
    grants: dict[str, str | None] = {}


@dataclass(frozen=True)
class ParsedMembers:
    """The members of a file, and the rows and single grants that were refused.

    Attributes:
        lines: the line of the file that each member came from.
    """

    rows: list[MemberRow]
    refused: list[Refused]
    lines: list[int] = field(default_factory=list[int])


def parse_members(lines: Lines) -> ParsedMembers:
    """Members with the evidence of their grants.

    A row with a bad address is refused; a grant that cannot come from a file is refused and its row kept.

    Raises:
        InputError: the header lacks `address`, or names a column or a purpose that does not exist.
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


def _from_json(lines: Iterable[tuple[int, str]]) -> ParsedMembers:
    out = ParsedMembers([], [])
    decoder = msgspec.json.Decoder(_Line)
    for number, text in lines:
        try:
            line = decoder.decode(text.encode("utf-8", "surrogateescape"))
            _add(out, line, number, text)
        except (msgspec.MsgspecError, InputError, ValueError, RecursionError) as error:
            out.refused.append(Refused(number, _reason(error), shown(text)))
    return out


def _from_csv(lines: Iterable[str]) -> ParsedMembers:
    header, found = headed(lines, ("address",))
    for name in header:
        if name not in COLUMNS and name not in KEYS:
            raise InputError(
                f"column {shown(name)!r} is neither one of {', '.join(COLUMNS)} nor a purpose ({', '.join(KEYS)})"
            )
    out = ParsedMembers([], [])
    for record in found:
        try:
            if record.problem:
                raise InputError(record.problem)
            filled = {n: v.strip() for n, v in zip(header, record.fields, strict=True) if v.strip()}
            plain: dict[str, Any] = {n: v for n, v in filled.items() if n in COLUMNS}
            plain["grants"] = {n: v for n, v in filled.items() if n in KEYS}
            _add(out, msgspec.convert(plain, _Line, strict=False), record.line, record.text)
        except (msgspec.MsgspecError, InputError, ValueError) as error:
            out.refused.append(record.refused(_reason(error)))
    return out


def _add(out: ParsedMembers, line: _Line, number: int, text: str) -> None:
    """Add this member.

    Raises:
        InputError: a field is not what it must be.
    """
    is_mailless = bool(line.is_child) and not line.address.strip()
    if is_mailless and line.alias is None:
        raise InputError("a child without an address needs an alias, by which their events are known")
    row = MemberRow(
        address="" if is_mailless else normal_address(line.address),
        alias=line.alias,
        name=line.name,
        language=_maybe(line.language, _LANGUAGE.fullmatch, "language", "en or pt-BR"),
        timezone=_maybe(line.timezone, _is_zone, "timezone", "Europe/Berlin"),
        region=None if line.region is None else _checked(line.region.upper(), _is_region, "region", "DE"),
        maturity=18 if line.maturity is None else line.maturity,
        household=line.household,
        is_child=bool(line.is_child),
    )
    if row.maturity not in MATURITIES:
        raise InputError(f"maturity is not one of {', '.join(map(str, MATURITIES))}")
    grants: list[tuple[str, str]] = []
    for key, evidence in line.grants.items():
        problem = _grant_problem(key, row.is_child)
        if not (evidence or "").strip():
            continue
        if problem:
            out.refused.append(Refused(number, problem, shown(text)))
        else:
            grants.append((key, (evidence or "").strip()))
    out.rows.append(replace(row, grants=tuple(grants)))
    out.lines.append(number)


def _grant_problem(key: str, is_child: bool) -> str | None:
    """Why this grant cannot come from a file; None where it can."""
    if key not in KEYS:
        return f"there is no purpose {shown(key)!r} that a member can grant"
    if key.startswith("measure."):
        return f"{key} cannot be imported; only the member can grant it. The member was kept, without it"
    if is_child:
        return f"{key} was left out: a child grants nothing"
    return None


def _maybe(value: str | None, is_good: Any, name: str, example: str) -> str | None:
    return _checked(value, is_good, name, example) if value else None


def _checked(value: str, is_good: Any, name: str, example: str) -> str:
    if not is_good(value):
        raise InputError(f"{name} is not valid; expected something like {example}")
    return value


def _is_region(code: str) -> bool:
    return len(code) == 2 and code.isascii() and code.isalpha()


@lru_cache(maxsize=1024)
def _is_zone(key: str) -> bool:
    try:
        ZoneInfo(key)
    except (LookupError, ValueError, OSError):
        return False
    return True


def _reason(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).replace("`$.", "`")
