"""One database behind one object: how to connect, begin, and what its errors mean to a person."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Connection, Engine, Table, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.pool import ConnectionPoolEntry

from syncd.errors import ConfigError, StoreError, StoreUnavailable, SyncdError, Unstorable

if TYPE_CHECKING:
    import sqlite3

Now = Callable[[], datetime]
"""The wall clock, UTC."""

JSON_TEXT = "JSON TEXT"
"""Declared type of JSON in SQLite: with `JSON` alone, SQLite would turn a bare number into a REAL and lose digits."""

_BUSY_MILLISECONDS = 30_000
_CHECKPOINT_PAGES = 16_000
"""Pages of SQLite's log, 64 MB, after which it moves them into the database: with its own 1,000, a load does so at
every batch, and writes most pages several times."""
_PRIVATE = 0o600
_WRITE = "syncd_write"
_RESTING = "syncd_resting"
_RESTED_SECONDS = 1.0
"""A connection that was not used for so long is tried before it is used: asking the server each time costs a third of
a short query."""
_AS_THEY_ARE: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (type(None), {}.get),
    (bool, {True: 1, False: 0}.get),
    (bytes, bytes),
)
"""What SQLite's driver binds for values of these types, told in advance.

Before it binds what is neither number nor text, it asks whether the type adapts itself (PEP 246, which none does), by
an error that it raises and drops: four times as long as binding takes.
"""


class Database:
    """A SQLite file or a PostgreSQL database.

    SQLite has one writer at a time: writing transactions of this process queue at a lock, those of others wait at the
    file's. Readers see the last commit and wait for nobody (WAL).

    Args:
        url: SQLAlchemy URL, a relative SQLite path already made absolute.
        schema: PostgreSQL schema for all tables; made where it does not exist. Ignored for SQLite.

    Raises:
        ConfigError: The URL names a database that syncd does not know.
    """

    def __init__(self, url: str | URL, schema: str | None = None) -> None:
        try:
            self.url = make_url(url)
        except SQLAlchemyError:
            raise ConfigError(
                "database.url is no database URL.", "Write sqlite:///syncd.db or postgresql+psycopg://user@host/db."
            ) from None
        self.schema = schema
        self._writing = threading.RLock()
        self._prepared = False
        self._driver_errors: tuple[type[Exception], ...]
        """What the driver raises where SQLAlchemy stands not in between."""
        backend = self.url.get_backend_name()
        if backend == "sqlite":
            import sqlite3  # noqa: PLC0415 - not where PostgreSQL is in use

            self.engine = self._reading = _sqlite(self.url)
            self._driver_errors = (sqlite3.Error,)
        elif backend == "postgresql":
            self.engine = _postgresql(self.url, schema)
            # Each of its statements sees a state of its own in a transaction, too, which costs two more round trips.
            self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            self._driver_errors = (self.engine.dialect.loaded_dbapi.Error,)
        else:
            raise ConfigError(f"database.url names {backend}.", "syncd writes to SQLite and PostgreSQL.")

    @property
    def name(self) -> str:
        """The database for a message, without its password."""
        return self.url.database or "" if self.is_sqlite else self.url.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a SQLite file."""
        return self.url.get_backend_name() == "sqlite"

    def insert(self, table: Table) -> Any:
        """An INSERT that can say what to do on a conflict, which is each dialect's own."""
        # Only the dialect in use is imported: both together are a twentieth of a start's time.
        if self.is_sqlite:
            from sqlalchemy.dialects.sqlite import insert  # noqa: PLC0415
        else:
            from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment] # noqa: PLC0415
        return insert(table)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read from. SQLite shows it one state throughout, PostgreSQL one per statement."""
        with self._translated():
            self._prepare()
        with self._translated(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back when anything raises.

        Raises:
            StoreError: One sentence on what the database refused, with a remedy.
        """
        with self._translated():
            self._prepare()
            if not self.is_sqlite:
                with self.engine.begin() as connection:
                    yield connection
                return
            with self._writing, self.engine.connect() as connection:
                writer = connection.execution_options(**{_WRITE: True})
                with writer.begin():
                    yield writer

    @contextmanager
    def define(self) -> Iterator[Connection]:
        """A transaction that makes or changes tables: one at a time, whichever process asks. Raises as `write`.

        Two processes that make the same table on PostgreSQL at once fail in its catalogs, IF NOT EXISTS or not.
        """
        with self.write() as connection:
            if not self.is_sqlite:
                self._alone(connection)
            yield connection

    def _alone(self, connection: Connection) -> None:
        name = {"name": f"syncd defines {self.schema}"}
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), name)

    def backup(self, path: Path) -> None:
        """Copy a SQLite database, consistent, while others read and write (SQLite's online backup).

        Raises:
            ConfigError: It is PostgreSQL, which has its own tools; or the path exists.
            StoreError: It cannot be read or written.
        """
        if not self.is_sqlite:
            raise ConfigError("PostgreSQL has its own tool for copies.", f"Run: pg_dump -Fc -f {path} DATABASE")
        if path.exists():
            raise ConfigError(f"{path} exists.", "Choose another name; a backup overwrites nothing.")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE))
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}.", "Choose another place.") from None
        import sqlite3  # noqa: PLC0415 - not where PostgreSQL is in use

        with self._translated(), self.engine.connect() as connection, closing(sqlite3.connect(path)) as copy:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.backup(copy, pages=4096)

    def rest(self) -> None:
        """Close all connections, which take memory and a server's places, and forget compiled statements."""
        self.engine.clear_compiled_cache()
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _prepare(self) -> None:
        """What must be there before the first write: the file, private to its owner; the schema."""
        if self._prepared:
            return
        if self.is_sqlite and self.url.database:
            path = Path(self.url.database)
            if not path.exists():
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    os.close(os.open(path, os.O_CREAT | os.O_RDWR, _PRIVATE))
                except OSError as error:
                    raise StoreError(
                        f"The database {path} cannot be made: {error.strerror}.",
                        "Choose another place in database.url.",
                    ) from None
        elif self.schema:
            with self.engine.begin() as connection:
                quoted = connection.dialect.identifier_preparer.quote(self.schema)
                known = connection.execute(
                    text("SELECT 1 FROM information_schema.schemata WHERE schema_name = :name"), {"name": self.schema}
                )
                if known.first() is None:
                    self._alone(connection)
                    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {quoted}"))
        self._prepared = True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._explain(error) from error
        except SQLAlchemyError as error:
            raise StoreError(
                f"The database {self.name} failed: {type(error).__name__}.", "The log has more."
            ) from error
        except self._driver_errors as error:
            wrapped = DBAPIError.instance("", None, error, type(error))
            assert isinstance(wrapped, DBAPIError)
            raise self._explain(wrapped) from error
        except (OverflowError, UnicodeEncodeError) as error:
            # A driver's own words for a number beyond 64 bits, or for half a surrogate pair.
            raise Unstorable(f"The database {self.name} refused a value: {error}.") from error

    def _explain(self, error: DBAPIError) -> SyncdError:
        if self.is_sqlite:
            return self._explain_sqlite(str(error.orig))
        return self._explain_postgresql(error)

    def _explain_sqlite(self, message: str) -> StoreError:
        for words, kind, sentence, remedy in _SQLITE_ERRORS:
            if any(word in message.lower() for word in words):
                return kind(sentence.format(self.name, message), remedy)
        return Unstorable(f"The database refused a value: {message}.")

    def _explain_postgresql(self, error: DBAPIError) -> SyncdError:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        message = _first_line(str(error.orig))
        if not state and ("authentication" in message or "no password supplied" in message):
            state = "28P01"
        if not state and "does not exist" in message:
            state = "28000" if 'role "' in message else "3D000"
        if not state and _MISUNDERSTOOD.search(message):
            return ConfigError(f"PostgreSQL does not understand database.url: {message}.", "Correct its parameters.")
        for states, kind, sentence, remedy in _POSTGRESQL_ERRORS:
            if state.startswith(states):
                return kind(sentence.format(self.name, message), remedy)
        if not state and isinstance(error, OperationalError | InterfaceError):
            return StoreUnavailable(
                f"The database {self.name} does not answer: {message}.", "Check that the server runs."
            )
        return StoreError(f"The database {self.name} failed: {message}.", "The log has more.")


_SQLITE_ERRORS: tuple[tuple[tuple[str, ...], type[StoreError], str, str], ...] = (
    (
        ("readonly", "read-only"),
        StoreError,
        "The database {} is read-only.",
        "Give the user that runs syncd the right to write the file and its folder.",
    ),
    (
        ("unable to open",),
        StoreError,
        "The database {} cannot be opened.",
        "Check that its folder exists and may be written to.",
    ),
    (
        ("no such table", "no such column"),
        StoreError,
        "The database {} lacks what was there: {}.",
        "Restore a backup, or stop syncd and begin anew with: syncd db upgrade",
    ),
    (
        ("locked", "busy"),
        StoreUnavailable,
        "The database {} is locked by another program.",
        "Close what holds it, or wait.",
    ),
    (("full",), StoreUnavailable, "There is no room left for the database {}.", "Free some; syncd goes on by itself."),
    (
        ("not a database", "malformed"),
        StoreError,
        "The file {} is no SQLite database, or is damaged.",
        "Restore a backup.",
    ),
    (("disk i/o",), StoreUnavailable, "The disk that holds {} fails to read or write.", "Check the disk."),
)
"""Words of SQLite's messages, and what they mean. https://www.sqlite.org/rescode.html"""

_POSTGRESQL_ERRORS: tuple[tuple[tuple[str, ...], type[StoreError], str, str], ...] = (
    (("28",), StoreError, "PostgreSQL refuses the login to {}: {}.", "Check user and password in database.url."),
    (("3D000",), StoreError, "The database {} does not exist.", "Make it with createdb."),
    (("42501",), StoreError, "The database user may not do this in {}: {}.", "Grant it."),
    (
        ("42P01", "42703"),
        StoreError,
        "The database {} lacks what was there: {}.",
        "Restore a backup, or stop syncd and begin anew with: syncd db upgrade",
    ),
    (("25006",), StoreError, "The database {} is read-only.", "Connect to the primary server."),
    (("22", "23", "54000"), Unstorable, "The database {} refused a value: {}.", ""),
    (
        ("53",),
        StoreUnavailable,
        "The server of {} has no room: {}.",
        "Free disk or connections; syncd goes on by itself.",
    ),
    (
        ("08", "57", "40", "55P03"),
        StoreUnavailable,
        "The database {} does not answer: {}.",
        "Check that the server runs.",
    ),
)
"""Classes of SQLSTATE, and what they mean. https://www.postgresql.org/docs/current/errcodes-appendix.html"""


_MISUNDERSTOOD = re.compile(r"invalid (connection option|\w+ value|port number|integer value)")
"""What libpq says of a parameter, before it tries to connect."""


def _first_line(message: str) -> str:
    line = message.strip().splitlines()[0] if message.strip() else "no reason given"
    return re.sub(r"password=\S+", "password=...", line).rstrip(".")


def _sqlite(url: URL) -> Engine:
    import sqlite3  # noqa: PLC0415 - not where PostgreSQL is in use

    for kind, itself in _AS_THEY_ARE:
        sqlite3.register_adapter(kind, itself)
    engine = create_engine(url, connect_args={"timeout": _BUSY_MILLISECONDS / 1000, "check_same_thread": False})
    dialect: Any = engine.dialect
    dialect.ischema_names = {**dialect.ischema_names, JSON_TEXT: JSON}

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        del entry
        # The driver's own transactions begin late and end early; BEGIN is emitted below instead.
        connection.isolation_level = None
        for pragma in (
            "foreign_keys=ON",
            "synchronous=NORMAL",
            f"busy_timeout={_BUSY_MILLISECONDS}",
            "cache_size=-32768",
            f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError:
                # Not writable: reading works without it, and a write will say what is wrong.
                return

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(_WRITE)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _postgresql(url: URL, schema: str | None) -> Engine:
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=12,
            max_overflow=20,
            connect_args={"application_name": "syncd", "connect_timeout": 10},
        )
    except ModuleNotFoundError:
        raise ConfigError(
            "PostgreSQL needs its driver.", "Install syncd with: pip install 'syncd[postgresql]'."
        ) from None
    except ArgumentError as error:
        raise ConfigError(f"PostgreSQL does not understand database.url: {error}.", "Correct its parameters.") from None

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, entry: ConnectionPoolEntry) -> None:
        del entry
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET timezone TO 'UTC'")
            if schema:
                cursor.execute("SELECT set_config('search_path', quote_ident(%s), false)", (schema,))
        connection.autocommit = False

    @event.listens_for(engine, "checkin")
    def _checkin(connection: Any, entry: ConnectionPoolEntry) -> None:
        del connection
        entry.info[_RESTING] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _checkout(connection: Any, entry: ConnectionPoolEntry, proxy: object) -> None:
        """SQLAlchemy: "Disconnect Handling - Pessimistic", of connections that rested."""
        del proxy
        since = entry.info.get(_RESTING)
        if since is None or time.monotonic() - since < _RESTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            raise DisconnectionError from None

    return engine
