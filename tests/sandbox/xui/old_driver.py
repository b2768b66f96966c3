"""The dialect of panels before 3.1: clients go in and out through the settings of their inbound."""

import json
import secrets
import uuid
from typing import Any
from urllib.parse import quote

from tests.sandbox.xui.driver import Answer, Document, PanelDriver

NESTED = ("settings", "streamSettings", "sniffing")


class OldDriver(PanelDriver):
    """`ids` are the inbounds made for this test, each with a client of its own so that others may be deleted."""

    @property
    def server(self) -> str:
        """The folder of the server routes, below the base path."""
        return "panel/api/server" if self.version >= (2, 7, 0) else "server"

    async def status(self, **options: Any) -> Answer:
        return await self.call("GET" if self.version >= (2, 7, 0) else "POST", f"{self.server}/status", **options)

    async def add_inbound(self, spec: Document) -> Answer:
        if not spec["settings"]["clients"]:
            client = self.placeholder(spec["protocol"])
            spec = spec | {"settings": spec["settings"] | {"clients": [client]}}
        return await self.post("inbounds/add", as_text(spec))

    def placeholder(self, protocol: str) -> Document:
        client = self.new_client(email=f"placeholder-{secrets.token_hex(6)}")
        return client | ({"password": secrets.token_hex(8)} if protocol == "trojan" else {})

    def new_client(self, **fields: Any) -> Document:
        """A whole client nobody has yet."""
        email = f"t{secrets.token_hex(6)}"
        client = {"id": str(uuid.uuid4()), "email": email, "subId": secrets.token_hex(8), "enable": True, "flow": ""}
        limits = {"limitIp": 0, "totalGB": 0, "expiryTime": 0, "tgId": 0, "comment": "", "reset": 0}
        return client | limits | fields

    async def add_to(self, inbound_id: int, *clients: Document) -> Answer:
        return await self.post("inbounds/addClient", payload(inbound_id, *clients))

    async def added(self, **fields: Any) -> Document:
        """A client in the first inbound."""
        client = self.new_client(**fields)
        answer = await self.add_to(self.ids[0], client)
        assert answer.ok, answer
        return client

    async def replace(self, client: Document, *, at: str = "", inbound_id: int = 0) -> Answer:
        """`updateClient` with exactly this object, found by `at` (its own uuid unless told)."""
        path = f"inbounds/updateClient/{quote(at or client['id'], safe='')}"
        return await self.post(path, payload(inbound_id or self.ids[0], client))

    async def remove(self, client_id: str, inbound_id: int = 0) -> Answer:
        return await self.post(f"inbounds/{inbound_id or self.ids[0]}/delClient/{quote(client_id, safe='')}")

    async def traffic(self, email: str) -> Answer:
        return await self.get(f"inbounds/getClientTraffics/{quote(email, safe='')}")

    async def reset(self, email: str, inbound_id: int = 0) -> Answer:
        return await self.post(f"inbounds/{inbound_id or self.ids[0]}/resetClientTraffic/{quote(email, safe='')}")

    async def inbound(self, inbound_id: int = 0) -> Document:
        """One inbound of the list, its settings opened."""
        wanted = inbound_id or self.ids[0]
        found: Document = next(one for one in (await self.get("inbounds/list")).obj if one["id"] == wanted)
        return found | {"settings": json.loads(found["settings"])}

    async def entries(self, inbound_id: int, email: str) -> list[Document]:
        clients = (await self.inbound(inbound_id))["settings"]["clients"]
        return [client for client in clients if client.get("email") == email]

    async def entry(self, email: str) -> Document:
        (found,) = await self.entries(self.ids[0], email)
        return found

    async def stats(self, email: str, inbound_id: int = 0) -> Document:
        """The row as the list shows it."""
        rows = (await self.inbound(inbound_id))["clientStats"]
        found: Document = next(row for row in rows if row["email"] == email)
        return found

    async def flags(self, email: str) -> tuple[bool, bool]:
        """The flag in the settings and in the row."""
        return (await self.entry(email))["enable"], (await self.stats(email))["enable"]

    async def set_counters(self, email: str, up: int, down: int) -> None:
        """Through the API, or from outside where a version has no route for it."""
        if self.version < (2, 6, 3):
            for amount in ((0, 0), (up, down)):
                await self.emu("traffic", {"email": email, "up": amount[0], "down": amount[1]})
            return
        answer = await self.post(f"inbounds/updateClientTraffic/{email}", {"upload": up, "download": down})
        assert answer.ok, answer


def payload(inbound_id: int, *clients: Document) -> Document:
    return {"id": inbound_id, "settings": json.dumps({"clients": list(clients)})}


def as_text(inbound: Document) -> Document:
    """The nested settings as the text that older panels ask for."""
    return inbound | {name: json.dumps(inbound[name]) for name in NESTED if not isinstance(inbound[name], str)}
