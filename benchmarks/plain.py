"""A peer: the script that a person writes with httpx and SQLAlchemy, one list after the other, with upserts.

It is written with care, not tuned: records are parsed, shaped by straight code, and upserted page by page; change
times are remembered per list, so that the next run asks for changes only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import sqlalchemy as sa
from dataset import COMPANY, RESOURCES
from sqlalchemy.dialects import postgresql, sqlite
from tables import Row, Table, compiled, resource_tables

_TYPES: dict[str, Any] = {
    "bigint": sa.BigInteger,
    "double": sa.Float,
    "boolean": sa.Boolean,
    "timestamp": sa.DateTime(timezone=True),
    "date": sa.Date,
    "text": sa.Text,
    "json": sa.Text().with_variant(postgresql.JSONB(), "postgresql"),
}


class Script:
    """Reads every list and keeps the tables as it says.

    Args:
        http: With the token in its headers.
        engine: Where to.
    """

    def __init__(self, http: httpx.Client, engine: sa.Engine) -> None:
        self._http = http
        self._engine = engine
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
        self._metadata = sa.MetaData()
        self._marks = sa.Table(
            "watermarks",
            self._metadata,
            sa.Column("list", sa.Text, primary_key=True),
            sa.Column("changed_until", sa.Text),
        )
        self._layouts = resource_tables()
        self._tables: dict[str, sa.Table] = {}
        for layout in self._layouts.values():
            for one in (layout, *layout.children):
                self._tables[one.name] = self._table(one)
        dumps = json.dumps if engine.dialect.name == "sqlite" else lambda value: value
        self._shapes = {name: compiled(layout, dumps) for name, layout in self._layouts.items()}
        self._metadata.create_all(engine)

    def _table(self, layout: Table) -> sa.Table:
        columns = [
            sa.Column(name, _TYPES[kind], primary_key=name in layout.key, autoincrement=False)
            for name, kind in zip(layout.names, layout.types, strict=True)
        ]
        return sa.Table(layout.name, self._metadata, *columns)

    def run(self) -> None:
        """Read what changed since the last run."""
        self._sync("projects", 0, f"/rest/v1.0/companies/{COMPANY}/projects", {})
        with self._engine.connect() as connection:
            projects = connection.scalars(sa.select(self._tables["projects"].c.id)).all()
        for project in projects:
            for resource, path in RESOURCES.items():
                params = {} if "{" in path else {"project_id": str(project)}
                self._sync(resource, project, path.format(project_id=project), params)

    def _sync(self, resource: str, project: int, path: str, params: dict[str, str]) -> None:
        mark = f"{resource}/{project}"
        with self._engine.connect() as connection:
            query = sa.select(self._marks.c.changed_until).where(self._marks.c.list == mark)
            since = connection.scalar(query)
        if since:
            params = {**params, "filters[updated_at]": f"{since}...2099-01-01T00:00:00Z"}
        for started, records in self._pages(path, params):
            with self._engine.begin() as connection:
                if records:
                    self._store(connection, resource, project, records)
                self._upsert(connection, self._marks, [{"list": mark, "changed_until": started}], ["list"])

    def _pages(self, path: str, params: dict[str, str]) -> Iterator[tuple[str, list[Any]]]:
        url, query = path, {**params, "per_page": "1000"}
        started = None
        while url:
            response = self._http.get(url, params=query)
            response.raise_for_status()
            if started is None:
                started = parsedate_to_datetime(response.headers["date"]).strftime("%Y-%m-%dT%H:%M:%SZ")
            yield started, response.json()
            url, query = response.links.get("next", {}).get("url", ""), None  # type: ignore[assignment]

    def _store(self, connection: sa.Connection, resource: str, project: int, records: list[Any]) -> None:
        layout = self._layouts[resource]
        rows = self._shapes[resource](records, project)
        ids = [record["id"] for record in records]
        for child in layout.children:
            table = self._tables[child.name]
            gone = sa.delete(table).where(table.c.project_id == project, table.c.parent_id.in_(ids))
            connection.execute(gone)
        for one in (layout, *layout.children):
            if rows[one.name]:
                values = [self._row(one, row) for row in rows[one.name]]
                self._upsert(connection, self._tables[one.name], values, one.key)

    def _row(self, layout: Table, row: Row) -> dict[str, Any]:
        return {name: _parsed(kind, value) for name, kind, value in zip(layout.names, layout.types, row, strict=True)}

    def _upsert(
        self, connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]], key: Sequence[str]
    ) -> None:
        statement = self._insert(table)
        changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
        connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changed), rows)


def _parsed(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "timestamp":
        return datetime.fromisoformat(value).astimezone(UTC)
    return date.fromisoformat(value) if kind == "date" else value


def main() -> None:
    """Run once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("api")
    parser.add_argument("database")
    args = parser.parse_args()
    headers = {"Procore-Company-Id": str(COMPANY)}
    with httpx.Client(base_url=args.api, headers=headers, timeout=60) as http:
        form = {"grant_type": "client_credentials", "client_id": "demo", "client_secret": "demo"}
        token = http.post("/oauth/token", data=form).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        engine = sa.create_engine(args.database)
        Script(http, engine).run()
        engine.dispose()


if __name__ == "__main__":
    main()
