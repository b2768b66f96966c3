"""The one shape in which the API refuses."""

import uuid
from typing import Any

from aiohttp import web

from ferryman_sandbox.payments import Refusal

CODES = {
    400: "invalid_request",
    401: "invalid_credentials",
    403: "forbidden",
    404: "not_found",
    405: "invalid_request",
    410: "gone",
    415: "invalid_request",
    429: "too_many_requests",
    500: "internal_server_error",
}


class ApiError(Refusal):
    """A refusal with its HTTP status; `parameter` names the offending field."""

    def __init__(self, status: int, description: str, parameter: str = "") -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameter = parameter

    def response(self) -> web.Response:
        body: dict[str, Any] = {
            "type": "error",
            "id": str(uuid.uuid4()),
            "code": CODES.get(self.status, "invalid_request"),
            "description": self.description,
        }
        if self.parameter:
            body["parameter"] = self.parameter
        return web.json_response(body, status=self.status)


def invalid(parameter: str, description: str) -> ApiError:
    return ApiError(400, description, parameter)
