"""The floor: parse the same bytes, and write them with the database's fastest bulk path; no care taken of anything.

Requests go out side by side, pages are parsed with orjson, rows come from straight code made per table, and go to
PostgreSQL by COPY of text, megabytes at a time, and to SQLite by executemany in one transaction. Increments go to the
database as upserts.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import httpx
import orjson
from dataset import COMPANY, RESOURCES
from tables import FIELD, LINE, NULL, Table, compiled, resource_tables

_WORKERS = 8
_AHEAD = 12
"""Lists asked for before the first of them is stored."""
_BUFFER = 2_000
"""Rows of a table that go into one COPY, at least."""

_ESCAPES = ((b"\\", rb"\\"), (b"\t", rb"\t"), (b"\n", rb"\n"), (b"\r", rb"\r"), (NULL.encode(), rb"\N"))
_SEPARATORS = bytes.maketrans((FIELD + LINE).encode(), b"\t\n")


class Database(Protocol):
    """Where to."""

    lines: bool
    """Whether it takes rows as text."""

    def since(self) -> str | None:
        """What the last run remembered."""

    def write(self, tables: Sequence[Table], rows: dict[str, list[Any]], *, fresh: bool) -> None:
        """Store rows of a resource's tables."""

    def projects(self) -> list[int]:
        """Ids of the projects stored."""

    def finish(self, since: str) -> None:
        """Remember, and commit."""


class Postgres:
    """COPY, into the tables or by way of temporary ones.

    Args:
        url: As libpq takes it.
    """

    lines = True

    def __init__(self, url: str) -> None:
        import psycopg  # noqa: PLC0415 - a run to SQLite needs none

        self._tables = {table.name: table for table in _all_tables()}
        self._waiting: dict[str, list[str]] = {name: [] for name in self._tables}
        self._connection = psycopg.connect(url)
        for table in _all_tables():
            self._connection.execute(table.create("postgresql"))
        self._connection.execute("create table if not exists mark (since text)")

    def since(self) -> str | None:
        """What the last run remembered."""
        row = self._connection.execute("select max(since) from mark").fetchone()
        return row[0] if row else None

    def projects(self) -> list[int]:
        """Ids of the projects stored."""
        self._flush_all()
        return [row[0] for row in self._connection.execute("select id from projects")]

    def write(self, tables: Sequence[Table], rows: dict[str, list[Any]], *, fresh: bool) -> None:
        """Store rows of a resource's tables."""
        for table in tables:
            waiting = self._waiting[table.name]
            waiting += rows[table.name]
            if len(waiting) >= _BUFFER:
                self._flush(table, fresh=fresh)

    def _flush_all(self) -> None:
        fresh = self.since() is None
        for name, waiting in self._waiting.items():
            if waiting:
                self._flush(self._tables[name], fresh=fresh)

    def _flush(self, table: Table, *, fresh: bool) -> None:
        lines, self._waiting[table.name] = self._waiting[table.name], []
        if fresh:
            self._copy(table.name, table, lines)
            return
        execute = self._connection.execute
        execute(f"create temp table if not exists new_{table.name} (like {table.name})")
        self._copy(f"new_{table.name}", table, lines)
        if table.array:
            execute(f"delete from {table.name} where parent_id in (select parent_id from new_{table.name})")
        changed = ", ".join(f"{name} = excluded.{name}" for name in table.names if name not in table.key)
        execute(
            f"insert into {table.name} select * from new_{table.name} "
            f"on conflict ({', '.join(table.key)}) do update set {changed}"
        )
        execute(f"truncate new_{table.name}")

    def _copy(self, target: str, table: Table, lines: list[str]) -> None:
        with self._connection.cursor().copy(f"copy {target} ({', '.join(table.names)}) from stdin") as copy:
            copy.write(_escaped(lines))

    def finish(self, since: str) -> None:
        """Write what waits, remember, and commit."""
        self._flush_all()
        self._connection.execute("insert into mark values (%s)", (since,))
        self._connection.commit()
        self._connection.close()


def _escaped(lines: list[str]) -> bytes:
    """Rows of text as COPY reads them."""
    text = LINE.join(lines).encode()
    for plain, escaped in _ESCAPES:
        text = text.replace(plain, escaped)
    return text.translate(_SEPARATORS) + b"\n"


class Sqlite:
    """executemany in one transaction.

    Args:
        path: The file.
    """

    lines = False

    def __init__(self, path: str) -> None:
        self._waiting: dict[str, tuple[Table, list[Any]]] = {}
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.execute("begin")
        for table in _all_tables():
            self._connection.execute(table.create("sqlite"))
        self._connection.execute("create table if not exists mark (since text)")

    def since(self) -> str | None:
        """What the last run remembered."""
        since: str | None = self._connection.execute("select max(since) from mark").fetchone()[0]
        return since

    def projects(self) -> list[int]:
        """Ids of the projects stored."""
        self._flush()
        return [row[0] for row in self._connection.execute("select id from projects")]

    def write(self, tables: Sequence[Table], rows: dict[str, list[Any]], *, fresh: bool) -> None:
        """Store rows of a resource's tables; those that may stand already, all at once in the end."""
        for table in tables:
            if fresh:
                self._insert(table, rows[table.name])
            else:
                self._waiting.setdefault(table.name, (table, []))[1].extend(rows[table.name])

    def _insert(self, table: Table, rows: list[Any]) -> None:
        marks = ", ".join("?" * len(table.names))
        self._connection.executemany(f"insert or replace into {table.name} values ({marks})", rows)

    def _flush(self) -> None:
        for table, rows in self._waiting.values():
            if table.array:
                parents = _dumps(list({row[1] for row in rows}))
                gone = f"delete from {table.name} where parent_id in (select value from json_each(?))"
                self._connection.execute(gone, (parents,))
            self._insert(table, rows)
        self._waiting.clear()

    def finish(self, since: str) -> None:
        """Write what waits, remember, and commit."""
        self._flush()
        self._connection.execute("insert into mark values (?)", (since,))
        self._connection.execute("commit")
        self._connection.close()


def _all_tables() -> Iterator[Table]:
    for table in resource_tables().values():
        yield table
        yield from table.children


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


class Floor:
    """Reads and writes everything that changed.

    Args:
        http: With the token in its headers.
        database: Where to.
    """

    def __init__(self, http: httpx.Client, database: Database) -> None:
        self._http = http
        self._database = database
        self._tables = resource_tables()
        self._shapes = {name: compiled(table, _dumps, lines=database.lines) for name, table in self._tables.items()}

    def run(self) -> None:
        """Do it once."""
        since = self._database.since()
        first = self._get(f"/rest/v1.0/companies/{COMPANY}/projects", {}, since)
        self._store("projects", 0, self._pages(first), fresh=since is None)
        lists = ((resource, project) for project in self._database.projects() for resource in RESOURCES)
        with ThreadPoolExecutor(_WORKERS) as pool:
            ahead: deque[tuple[str, int, Future[httpx.Response]]] = deque()
            for resource, project in lists:
                path = RESOURCES[resource]
                params = {} if "{" in path else {"project_id": str(project)}
                future = pool.submit(self._get, path.format(project_id=project), params, since)
                ahead.append((resource, project, future))
                if len(ahead) >= _AHEAD:
                    self._next(ahead, since)
            while ahead:
                self._next(ahead, since)
        self._database.finish(parsedate_to_datetime(first.headers["date"]).strftime("%Y-%m-%dT%H:%M:%SZ"))

    def _next(self, ahead: deque[tuple[str, int, Future[httpx.Response]]], since: str | None) -> None:
        resource, project, future = ahead.popleft()
        self._store(resource, project, self._pages(future.result()), fresh=since is None)

    def _get(self, path: str, params: dict[str, str], since: str | None) -> httpx.Response:
        if since:
            params = {**params, "filters[updated_at]": f"{since}...2099-01-01T00:00:00Z"}
        return self._http.get(path, params={**params, "per_page": "2000"})

    def _pages(self, response: httpx.Response) -> Iterator[bytes]:
        while True:
            yield response.content
            following = response.links.get("next", {}).get("url")
            if not following:
                return
            response = self._http.get(following)

    def _store(self, resource: str, project: int, pages: Iterator[bytes], *, fresh: bool) -> None:
        table = self._tables[resource]
        for page in pages:
            records = orjson.loads(page)
            if records:
                rows = self._shapes[resource](records, project)
                self._database.write((table, *table.children), rows, fresh=fresh)


def main() -> None:
    """Run once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("api")
    parser.add_argument("database")
    args = parser.parse_args()
    headers = {"Procore-Company-Id": str(COMPANY), "Authorization": "Bearer benchmark"}
    database: Database
    if args.database.startswith("sqlite:///"):
        database = Sqlite(args.database.removeprefix("sqlite:///"))
    else:
        database = Postgres(args.database.replace("+psycopg", ""))
    with httpx.Client(base_url=args.api, headers=headers, timeout=60) as http:
        Floor(http, database).run()


if __name__ == "__main__":
    main()
