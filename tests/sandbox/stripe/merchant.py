"""A merchant that speaks to the emulator over HTTP."""

import uuid
from typing import Any

from tests.sandbox.outside import Outside

KEY, SECRET = "sk_test_merchant", "whsec_merchant"
Json = dict[str, Any]


def order(**changes: str) -> dict[str, str]:
    """A form that makes a session; names may carry brackets; a change to "" removes the field."""
    item = "line_items[0]"
    form = {
        "mode": "payment",
        "success_url": "http://127.0.0.1/back",
        "client_reference_id": "8f2a",
        f"{item}[quantity]": "1",
        f"{item}[price_data][currency]": "eur",
        f"{item}[price_data][unit_amount]": "19900",
        f"{item}[price_data][product_data][name]": "30 days <b>for</b> you",
        "payment_intent_data[metadata][payment_id]": "8f2a",
    }
    return {name: value for name, value in (form | changes).items() if value}


class Merchant(Outside):
    async def post(self, path: str, form: dict[str, str], idempotency: str = "", key: str = KEY) -> tuple[int, Json]:
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": idempotency or str(uuid.uuid4())}
        async with self.http.post(f"{self.url}/v1{path}", data=form, headers=headers) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str, **query: str) -> tuple[int, Json]:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with self.http.get(f"{self.url}/v1{path}", params=query, headers=headers) as answer:
            return answer.status, await answer.json()

    async def session(self, **changes: str) -> Json:
        status, session = await self.post("/checkout/sessions", order(**changes))
        assert status == 200, session
        return session

    async def paid(self, **changes: str) -> Json:
        session = await self.session(**changes)
        status, body = await self.emu(f"payments/{session['id']}/pay")
        assert status == 200, body
        found: Json = body
        return found
