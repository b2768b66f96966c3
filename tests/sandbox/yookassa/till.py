"""A till that speaks to the emulator over HTTP as a shop would."""

import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.sandbox.outside import Ear, Outside

SHOP_ID, SECRET = "100500", "test_till"
Json = dict[str, Any]


def order(**changes: Any) -> Json:
    """A body for `POST /payments` that the API accepts; a change to None removes the field."""
    body: Json = {
        "amount": {"value": "199.00", "currency": "RUB"},
        "capture": True,
        "confirmation": {"type": "redirect", "return_url": "http://127.0.0.1/back"},
        "description": "VPN 30 days",
        "metadata": {"payment_id": "8f2a"},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def basic(login: str, password: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(login, password)}


@dataclass
class Till(Outside):
    """`status, body` of each call; POSTs carry a fresh key unless one is given."""

    auth: dict[str, str] = field(default_factory=lambda: basic(SHOP_ID, SECRET))

    async def post(self, path: str, body: Any = None, key: str | None = "", **options: Any) -> tuple[int, Json]:
        headers = {} if key is None else {"Idempotence-Key": key or str(uuid.uuid4())}
        return await self._call("POST", f"/v3{path}", json={} if body is None else body, headers=headers, **options)

    async def get(self, path: str, **query: str) -> tuple[int, Json]:
        return await self._call("GET", f"/v3{path}", params=query)

    async def create(self, **changes: Any) -> Json:
        status, payment = await self.post("/payments", order(**changes))
        assert status == 200, payment
        return payment

    async def read(self, id_: str) -> Json:
        status, payment = await self.get(f"/payments/{id_}")
        assert status == 200, payment
        return payment

    async def paid(self, **changes: Any) -> Json:
        payment = await self.create(**changes)
        status, body = await self.emu(f"payments/{payment['id']}/pay")
        assert status == 200, body
        return body

    async def _call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        headers = self.auth | options.pop("headers", {})
        async with self.http.request(method, self.url + path, headers=headers, **options) as response:
            return response.status, await response.json(content_type=None)


def events(ear: Ear) -> list[str]:
    return [note["event"] for note in ear.heard]
