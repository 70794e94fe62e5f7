"""Alembic's environment: the connection is given by `syncd.storage.migrate`; there is no alembic.ini."""

from alembic import context

from syncd.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="syncd_alembic_version",
    include_name=lambda name, kind, _: kind != "table" or (name or "") in metadata.tables,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
