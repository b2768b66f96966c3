"""`GET /metrics`: the shop in numbers for Prometheus, behind the operator's token."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ferryman.faces.api.gate import behind
from ferryman.flows.shop.metrics import CONTENT_TYPE, Metrics
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Unreachable


def routes(tools: Tools) -> list[Route]:
    """No token set: no route, so that nobody guesses at one that does not exist."""
    token = tools.settings.operator_token
    if token is None:
        return []
    metrics = Metrics(tools)

    async def answer(_: Request) -> Response:
        try:
            return Response(await metrics.text(), headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})
        except Unreachable as error:
            return JSONResponse({"error": str(error)}, status_code=503, headers={"retry-after": "5"})

    return [Route("/metrics", behind(token.get_secret_value(), answer), methods=["GET"])]
