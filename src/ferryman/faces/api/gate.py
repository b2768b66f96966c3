"""The operator's door: a bearer token in front of an endpoint."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ferryman.kit.secrets import same

Endpoint = Callable[[Request], Awaitable[Response]]


def behind(token: str, endpoint: Endpoint) -> Endpoint:
    """The endpoint, for those who send `Authorization: Bearer` and this token; 401 for everybody else."""

    async def answer(request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not same(given, token):
            return JSONResponse(
                {"error": "Send the operator's token: Authorization: Bearer …"},
                status_code=401,
                headers={"www-authenticate": "Bearer"},
            )
        return await endpoint(request)

    return answer
