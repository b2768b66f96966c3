"""The emulator seen from outside, with one bot's token and another's."""

from dataclasses import dataclass
from typing import Any

import aiohttp

from ferryman_sandbox.emulator import Server

TOKEN = "123456:AAF-first_token-of-the-sandbox-00000"
OTHER_TOKEN = "654321:AAF-other_token-of-the-sandbox-00000"


@dataclass
class Phone:
    """The emulator seen from outside: raw calls of the Bot API, and what people and experimenters can do."""

    server: Server
    http: aiohttp.ClientSession

    async def api(self, method: str, token: str = TOKEN, **fields: Any) -> dict[str, Any]:
        """A call with a JSON body; the whole envelope."""
        async with self.http.post(f"{self.server.url}/bot{token}/{method}", json=fields) as answer:
            body: dict[str, Any] = await answer.json()
            assert answer.status == (200 if body["ok"] else body["error_code"])
            return body

    async def ok(self, method: str, **fields: Any) -> Any:
        """The result of a call that must succeed."""
        answer = await self.api(method, **fields)
        assert answer["ok"], answer
        return answer["result"]

    async def emu(self, path: str, body: Any = None) -> Any:
        """A control call: POST with a body, GET without; raises AssertionError unless it is answered 200."""
        verb = "GET" if body is None else "POST"
        async with self.http.request(verb, f"{self.server.url}/__emu/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def refused(self, path: str, body: Any) -> str:
        """The sentence with which a control call is refused."""
        async with self.http.post(f"{self.server.url}/__emu/{path}", json=body) as answer:
            assert answer.status == 400
            return str((await answer.json())["error"])

    async def new_person(self, **wish: Any) -> int:
        person = await self.emu("users", {"first_name": "Ann", "username": "ann", "language_code": "ru", **wish})
        return int(person["id"])

    async def started(self, **wish: Any) -> int:
        """A person who has pressed Start, with that update already taken from the queue."""
        user = await self.new_person(**wish)
        await self.emu(f"users/{user}/start", {})
        await self.updates()
        return user

    async def updates(self, **fields: Any) -> list[dict[str, Any]]:
        """Everything that waits for the first bot, confirmed at once."""
        waiting: list[dict[str, Any]] = (await self.api("getUpdates", **fields))["result"]
        if waiting:
            await self.api("getUpdates", offset=waiting[-1]["update_id"] + 1, limit=1)
        return waiting

    async def chat(self, user: int) -> dict[str, Any]:
        view: dict[str, Any] = await self.emu(f"users/{user}/chat")
        return view

    async def push_clock(self, seconds: float) -> None:
        await self.emu("clock", {"advance": seconds})
