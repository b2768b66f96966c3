import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from ferryman_sandbox.heleket import HeleketEmulator
from ferryman_sandbox.store import Store
from tests.sandbox.outside import Ear, Json, Outside, standing

MERCHANT, KEY = "8b03432e-385b-4670-8d06-064591096795", "key-of-the-till"


def md5(body: bytes, key: str = KEY) -> str:
    return hashlib.md5(base64.b64encode(body) + key.encode(), usedforsecurity=False).hexdigest()


def verified(raw: str) -> Json:
    """What a webhook says, its signature checked the way the service's manual has it: over the text without it."""
    head, _, rest = raw.partition(',"sign":"')
    assert rest.endswith('"}')
    assert rest[:-2] == md5((head + "}").encode())
    return dict(json.loads(raw))


@dataclass
class Till(Outside):
    """A shop that speaks to the emulator over HTTP. `status, body` of each call."""

    hook: str = ""

    async def call(self, path: str, body: Any, **options: Any) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"merchant": MERCHANT, "sign": md5(raw)} | options.pop("headers", {})
        async with self.http.post(self.url + "/v1" + path, data=raw, headers=headers, **options) as answer:
            return answer.status, await answer.json()

    def wish(self, **changes: Any) -> Json:
        """A body that the API accepts; a change to None removes the field."""
        body: Json = {
            "amount": "10.00",
            "currency": "EUR",
            "order_id": "8f2a",
            "url_callback": self.hook,
            "url_success": "http://127.0.0.1/back",
            "additional_data": "30 days <b>for</b> you",
        }
        return {name: value for name, value in (body | changes).items() if value is not None}

    async def create(self, **changes: Any) -> Json:
        status, answer = await self.call("/payment", self.wish(**changes))
        assert (status, answer["state"]) == (200, 0), answer
        return dict(answer["result"])

    async def info(self, uuid: str) -> Json:
        status, answer = await self.call("/payment/info", {"uuid": uuid})
        assert status == 200, answer
        return dict(answer["result"])


@pytest.fixture
async def till(ear: Ear) -> AsyncIterator[Till]:
    async with standing(HeleketEmulator(Store(":memory:"), merchant=MERCHANT, payment_key=KEY)) as (url, http):
        yield Till(url, http, ear.url)
