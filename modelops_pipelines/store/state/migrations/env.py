"""Alembic's entry: it runs on the connection that run.py gives it, never on one of its own."""

from alembic import context

from modelops_pipelines.store.state.sql_tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
