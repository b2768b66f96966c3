"""The one shape in which the API refuses."""

from typing import Any

from aiohttp import web

from ferryman_sandbox.payments import Refusal


class ApiError(Refusal):
    """A refusal: HTTP status, type (`kind`) and `code` as the API has them; `more` goes into the error object."""

    def __init__(
        self, status: int, message: str, *, kind: str = "invalid_request_error", code: str = "", **more: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"type": kind, "message": message, **({"code": code} if code else {}), **more}

    def response(self) -> web.Response:
        return web.json_response({"error": self.error}, status=self.status)


def invalid(param: str, message: str, code: str = "parameter_invalid_empty") -> ApiError:
    return ApiError(400, message, code=code, param=param)


def missing(kind: str, id_: str) -> ApiError:
    return ApiError(404, f"No such {kind}: '{id_}'", code="resource_missing", param="id")
