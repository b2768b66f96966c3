"""The least a web server can do: one INSERT, or nothing at all. `python bare.py PORT DATABASE_URL`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

TABLE = "CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, body bytea NOT NULL)"


def build(database_url: str) -> Starlette:
    pool = AsyncConnectionPool(database_url, min_size=4, max_size=15, open=False)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with pool:
            async with pool.connection() as connection:
                await connection.execute(TABLE)
            yield

    async def insert(request: Request) -> Response:
        body = await request.body()
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO bare (body) VALUES (%s)", (body,))
        return PlainTextResponse("")

    async def hello(_: Request) -> Response:
        return PlainTextResponse("hello")

    routes = [Route("/insert", insert, methods=["POST"]), Route("/readyz", hello), Route("/hello", hello)]
    return Starlette(routes=routes, lifespan=lifespan)


if __name__ == "__main__":
    port, address = int(sys.argv[1]), sys.argv[2]
    server = uvicorn.Server(
        uvicorn.Config(build(address), host="127.0.0.1", port=port, access_log=False, log_level="error")
    )
    asyncio.run(server.serve())
