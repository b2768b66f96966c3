"""The page that shows the whole world, and the small server behind it.

The operator's token stays on this side: the page asks here, this server asks the product. Buttons are refused to pages
of other sites, for a browser would let any of them post to a loopback address.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from ferryman_sandbox.weather import Handler
from ferryman_sandbox.world.buttons import orders
from ferryman_sandbox.world.look import Look
from ferryman_sandbox.world.product import Product
from ferryman_sandbox.world.recipe import Addresses, Secrets
from ferryman_sandbox.world.wreck import WorldError

ASSETS = Path(__file__).parent / "assets"
TYPES = {".css": "text/css", ".js": "text/javascript", ".html": "text/html"}
LOOKS_APART = 0.4


class WorldPage:
    """`product` is None when somebody else runs it."""

    def __init__(self, addresses: Addresses, secrets: Secrets, product: Product | None) -> None:
        self._addresses = addresses
        self._secrets = secrets
        self._product = product
        self._orders = orders(addresses)
        self._looking = asyncio.Lock()
        self._last: tuple[float, object] = (-LOOKS_APART, None)
        self.app = web.Application(middlewares=[_same_site])
        self.app.router.add_get("/", self._index)
        self.app.router.add_get("/back", self._back)
        self.app.router.add_get("/assets/{name}", self._asset)
        self.app.router.add_get("/api/addresses", self._where)
        self.app.router.add_get("/api/world", self._world)
        self.app.router.add_post("/api/weather/{name}", self._weather)
        self.app.cleanup_ctx.append(self._session)

    async def _session(self, _: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as http:
            self._http = http
            self._look = Look(http, self._addresses, self._secrets)
            yield

    async def _index(self, _: web.Request) -> web.Response:
        return _file("world.html")

    async def _back(self, _: web.Request) -> web.Response:
        """Where a payer lands after the bank's page."""
        return _file("back.html")

    async def _asset(self, request: web.Request) -> web.Response:
        if request.match_info["name"] not in {asset.name for asset in ASSETS.iterdir()}:
            raise web.HTTPNotFound(text="no such part of the page")
        return _file(request.match_info["name"])

    async def _where(self, _: web.Request) -> web.Response:
        sites = self._addresses
        return web.json_response(
            {
                "telegram": sites.telegram,
                "bank": sites.yookassa,
                "banks": [sites.yookassa, *sites.tills.values()],
                "product": sites.product,
                "panels": sites.panels,
            }
        )

    async def _world(self, _: web.Request) -> web.Response:
        """However many pages are open, the world is looked at no more often than every 0.4 s."""
        async with self._looking:
            loop = asyncio.get_running_loop()
            at, view = self._last
            if loop.time() - at >= LOOKS_APART:
                view = await self._look.everything(self._product)
                self._last = (loop.time(), view)
        return web.json_response(view)

    async def _weather(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "kill":
            return self._kill()
        if name not in self._orders:
            raise web.HTTPNotFound(text="no such weather")
        answers = [await order.give(self._http) for order in self._orders[name]()]
        return web.json_response({"done": name, "answers": answers})

    def _kill(self) -> web.Response:
        if self._product is None:
            raise web.HTTPConflict(text="this world does not run the product itself")
        try:
            return web.json_response({"done": "kill", "pid": self._product.kill()})
        except WorldError as error:
            raise web.HTTPConflict(text=str(error)) from error


@web.middleware
async def _same_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    origin = request.headers.get("Origin")
    if request.method != "GET" and origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden(text="only this page may press these buttons")
    return await handler(request)


def _file(name: str) -> web.Response:
    asset = ASSETS / name
    return web.Response(
        body=asset.read_bytes(),
        content_type=TYPES[asset.suffix],
        charset="utf-8",
        headers={"Cache-Control": "no-cache", "X-Emulator": "1"},
    )
