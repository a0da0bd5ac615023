"""The record store in SQL: transactions, and the schema kept up to date by migrations.

SQLite runs in WAL mode with `synchronous=FULL`: what was committed survives a power cut. A writing transaction
takes the write lock at its beginning (`BEGIN IMMEDIATE`), so what it reads cannot change before it commits; on
Postgres the same is had by one advisory lock for transactions that touch the ledger.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from postreel.backends.records.consents import ConsentFacet
from postreel.backends.records.desk import DeskFacet, EngagementFacet
from postreel.backends.records.outbox import OutboxFacet
from postreel.backends.records.shelf import CatalogueFacet
from postreel.backends.records.turn import write_turn
from postreel.errors import PermanentError, SettingsError, TransientError

REVISION = "0001"
"""The newest migration; a test holds it to the files."""
BUSY_TIMEOUT_S = 10
CLEAR_WAIT_MS = 1_000
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
            if connection.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield SqlTransaction(connection)
            connection.rollback()

    @contextmanager
    def writing(self) -> Generator[SqlTransaction, None, None]:
        """One transaction, alone in writing."""
        with _plain_errors(), self._turn(), self._engine.connect() as connection:
            connection = connection.execution_options(postreel_writes=True)
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LEDGER_LOCK})
            transaction = SqlTransaction(connection)
            yield transaction
            connection.commit()
            if transaction.has_forgotten and connection.dialect.name == "sqlite":
                _clear_log(connection)

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
        from alembic.util import CommandError

        # Alembic is slow to import and needed only when a migration is due.
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
        with _plain_errors(), self._engine.connect() as connection:
            connection = connection.execution_options(postreel_writes=True)
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as fault:
                raise SettingsError(
                    f"this store was made by a newer Postreel; update this one ({fault})"
                ) from None
            connection.commit()


def _engine(url: str) -> Engine:
    backend = make_url(url).get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise SettingsError(f"records can live in sqlite or postgresql, not in {backend!r}")
    try:
        if backend == "postgresql":
            # One snapshot a reading, as SQLite gives; a writing one holds the lock and so sees all before it.
            named = make_url(url)
            driver = "postgresql+psycopg" if named.drivername == "postgresql" else named.drivername
            return create_engine(named.set(drivername=driver))
        _make_private(make_url(url).database)
        engine = create_engine(
            url, poolclass=QueuePool, pool_size=8, max_overflow=24, connect_args={"timeout": BUSY_TIMEOUT_S}
        )
    except ModuleNotFoundError as fault:
        raise SettingsError(f"the driver for {backend} is not installed: {fault.name}") from None
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _make_private(path: str | None) -> None:
    """Make the file for its owner alone; SQLite gives its log beside it the same mode."""
    if not path or path == ":memory:":
        return
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        Path(path).chmod(0o600)
    except OSError as fault:
        raise TransientError(f"the record store cannot be opened: {fault.strerror}") from None


def _clear_log(connection: Connection) -> None:
    """Empty SQLite's write-ahead log, which would keep what was erased for as long as nobody overwrites it.

    Readers at work keep it from being emptied; then the next transaction that forgets does it.
    """
    raw = connection.connection.dbapi_connection
    assert raw is not None  # noqa: S101 - a connection that has just committed
    cursor = raw.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout={CLEAR_WAIT_MS}")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.fetchall()
    finally:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
        cursor.close()


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
        if isinstance(fault, IntegrityError | ProgrammingError):
            raise  # a fault of ours, not of the store
        raise PermanentError(f"the record store is damaged or is none: {fault.orig}") from fault
    except PoolTimeout as fault:
        raise TransientError("the record store has no connection free; try again") from fault
