"""Faces side by side: they start together, stop together, and one that fails takes the others down in good order."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from ferryman.faces import together
from ferryman.kit.errors import Misconfigured
from ferryman.kit.settings import Settings
from tests.faces.shell import TOKEN
from tests.support.chat import Messenger, until


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def here(settings: Settings, database_url: str, port: int) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(database_url), "port": port})


async def _is_ready(caplog: pytest.LogCaptureFixture) -> bool:
    return any("ready" in str(record.msg) for record in caplog.records)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_all_faces_and_the_next_one_would_end_the_process(
    here: Settings, caplog: pytest.LogCaptureFixture, number: signal.Signals
) -> None:
    caplog.set_level("INFO")
    serving = asyncio.create_task(together.serve(here, {"web", "worker"}, time.perf_counter()))
    await until(lambda: _is_ready(caplog), "it to be ready")
    os.kill(os.getpid(), number)
    await asyncio.wait_for(serving, 15)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


async def test_a_face_that_cannot_start_takes_the_others_down_in_good_order(
    here: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", here.port):
        with pytest.raises(Misconfigured, match="FERRYMAN_PORT"):
            await asyncio.wait_for(together.serve(here, {"web", "worker"}, time.perf_counter()), 30)
    assert "worker_stopped" in caplog.text
    assert "face_failed" in caplog.text


async def test_a_bot_without_a_token_is_refused_before_anything_is_started(here: Settings) -> None:
    nowhere = here.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:9/none")})
    with pytest.raises(Misconfigured, match="@BotFather"):
        await together.serve(nowhere, {"bot", "web"}, time.perf_counter())


async def test_without_a_token_there_is_no_sender(here: Settings) -> None:
    for settings in (None, here):
        async with together.sender_of(settings) as sender:
            assert sender is None


async def test_with_a_token_the_sender_speaks_as_the_bot(here: Settings, bot_api: Messenger) -> None:
    spoken = here.model_copy(update={"telegram_token": SecretStr(TOKEN), "telegram_api_base": bot_api.url})
    async with together.sender_of(spoken) as sender:
        assert sender is not None
        assert (await sender.whoami()).endswith("bot")
