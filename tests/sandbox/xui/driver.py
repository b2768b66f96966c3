"""Raw HTTP against a panel, emulated or real: no client code of ours, only what goes over the wire."""

import asyncio
import io
import json
import secrets
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp

from ferryman_sandbox.xui import XuiEmulator

Document = dict[str, Any]

SETTLE_SECONDS = 25.0


@dataclass
class Answer:
    """One response, read to its end."""

    status: int
    headers: Any
    body: bytes
    cookies: Any

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def ok(self) -> bool:
        return self.status == 200 and bool(self.json["success"])

    @property
    def obj(self) -> Any:
        assert self.ok, self
        return self.json["obj"]

    @property
    def complaint(self) -> str:
        """The message of a refusal, lower case."""
        assert self.status == 200, self
        assert self.json["success"] is False, self
        assert self.json["obj"] is None, self
        return str(self.json["msg"]).lower()


@dataclass
class PanelDriver:
    """`url` ends with the base path and a slash. `emulated` panels answer `/__emu/` as well."""

    http: aiohttp.ClientSession
    url: str
    token: str
    version: tuple[int, int, int]
    username: str
    password: str
    emulated: bool = False
    tls: ssl.SSLContext | bool = True
    inbounds: list[Document] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)
    session: dict[str, str] = field(default_factory=dict)
    csrf_headers: dict[str, str] = field(default_factory=dict)
    emulator: XuiEmulator | None = None

    @property
    def ids(self) -> list[int]:
        """The inbounds made for this test: REALITY with Vision, then WebSocket."""
        return [inbound["id"] for inbound in self.inbounds]

    @property
    def settings(self) -> str:
        return "panel/api/setting" if self.version >= (3, 3, 0) else "panel/setting"

    @property
    def can_create_in_bulk(self) -> bool:
        return self.version >= (3, 2, 0)

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        form: Any = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        cookies: dict[str, str] | None = None,
        token: str | None = "",
        ajax: bool = True,
    ) -> Answer:
        """`token` "" is the driver's own, or its session where it has none; None sends neither. `ajax` says so in
        X-Requested-With."""
        sent = {"Accept": "application/json", "Accept-Language": "en-US"}
        sent |= {"X-Requested-With": "XMLHttpRequest"} if ajax else {}
        if token is not None and (token or self.token):
            sent |= {"Authorization": f"Bearer {token or self.token}"}
        elif token is not None:
            sent, cookies = sent | self.csrf_headers, self.session | (cookies or {})
        if cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        body: Any = data
        if json is not None:
            body, sent["Content-Type"] = io.BytesIO(_dump(json)), "application/json"
        if form is not None:
            body = aiohttp.FormData(form)
        request = self.http.request(
            method,
            self.url + path,
            data=body,
            headers=sent | (headers or {}),
            allow_redirects=False,
            ssl=self.tls,
        )
        async with request as response:
            return Answer(response.status, response.headers, await response.read(), response.cookies)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.call("GET", f"panel/api/{path}", **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.call("POST", f"panel/api/{path}", json=body, **options)

    async def emu(self, path: str, body: Any = None) -> Any:
        """A control route of an emulated panel: POST when there is a body."""
        assert self.emulated
        root = self.url.split("/", 3)
        address = f"{root[0]}//{root[2]}/__emu/{path}"
        async with self.http.request("GET" if body is None else "POST", address, json=body) as response:
            answer = await response.json(content_type=None)
            assert response.status in (200, 409), answer
            return answer

    async def sign_in(self) -> None:
        """Keep a session for the calls that name no token."""
        self.session, self.csrf_headers = await self.logged_in()

    async def add_inbound(self, spec: Document) -> Answer:
        return await self.post("inbounds/add", spec)

    # Clients

    def new_client(self, **fields: Any) -> Document:
        """A client nobody has yet; it is deleted when the test ends."""
        email = fields.pop("email", f"t{secrets.token_hex(6)}")
        self.emails.append(email)
        return {"email": email, "subId": secrets.token_hex(8), "enable": True, "tgId": 0} | fields

    async def add(self, client: Document, *inbound_ids: int) -> Document:
        """Add a client (to the first inbound unless told) and give it back."""
        body = {"client": client, "inboundIds": list(inbound_ids) or self.ids[:1]}
        answer = await self.post("clients/add", body)
        assert answer.ok, answer
        return client

    async def added(self, **fields: Any) -> Document:
        return await self.add(self.new_client(**fields))

    async def get_client(self, email: str) -> Any:
        return (await self.get(f"clients/get/{quote(email, safe='')}")).obj

    async def record(self, email: str) -> Any:
        return (await self.get_client(email))["client"]

    async def update(self, email: str, client: Document, query: str = "") -> Answer:
        return await self.post(f"clients/update/{quote(email, safe='')}{query}", client)

    async def delete(self, email: str, query: str = "") -> Answer:
        return await self.post(f"clients/del/{quote(email, safe='')}{query}")

    async def row(self, email: str) -> Any:
        return (await self.get(f"clients/traffic/{quote(email, safe='')}")).obj

    async def entries(self, inbound_id: int, email: str) -> list[Document]:
        """What the inbound's settings hold for that email."""
        inbound = (await self.get(f"inbounds/get/{inbound_id}")).obj
        return [client for client in inbound["settings"]["clients"] if client["email"] == email]

    async def set_counters(self, email: str, up: int, down: int) -> None:
        answer = await self.post(f"clients/updateTraffic/{email}", {"upload": up, "download": down})
        assert answer.ok, answer

    async def enabled(self, email: str) -> tuple[bool, bool, bool]:
        """The flag in record, row and first inbound's entry."""
        inbound_ids = (await self.get_client(email))["inboundIds"]
        entries = await self.entries(inbound_ids[0], email)
        return (await self.record(email))["enable"], (await self.row(email))["enable"], entries[0]["enable"]

    async def settled(self, is_so: Callable[[], Awaitable[bool]]) -> bool:
        """Wait for the traffic job to bring something about; an emulated panel's job is run at once."""
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if self.emulated:
                await self.emu("tick", {})
            if await is_so():
                return True
            if not self.emulated:
                await asyncio.sleep(0.5)
            elif asyncio.get_running_loop().time() > deadline - SETTLE_SECONDS + 2:
                return False
        return False

    # Sessions

    @property
    def asks_csrf(self) -> bool:
        return self.version >= (3, 0, 0)

    async def csrf(self) -> tuple[str, str]:
        """A CSRF token and the cookie that holds it."""
        answer = await self.call("GET", "csrf-token", token=None)
        return answer.json["obj"], answer.cookies["3x-ui"].value

    async def _before_login(self) -> tuple[dict[str, str], dict[str, str]]:
        """Cookies and headers a login needs: none before 3.0."""
        if not self.asks_csrf:
            return {}, {}
        csrf, cookie = await self.csrf()
        return {"3x-ui": cookie}, {"X-CSRF-Token": csrf}

    async def login(self, username: str, password: str, **fields: str) -> Answer:
        cookies, headers = await self._before_login()
        form = {"username": username, "password": password} | fields
        return await self.call("POST", "login", form=form, headers=headers, cookies=cookies, token=None)

    async def logged_in(self) -> tuple[dict[str, str], dict[str, str]]:
        """Cookies and CSRF header of a fresh session."""
        cookies, headers = await self._before_login()
        form = {"username": self.username, "password": self.password}
        answer = await self.call("POST", "login", form=form, headers=headers, cookies=cookies, token=None)
        assert answer.ok, answer
        return {"3x-ui": answer.cookies["3x-ui"].value}, headers


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()
