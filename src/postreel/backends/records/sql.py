"""The record store in SQL: transactions, and the schema kept up to date by migrations.

SQLite runs in WAL mode with `synchronous=FULL`: what was committed survives a power cut. A writing transaction
takes the write lock at its beginning (`BEGIN IMMEDIATE`), so what it reads cannot change before it commits; on
Postgres the same is had by one advisory lock for transactions that touch the ledger.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from postreel.backends.records.consents import ConsentFacet
from postreel.backends.records.desk import DeskFacet, EngagementFacet
from postreel.backends.records.outbox import OutboxFacet
from postreel.backends.records.shelf import CatalogueFacet
from postreel.backends.records.turn import write_turn
from postreel.errors import SettingsError, TransientError

REVISION = "0001"
"""The newest migration; a test holds it to the files."""
BUSY_TIMEOUT_S = 10
LEDGER_LOCK = 0x706F7374


class SqlTransaction(OutboxFacet, ConsentFacet, CatalogueFacet, EngagementFacet, DeskFacet):
    """`ports.Transaction` over one connection."""


class SqlRecords:
    """`ports.Records` over SQLite or Postgres.

    Args:
        url: an SQLAlchemy URL; `sqlite:///relative.db` is relative to the working directory.

    Raises:
        SettingsError: the URL is of another database, or its driver is not installed.
        TransientError: the database cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._upgrade()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Generator[SqlTransaction, None, None]:
        """A consistent view."""
        with _plain_errors(), self._engine.connect() as connection:
            yield SqlTransaction(connection)
            connection.rollback()

    @contextmanager
    def writing(self) -> Generator[SqlTransaction, None, None]:
        """One transaction, alone in writing."""
        with _plain_errors(), self._turn(), self._engine.connect() as connection:
            connection = connection.execution_options(postreel_writes=True)
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LEDGER_LOCK})
            yield SqlTransaction(connection)
            connection.commit()

    def _turn(self) -> AbstractContextManager[None]:
        file = self._engine.url.database
        if self._engine.dialect.name != "sqlite" or not file or file == ":memory:":
            return nullcontext()
        return write_turn(Path(f"{file}-turn"))

    def _upgrade(self) -> None:
        with _plain_errors(), self._engine.connect() as connection:
            if _revision(connection) == REVISION:
                return
        from alembic import command
        from alembic.config import Config

        # Alembic is slow to import and needed only when a migration is due.
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
        with _plain_errors(), self._engine.connect() as connection:
            connection = connection.execution_options(postreel_writes=True)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()


def _engine(url: str) -> Engine:
    backend = make_url(url).get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise SettingsError(f"records can live in sqlite or postgresql, not in {backend!r}")
    try:
        if backend == "postgresql":
            return create_engine(url)
        engine = create_engine(
            url, poolclass=QueuePool, pool_size=8, max_overflow=24, connect_args={"timeout": BUSY_TIMEOUT_S}
        )
    except ModuleNotFoundError as fault:
        raise SettingsError(f"the driver for {backend} is not installed: {fault.name}") from None
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    # The driver must not open transactions by itself: `_begin` says when, and how.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    is_writing = connection.get_execution_options().get("postreel_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


@contextmanager
def _plain_errors() -> Generator[None, None, None]:
    try:
        yield
    except OperationalError as fault:
        raise TransientError(f"the record store is busy, full or gone: {fault.orig}") from fault
    except DBAPIError as fault:
        if fault.connection_invalidated:
            raise TransientError("the connection to the record store was lost") from fault
        raise
