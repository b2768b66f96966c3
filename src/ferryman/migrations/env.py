"""Alembic's entry: runs on the connection that `kit.migrate` hands over."""

from alembic import context

from ferryman.kit.db import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
