"""Providers that do not accept the shop's credentials: nothing new is offered there until they do.

What is open is asked about all the same, and webhooks are heard.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from ferryman.billing import methods
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import AccessDenied, FerrymanError

_log = log.get("ways")

# Some accept a key and yet not what it is used for: were they believed at once, one customer after the other would meet
# the refusal.
TRIED_AGAIN_AFTER = timedelta(minutes=5)
PATIENCE_SECONDS = 20.0


@asynccontextmanager
async def watched(tools: Tools, name: str) -> AsyncIterator[None]:
    """Around a question to that provider: AccessDenied is written down, and raised on."""
    try:
        yield
    except AccessDenied as error:
        async with tools.db.unit() as session:
            new = await methods.denied(session, name, tools.clock.now())
        if new:
            _log.error("provider_denies_access", provider=name, why=str(error))
        raise


async def sweep(tools: Tools) -> None:
    """Ask those that denied us access whether they let us in by now."""
    async with tools.db.unit() as session:
        denying = await methods.denying(session, tools.clock.now() - TRIED_AGAIN_AFTER)
    for name in denying:
        if await _lets_in(tools, name):
            async with tools.db.unit() as session:
                await methods.let_in(session, name)
            _log.warning("provider_lets_in_again", provider=name)


async def _lets_in(tools: Tools, name: str) -> bool:
    try:
        async with tools.db.unit() as session:
            provider = await methods.connect(session, name, tools.providers, tools.vault, tools.provider_tools)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await provider.check()
    except (FerrymanError, TimeoutError) as error:
        _log.info("provider_still_denies_access", provider=name, why=str(error))
        return False
    return True
