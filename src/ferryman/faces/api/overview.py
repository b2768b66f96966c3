"""`GET /api/overview`: the operator's glance as JSON, behind a bearer token."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ferryman.faces.api.gate import behind
from ferryman.flows.shop import overview
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Unreachable


def routes(tools: Tools) -> list[Route]:
    """No token set: no route, so that nobody guesses at one that does not exist."""
    token = tools.settings.operator_token
    if token is None:
        return []

    async def answer(_: Request) -> Response:
        try:
            seen = await overview.look(tools)
        except Unreachable as error:
            return JSONResponse({"error": str(error)}, status_code=503, headers={"retry-after": "5"})
        return JSONResponse(seen, headers={"cache-control": "no-store"})

    return [Route("/api/overview", behind(token.get_secret_value(), answer), methods=["GET"])]
