"""Whether customers could connect: what kind of address it is, and whether somebody listens."""

import asyncio

import pytest

from ferryman.fleet import reach


@pytest.mark.parametrize("address", ["8.8.8.8", "[2a00:1450:4010:c05::65]", " 1.1.1.1 "])
async def test_a_public_address_is_of_use(address: str) -> None:
    assert await reach.useless_to_customers(address) == ""


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "localhost", "::1", "[::1]", "10.0.0.5", "192.168.1.2", "fd00::1", "0.0.0.0"],
)
async def test_an_address_of_ones_own_network_is_not(address: str) -> None:
    why = await reach.useless_to_customers(address)
    assert why.startswith(f"Customers cannot connect to {address}: ")
    assert "no public address" in why


@pytest.mark.parametrize("name", ["no-such-name.invalid", "a..b", "x" * 70 + ".example"])
async def test_a_name_that_leads_nowhere_is_not(name: str) -> None:
    assert "does not resolve" in await reach.useless_to_customers(name)


async def test_a_port_where_somebody_listens_accepts_and_another_says_why_not() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await reach.refusal("127.0.0.1", port) == ""
    assert await reach.refusal("[127.0.0.1]", port) == ""
    server.close()
    await server.wait_closed()
    assert await reach.refusal("127.0.0.1", port) == "connection refused"
    assert await reach.refusal("a..b", port)
