"""The fleet: locations, what a node is for beside how it does, keys that are to go, tombstones, traffic, history."""

from importlib import resources

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script = resources.files("ferryman") / "migrations" / "versions" / "0002_fleet.sql"
    op.get_bind().connection.cursor().execute(script.read_bytes())
