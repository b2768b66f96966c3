"""Whether customers could connect to an address: is it a public one, and does somebody listen there."""

import asyncio
import ipaddress
import socket

RESOLVE_SECONDS = 5.0
CONNECT_SECONDS = 4.0


async def useless_to_customers(address: str) -> str:
    """Why customers cannot connect to an address (a name or an IP address, with or without brackets); "" = they can."""
    bare = address.strip().removeprefix("[").removesuffix("]")
    try:
        numbers = [bare] if _is_number(bare) else await _resolved(bare)
    except (TimeoutError, OSError, UnicodeError):
        return f"Customers cannot connect to {address}: the name does not resolve."
    private = [number for number in numbers if not ipaddress.ip_address(number.partition("%")[0]).is_global]
    # One public address is enough: others may be for a network of the operator's own.
    if len(private) == len(numbers):
        return f"Customers cannot connect to {address}: {', '.join(private)} is no public address."
    return ""


def _is_number(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


async def _resolved(name: str) -> list[str]:
    async with asyncio.timeout(RESOLVE_SECONDS):
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in found})


async def refusal(host: str, port: int) -> str:
    """Why nobody answers a TCP connection from this machine to host:port; "" when somebody does."""
    bare = host.strip().removeprefix("[").removesuffix("]")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(bare, port)
    except TimeoutError:
        return f"no answer within {CONNECT_SECONDS:g} s"
    except ConnectionRefusedError:
        return "connection refused"
    except (OSError, UnicodeError) as error:
        return type(error).__name__
    writer.transport.abort()
    return ""
