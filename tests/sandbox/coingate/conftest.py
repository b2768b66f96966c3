from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from ferryman_sandbox.coingate import CoinGateEmulator
from ferryman_sandbox.store import Store
from tests.sandbox.outside import Ear, Json, Outside, standing

TOKEN = "token-of-the-till"


@dataclass
class Till(Outside):
    """A shop that speaks to the emulator over HTTP. `status, body` of each call."""

    hook: str = ""
    token: str = TOKEN
    base: str = "/v2"

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Token {self.token}"} | options.pop("headers", {})
        async with self.http.request(method, self.url + self.base + path, headers=headers, **options) as answer:
            return answer.status, await answer.json()

    def wish(self, **changes: Any) -> Json:
        """A body that the API accepts; a change to None removes the field."""
        body: Json = {
            "order_id": "8f2a",
            "price_amount": "10.00",
            "price_currency": "EUR",
            "title": "VPN 30 days",
            "description": "One month, three places",
            "callback_url": self.hook,
            "success_url": "http://127.0.0.1/back",
            "token": "ours",
        }
        return {name: value for name, value in (body | changes).items() if value is not None}

    async def create(self, **changes: Any) -> Json:
        status, order = await self.call("POST", "/orders", data=self.wish(**changes))
        assert status == 200, order
        return dict(order)

    async def order(self, id_: int) -> Json:
        status, order = await self.call("GET", f"/orders/{id_}")
        assert status == 200, order
        return dict(order)


@pytest.fixture
async def till(ear: Ear) -> AsyncIterator[Till]:
    async with standing(CoinGateEmulator(Store(":memory:"), token=TOKEN)) as (url, http):
        yield Till(url, http, ear.url)
