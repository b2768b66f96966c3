"""`GET /api/overview`: the operator's glance as JSON, behind a bearer token."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ferryman.flows import overview
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Unreachable
from ferryman.kit.secrets import same


def routes(tools: Tools) -> list[Route]:
    """No token set: no route, so that nobody guesses at one that does not exist."""
    token = tools.settings.operator_token
    if token is None:
        return []
    return [Route("/api/overview", _endpoint(tools, token.get_secret_value()), methods=["GET"])]


def _endpoint(tools: Tools, token: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not same(given, token):
            return JSONResponse(
                {"error": "Send the operator's token: Authorization: Bearer …"},
                status_code=401,
                headers={"www-authenticate": "Bearer"},
            )
        try:
            seen = await overview.look(tools)
        except Unreachable as error:
            return JSONResponse({"error": str(error)}, status_code=503, headers={"retry-after": "5"})
        return JSONResponse(seen, headers={"cache-control": "no-store"})

    return answer
