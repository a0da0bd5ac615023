"""What the facets of the SQL store share: the connection, times as microseconds, upserts for both dialects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

V = TypeVar("V")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
IN_LIMIT = 500
"""Values in one `IN (…)`: SQLite takes 32,766 variables, and small statements are planned once."""


def us(at: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (at - EPOCH) // timedelta(microseconds=1)


def time(value: int) -> datetime:
    """The aware UTC time of these microseconds."""
    return EPOCH + timedelta(microseconds=value)


def maybe_us(at: datetime | None) -> int | None:
    """As `us`, None kept."""
    return None if at is None else us(at)


def maybe_time(value: int | None) -> datetime | None:
    """As `time`, None kept."""
    return None if value is None else time(value)


def cut(values: Sequence[V]) -> Iterator[Sequence[V]]:
    """Pieces short enough for one `IN (…)`."""
    for start in range(0, len(values), IN_LIMIT):
        yield values[start : start + IN_LIMIT]


class Facet:
    """Base of the facets: they all speak over one connection, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self.has_forgotten = False
        """Something personal was removed for good: no copy of it may stay in a log of the store's own."""

    def _run(self, statement: Any) -> Any:
        return self._db.execute(statement)

    def _insert(self, table: Table, rows: Iterable[dict[str, Any]], *, replace: bool = False) -> int:
        """Insert rows; an existing key is kept as it is, or replaced. Returns the rows written."""
        batch = list(rows)
        if not batch:
            return 0
        build = postgresql.insert if self._db.dialect.name == "postgresql" else sqlite.insert
        statement = build(table)
        keys = [column.name for column in table.primary_key]
        if replace:
            fresh = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
            statement = statement.on_conflict_do_update(index_elements=keys, set_=fresh)
        else:
            statement = statement.on_conflict_do_nothing()
        # Without the option SQLAlchemy does not ask the driver of Postgres how many there were.
        done = self._db.execute(statement, batch, execution_options={"preserve_rowcount": True})
        return int(done.rowcount)
