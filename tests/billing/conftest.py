"""Empty books in a database of their own."""

import pytest

from ferryman.kit.db import Database
from tests.billing.books import Books


@pytest.fixture
async def books(database: Database) -> Books:
    return await Books.open(database)
