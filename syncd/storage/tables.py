"""syncd's own tables. Alembic makes them (`migrations/`); a test proves that both agree.

The synced tables are not here: they are made from the catalog by `syncd.storage.schema`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect

metadata = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware UTC in Python, `timestamptz` in PostgreSQL, naive UTC text in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_Serial = BigInteger().with_variant(Integer(), "sqlite")

runs = Table(
    "syncd_runs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("job", Text, nullable=False),
    Column("job_type", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("resumes", String(36)),  # the first of the interrupted runs that it goes on with
    Column("status", Text, nullable=False),  # running | ok | partial | failed | skipped
    Column("due_at", UtcDateTime),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("heartbeat_at", UtcDateTime),
    Column("host", Text),
    Column("pid", Integer),
    Column("requests", Integer),
    Column("quota_wait_seconds", Float),
    Column("rows_read", BigInteger),
    Column("rows_inserted", BigInteger),
    Column("rows_updated", BigInteger),
    Column("rows_unchanged", BigInteger),
    Column("rows_deleted", BigInteger),
    Column("rows_rejected", BigInteger),
    Column("exit_code", Integer),
    Column("error", Text),
    Column("remedy", Text),
    Index("syncd_runs_job", "job", "started_at"),
)

run_resources = Table(
    "syncd_run_resources",
    metadata,
    Column("run_id", String(36), ForeignKey("syncd_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("partitions", Integer, nullable=False),
    Column("rows_read", BigInteger, nullable=False),
    Column("rows_inserted", BigInteger, nullable=False),
    Column("rows_updated", BigInteger, nullable=False),
    Column("rows_unchanged", BigInteger, nullable=False),
    Column("rows_deleted", BigInteger, nullable=False),
    Column("rows_rejected", BigInteger, nullable=False),
    Column("error", Text),
)

partitions = Table(
    "syncd_partitions",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("principal", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("company_id", BigInteger, nullable=False),
    Column("project_id", BigInteger, nullable=False),  # 0 where there is none: part of a unique key
    Column("parent", Text, nullable=False),  # "rfi_id=5", empty where there is none
    Column("status", Text),  # ok | partial | failed, of the last listing
    Column("mode", Text),  # full | incremental
    Column("api_total", BigInteger),
    Column("seen", BigInteger),
    Column("stored", BigInteger),
    Column("rejected", BigInteger),
    Column("standing", BigInteger, nullable=False, server_default="0"),  # rows without tombstone that it sees, now
    Column("note", Text),
    Column("checked_at", UtcDateTime),
    Column("run_id", String(36)),
    UniqueConstraint("principal", "resource", "company_id", "project_id", "parent", name="syncd_partitions_scope"),
)

cursors = Table(
    "syncd_cursors",
    metadata,
    Column("partition_id", _Serial, ForeignKey("syncd_partitions.id", ondelete="CASCADE"), primary_key=True),
    Column("watermark", UtcDateTime),
    Column("full_at", UtcDateTime),
    Column("full_run_id", String(36)),  # whose listing that was; of runs that went on with each other the first
    Column("state", Text, nullable=False),
    Column("run_id", String(36)),
    Column("updated_at", UtcDateTime, nullable=False),
)

sightings = Table(
    "syncd_sightings",
    metadata,
    Column("partition_id", _Serial, ForeignKey("syncd_partitions.id", ondelete="CASCADE"), primary_key=True),
    Column("record_key", Text, primary_key=True),  # JSON array of the key's values
)

rejects = Table(
    "syncd_rejects",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("run_id", String(36), nullable=False),
    Column("principal", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("company_id", BigInteger, nullable=False),
    Column("project_id", BigInteger, nullable=False),
    Column("parent", Text, nullable=False),
    Column("record_key", Text),
    Column("fingerprint", String(32), nullable=False),  # the same record is kept once, with its last run
    Column("reason", Text, nullable=False),
    Column("record", Text, nullable=False),  # JSON
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    UniqueConstraint(
        "principal", "resource", "company_id", "project_id", "parent", "fingerprint", name="syncd_rejects_once"
    ),
)

refusals = Table(
    "syncd_refusals",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("company_id", BigInteger, primary_key=True, autoincrement=False),
    Column("project_id", BigInteger, primary_key=True, autoincrement=False),
    Column("parent", Text, primary_key=True),
    Column("status", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("times", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("probe_at", UtcDateTime, nullable=False),
)

schema_changes = Table(
    "syncd_schema_changes",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("resource", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("column_name", Text, nullable=False),  # empty for a table
    Column("path", Text, nullable=False),  # JSON array: where the field stands in a record
    Column("type", Text, nullable=False),
    Column("label", Text),  # of a custom field, when it was named
    Column("run_id", String(36)),
    Column("changed_at", UtcDateTime, nullable=False),
    UniqueConstraint("resource", "path", name="syncd_schema_changes_path"),
)

locks = Table(
    "syncd_locks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),  # empty when released
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("world", Text, nullable=False),  # boot and process namespace that the pid belongs to; empty if unknown
    Column("started", Text, nullable=False),  # start of the process, ticks since the boot; empty if unknown
    Column("fence", BigInteger, nullable=False),
    Column("acquired_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

claims = Table(
    "syncd_claims",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("company_id", BigInteger, primary_key=True, autoincrement=False),
    Column("resource", Text, primary_key=True),
    Column("lease", Text, nullable=False),  # name and fence of the run's lease: the claim stands as long as it does
    Column("fence", BigInteger, nullable=False),
)

tokens = Table(
    "syncd_tokens",
    metadata,
    Column("label", Text, primary_key=True),
    Column("environment", Text, primary_key=True),  # the login URL: tokens never cross environments
    Column("client_id", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # encrypted: access and refresh token
    Column("generation", BigInteger, nullable=False),  # grows with every pair
    Column("state", Text, nullable=False),  # ok | consent needed
    Column("reason", Text),
    Column("login", Text),
    Column("procore_user_id", BigInteger),
    Column("company_id", BigInteger),
    Column("redirect_uri", Text, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("consented_at", UtcDateTime, nullable=False),
    Column("refreshed_at", UtcDateTime),
    Column("intent_at", UtcDateTime),  # an exchange may have happened since; null when its answer is stored
    Column("intent_generation", BigInteger),
    Column("intent_tries", Integer, nullable=False),
)

token_failures = Table(
    "syncd_token_failures",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("error", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("times", Integer, nullable=False),
)

quota = Table(
    "syncd_quota",
    metadata,
    Column("client", String(64), primary_key=True),  # digest of login URL and client id
    Column("state", Text, nullable=False),  # JSON: both windows, as the processes of this client agree on them
    Column("updated_at", UtcDateTime, nullable=False),
)

requests = Table(
    "syncd_requests",
    metadata,
    Column("client", String(64), primary_key=True),
    Column("hour", UtcDateTime, primary_key=True),  # start of the hour
    Column("status", Integer, primary_key=True, autoincrement=False),  # 0: no answer came
    Column("observation", Text, primary_key=True),  # "", missing_company, deprecated, private
    Column("count", Integer, nullable=False),
)

incidents = Table(
    "syncd_incidents",
    metadata,
    Column("key", Text, primary_key=True),  # "failure:field", "stale:rfis", "consent:alice"
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("notified_at", UtcDateTime),
    Column("closed_at", UtcDateTime),
)

meta = Table(
    "syncd_meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("sealed", Boolean, nullable=False, default=False),
)
