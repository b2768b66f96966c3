"""Deferring a job takes one round trip."""

from alembic import op

from ferryman.kit.jobs import DEFERRING

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_bind().connection.cursor().execute(DEFERRING.encode())
