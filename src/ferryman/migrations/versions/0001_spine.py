"""The spine: plans, customers, orders, payments, inboxes, ledger, subscriptions, nodes, keys, notices, jobs."""

from importlib import resources

from alembic import op

from ferryman.kit.jobs import engine_schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A driver connection takes several statements at once, and leaves percent signs and colons alone.
    cursor = op.get_bind().connection.cursor()
    for script in ("0001_tables.sql", "0001_rules.sql"):
        cursor.execute((resources.files("ferryman") / "migrations" / "versions" / script).read_bytes())
    cursor.execute(engine_schema())
