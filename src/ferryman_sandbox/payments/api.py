"""What the emulated APIs have in common: one gate before all routes, and refusals in the service's own shape."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from ferryman_sandbox.weather import Handler

Json = dict[str, Any]


class Refusal(Exception):
    """What a service refuses; a subclass knows in which words and shape."""

    def response(self) -> web.Response:
        raise NotImplementedError


def gate(
    prefixes: tuple[str, ...],
    admit: Callable[[web.Request], Awaitable[None]],
    unrouted: Callable[[web.Request, web.HTTPException], Refusal],
) -> Middleware:
    """For paths under `prefixes`: credentials first (`admit` raises), then the call.

    Every refusal leaves in the API's own shape; `unrouted` says it for what aiohttp itself refuses.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(prefixes):
            return await handler(request)
        try:
            await admit(request)
            return await handler(request)
        except Refusal as refusal:
            return refusal.response()
        except web.HTTPException as refusal:
            return unrouted(request, refusal).response()

    return guard


def site(request: web.Request, public_url: str | None) -> str:
    """Where the payer finds the pages: at the given address, or at the one this call came to."""
    return public_url or f"{request.scheme}://{request.host}"


def json_object(raw: bytes, refused: Callable[[str], Refusal]) -> Json:
    """A call's body; an empty one is an empty object."""
    try:
        body = json.loads(raw or b"{}")
    except ValueError as error:
        raise refused("The body is not JSON") from error
    if not isinstance(body, dict):
        raise refused("The body is not an object")
    return body
