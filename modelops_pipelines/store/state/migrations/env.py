"""Alembic's entry point. It uses the connection from ``run.py``."""

from alembic import context

from modelops_pipelines.store.state.sql_tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
