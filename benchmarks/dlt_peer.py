"""A peer: dlt with its rest_api source, tuned as its documentation says.

Lists are read side by side, intermediate files are not compressed, two processes normalise, and PostgreSQL is loaded
from CSV files, by COPY, and upserts. Parquet files (by ADBC) and ten times larger buffers were no faster.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import dlt
from dataset import COMPANY, RESOURCES
from dlt.destinations import postgres, sqlalchemy
from dlt.sources.rest_api import rest_api_source

_SETTINGS = {
    "EXTRACT__WORKERS": "8",
    "NORMALIZE__WORKERS": "2",
    "LOAD__WORKERS": "4",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "5000",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
}


def _since(value: str) -> str:
    return f"{value}...2099-01-01T00:00:00Z"


def _changes() -> dict[str, Any]:
    cursor = {"cursor_path": "updated_at", "initial_value": "1970-01-01T00:00:00Z", "convert": _since}
    return {"type": "incremental", **cursor}


def _listing(name: str, path: str) -> dict[str, Any]:
    project = "{resources.projects.id}"
    params: dict[str, Any] = {"per_page": 1000, "filters[updated_at]": _changes()}
    if "{project_id}" not in path:
        params["project_id"] = project
    path = path.lstrip("/").replace("{project_id}", project)
    return {"name": name, "parallelized": True, "endpoint": {"path": path, "params": params}}


def source(api: str, strategy: str) -> Any:
    """All lists of the data set, their records merged into what is there."""
    projects = {
        "name": "projects",
        "endpoint": {"path": f"rest/v1.0/companies/{COMPANY}/projects", "params": {"per_page": 1000}},
    }
    return rest_api_source(
        {
            "client": {
                "base_url": api,
                "auth": {"type": "bearer", "token": "benchmark"},
                "headers": {"Procore-Company-Id": str(COMPANY)},
                "paginator": "header_link",
            },
            "resource_defaults": {
                "primary_key": "id",
                "write_disposition": {"disposition": "merge", "strategy": strategy},
            },
            "resources": [projects, *(_listing(*one) for one in RESOURCES.items())],
        }
    )


def _destination(url: str) -> Any:
    """Where to; of a server's socket the folder stands as the host, and a password that trust does not ask for."""
    if url.startswith("sqlite"):
        return sqlalchemy(url, engine_kwargs={"connect_args": {"timeout": 60}})
    parts = urlsplit(url)
    folder = parse_qs(parts.query)["host"][0]
    return postgres(f"postgresql://{parts.username}:unused@{quote(folder, safe='')}{parts.path}")


def main() -> None:
    """Run once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("api")
    parser.add_argument("database")
    args = parser.parse_args()
    lite = args.database.startswith("sqlite")
    os.environ.update(_SETTINGS | ({"LOAD__WORKERS": "1"} if lite else {}))  # SQLite has one writer
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        pipelines_dir=str(Path.cwd() / "dlt"),
        destination=_destination(args.database),
        dataset_name="main" if lite else "bench",
    )
    lists = source(args.api, "delete-insert" if lite else "upsert")  # SQLite's destination has no upserts
    pipeline.run(lists, loader_file_format=None if lite else "csv").raise_on_failed_jobs()


if __name__ == "__main__":
    main()
