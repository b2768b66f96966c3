"""A process with one emulated panel full of clients: `python crowd.py CLIENTS` prints its address when it serves.

It is apart so that what the panel costs is not taken for what the product costs.
"""

import asyncio
import json
import sys
from functools import partial

import aiohttp
from aiohttp import web

from ferryman_sandbox.emulator import serve
from ferryman_sandbox.store import Store
from ferryman_sandbox.xui import XuiEmulator, vless_reality
from ferryman_sandbox.xui.traffic import tick, use

TOKEN = "crowd-token"
AT_ONCE = 500


def client(number: int) -> dict[str, object]:
    """The same numbers give the same clients, here and in the database of the benchmark."""
    return {
        "email": f"fm-crowd{number:05}",
        "id": f"00000000-0000-4000-8000-{number:012}",
        "password": f"password-{number}",
        "subId": f"sub-{number:012}",
        "enable": True,
        "totalGB": 10**15,
        "expiryTime": 1893456000000,
        "limitIp": 3,
    }


async def move(emulator: XuiEmulator, _: web.Request) -> web.Response:
    """Every client uses some traffic, and the panel counts it."""
    for email in emulator.panel.core.loaded_emails():
        use(emulator.panel, email, 1000, 9000)
    tick(emulator.panel)
    return web.json_response({})


async def main(clients: int) -> None:
    emulator = XuiEmulator(Store(":memory:"), version="3.6.0", api_token=TOKEN, inbounds=[vless_reality()])
    emulator.app.router.add_post("/__emu/crowd", partial(move, emulator))
    server = await serve(emulator.app)
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for start in range(0, clients, AT_ONCE):
            rows = [{"client": client(n), "inboundIds": [1]} for n in range(start, min(start + AT_ONCE, clients))]
            async with http.post(f"{server.url}/panel/api/clients/bulkCreate", json=rows) as answer:
                assert (await answer.json())["success"], await answer.text()
    print(json.dumps({"url": f"{server.url}/"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
