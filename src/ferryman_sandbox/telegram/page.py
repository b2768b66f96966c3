"""The chat page: a phone with a messenger in it, served from the files beside this module."""

from pathlib import Path

from aiohttp import web

import ferryman_sandbox.telegram.deeds as deeds
from ferryman_sandbox.telegram.cloud import Cloud

ASSETS = Path(__file__).parent / "assets"
TYPES = {".css": "text/css", ".js": "text/javascript", ".html": "text/html", ".svg": "image/svg+xml"}


class ChatPage:
    """`GET /chat?user=ID&bot=ID&lang=ru|en&theme=light|dark&embed=1`, every part optional."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/chat", self._page)
        router.add_get("/chat/{name}", self._asset)

    async def _page(self, request: web.Request) -> web.Response:
        if not self._cloud.world.people():
            deeds.new_person(self._cloud, {"language_code": request.query.get("lang", "ru")})
        return _file("chat.html")

    async def _asset(self, request: web.Request) -> web.Response:
        if request.match_info["name"] not in {asset.name for asset in ASSETS.iterdir()}:
            raise web.HTTPNotFound(text="no such part of the chat page")
        return _file(request.match_info["name"])


def _file(name: str) -> web.Response:
    asset = ASSETS / name
    return web.Response(
        body=asset.read_bytes(),
        content_type=TYPES[asset.suffix],
        charset="utf-8",
        headers={"Cache-Control": "no-cache"},
    )
