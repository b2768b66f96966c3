"""A port that is held is nobody else's, and yet a server that is told its number can listen there."""

import asyncio
import socket
import sys

import pytest

from ferryman_sandbox.ports import HeldPort


@pytest.mark.skipif(sys.platform != "linux", reason="it is only found there, not held")
def test_a_held_port_is_taken_for_whoever_does_not_mean_to_share() -> None:
    with HeldPort() as held, socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", held.number))


async def test_a_server_listens_on_a_held_port_and_does_so_again_after_it_stopped() -> None:
    with HeldPort() as held:
        for _ in range(2):
            async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", held.number):
                reader, writer = await asyncio.open_connection("127.0.0.1", held.number)
                assert await reader.read() == b""
                writer.close()


def test_a_port_that_somebody_listens_on_is_not_held() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.raises(OSError, match="in use"):
        HeldPort(listening.getsockname()[1])


def test_nothing_answers_on_a_port_that_is_only_held() -> None:
    with HeldPort() as held, socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", held.number)) != 0
