"""`docs/reference/tables.md` says what the code says: which table is for what, and why each column is held.

The page is the text that `page()` makes. After a change to a table, write it anew:
`.venv/bin/python tests/house/test_tables_doc.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path

import sqlalchemy
from sqlalchemy.dialects import sqlite

import postreel.schema as schema
from postreel.backends.records.tables import metadata
from postreel.purposes import BY_KEY, Mailing, Purpose
from postreel.schema import KEEPABLE, READABLE, STORED, Facts, Rows

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "tables.md"
MOVING = tuple(
    t for t in vars(schema).values() if isinstance(t, type) and issubclass(t, Rows) and t is not Rows
)
OPENING = """\
# Tables: what is held, why, for how long

This page is made from `src/postreel/schema.py` and `src/postreel/backends/records/tables.py`, and a test compares it
with them. Each column says which purpose it is held under, on which basis, how long it is meant to be kept, and where
it comes from (GDPR Art. 5(1), Art. 30). The purposes are explained in [purposes.md](purposes.md).

The column *kept* is a rule, not yet a clock: no job removes rows by age so far. What is removed at once is what
a withdrawal or an erasure asks for.

"""
READING = """\
## Which table may be read under which purpose

The gate refuses everything that is not in this list, with `ConsentError`. `rights` reads for export and removal only.

| table | may be read under | derived rows may be kept under |
|---|---|---|
"""
FLOW = """\

## Tables that move through the flow

Arrow tables, each wrapped in a class of its own. `Plays`, `Sessions` and `Tastes` are stored by the event store; the
others exist while a mail is made and sent. Ids are sixteen bytes; times are microseconds in UTC.
"""
RECORDS = """\

## Tables of the record store

One SQL database. Ids are sixteen raw bytes, times integer microseconds since 1970 UTC, hashes 32 bytes.
"""


def page() -> str:
    """The whole page."""
    parts = [OPENING, READING, *_reading(), FLOW]
    for table in MOVING:
        kinds = {field.name: str(field.type).replace("fixed_size_binary[16]", "id") for field in table.SCHEMA}
        rows = ((name, _kind(kinds[name]), table.FACTS[name]) for name in table.SCHEMA.names)
        stored = " Stored." if table in STORED else ""
        parts += [f"\n### {table.__name__}\n\n{_first_line(table)}{stored}\n\n", *_columns(rows)]
    parts.append(RECORDS)
    for table in metadata.sorted_tables:
        rows = ((c.name, _sql_kind(c), c.info["facts"]) for c in table.columns)
        parts += [f"\n### `{table.name}`\n\n", *_columns(rows)]
    return "".join(parts)


def _reading() -> Iterator[str]:
    for table, under in READABLE.items():
        kept = KEEPABLE.get(table, frozenset())
        yield f"| `{table.__name__}` | {_keys(under)} | {_keys(kept) or 'not kept'} |\n"


def _keys(purposes: Iterable[type[Purpose]]) -> str:
    order = list(BY_KEY)
    return ", ".join(f"`{key}`" for key in sorted((p.key for p in purposes), key=order.index))


def _columns(rows: Iterable[tuple[str, str, Facts]]) -> Iterator[str]:
    yield "| column | type | purpose | basis | kept | source |\n|---|---|---|---|---|---|\n"
    for name, kind, facts in rows:
        # Mailing has no key of its own: it stands for whichever kind of mail this is.
        purpose = "`mail.*`" if facts.purpose is Mailing else f"`{facts.purpose.key}`"
        yield f"| `{name}` | {kind} | {purpose} | {facts.basis} | {facts.retention} | {facts.source} |\n"


def _kind(arrow: str) -> str:
    if arrow.startswith("list<item: struct<title_id"):
        return "list of picks"
    return "time" if arrow.startswith("timestamp") else arrow


def _sql_kind(column: sqlalchemy.Column[object]) -> str:
    plain = column.type.compile(dialect=sqlite.dialect()).lower()
    kind = "bytes" if plain == "blob" else plain
    return kind + (", may be null" if column.nullable else "") + (", key" if column.primary_key else "")


def _first_line(table: type[Rows]) -> str:
    return (inspect.getdoc(table) or "").splitlines()[0]


def test_the_page_of_tables_is_what_the_code_says():
    made = page()
    assert PAGE.read_text("utf-8") == made, "run: .venv/bin/python tests/house/test_tables_doc.py"


def test_every_table_and_column_stands_on_the_page():
    made = page()
    for table in metadata.sorted_tables:
        assert f"### `{table.name}`" in made
        assert all(f"| `{column.name}` |" in made for column in table.columns)
    assert {t.__name__ for t in READABLE} <= {t.__name__ for t in MOVING}


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
