"""Money: ways to pay, prices, refunds, renewals, what was found at the banks, and time that nobody paid for."""

from importlib import resources

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCRIPTS = ("0004_money.sql", "0004_prices.sql", "0004_refunds.sql", "0004_renewals.sql")


def upgrade() -> None:
    folder = resources.files("ferryman") / "migrations" / "versions"
    cursor = op.get_bind().connection.cursor()
    for script in SCRIPTS:
        if (folder / script).is_file():
            cursor.execute((folder / script).read_bytes())
