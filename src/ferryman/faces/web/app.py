"""Builds the web application: webhooks in, subscription links out, health, and the operator's overview."""

import asyncio
from collections.abc import Sequence
from functools import partial

from fastapi import FastAPI
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ferryman import __version__
from ferryman.faces.web.hooks import webhook_endpoint
from ferryman.faces.web.sublink import subscription_endpoint
from ferryman.flows.keys import profile
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Unreachable


def build(tools: Tools, more: Sequence[BaseRoute] = ()) -> FastAPI:
    """The application over these tools. `more` are routes of other faces that live on the same port."""
    # A redirect would say a secret path again, under whichever host was asked for; CoinGate calls no more after one.
    app = FastAPI(
        title="Ferryman", version=__version__, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    routes = [
        Route("/hooks/{provider}/{secret}", webhook_endpoint(tools), methods=["POST", "GET"]),
        Route("/s/{token}", subscription_endpoint(partial(profile.of_token, tools)), methods=["GET", "HEAD"]),
        Route("/healthz", _alive, methods=["GET"]),
        Route("/readyz", _ready(tools), methods=["GET"]),
        Route("/", _front, methods=["GET"]),
        *more,
    ]
    app.router.routes.extend(routes)
    return app


async def _alive(_: Request) -> Response:
    return JSONResponse({"alive": True, "version": __version__})


async def _front(_: Request) -> Response:
    """Where a payer lands after the pay page when no better address is set: nothing here proves anything."""
    return Response(
        "Ferryman · please go back to the chat · вернитесь, пожалуйста, в чат", media_type="text/plain; charset=utf-8"
    )


def _ready(tools: Tools):  # type: ignore[no-untyped-def]
    # Whoever asks while it is being looked into shares the answer: this door is open to everybody, and must not take
    # the connections that webhooks need.
    looking: asyncio.Task[str] | None = None

    async def ready(_: Request) -> Response:
        nonlocal looking
        if looking is None or looking.done():
            looking = asyncio.create_task(_why_not(tools))
        why = await asyncio.shield(looking)
        return JSONResponse({"ready": False, "why": why}, status_code=503) if why else JSONResponse({"ready": True})

    return ready


async def _why_not(tools: Tools) -> str:
    try:
        async with tools.db.unit() as session:
            await session.execute(text("SELECT 1"))
    except Unreachable as error:
        return str(error)
    return ""
