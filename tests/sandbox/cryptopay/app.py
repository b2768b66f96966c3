"""An app of Crypto Pay that speaks to the emulator over HTTP as a shop would."""

from typing import Any

from tests.sandbox.outside import Outside

TOKEN = "12345:AAtoken"


class App(Outside):
    async def call(self, method: str, token: str = TOKEN, **given: Any) -> tuple[int, Any]:
        headers = {"Crypto-Pay-API-Token": token}
        async with self.http.post(f"{self.url}/api/{method}", json=given, headers=headers) as answer:
            return answer.status, await answer.json()

    async def create(self, **changes: Any) -> dict[str, Any]:
        given = {"currency_type": "fiat", "fiat": "RUB", "amount": "199", "description": "30 days", "payload": "8f2a"}
        status, envelope = await self.call("createInvoice", **(given | changes))
        assert status == 200 and envelope["ok"], envelope
        found: dict[str, Any] = envelope["result"]
        return found

    async def listed(self, **given: Any) -> list[dict[str, Any]]:
        status, envelope = await self.call("getInvoices", **given)
        assert status == 200, envelope
        found: list[dict[str, Any]] = envelope["result"]["items"]
        return found
