"""The two routes that the world outside calls, beside a bare Starlette on the same server, in turns.

The web process runs alone: what it promises is worked off later. The load comes from this process, which has a core
of its own on a machine with two; rates are therefore what one core of the web process serves.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.report import Figures, quantile
from benchmarks.yard import NotMeasured, Yard, python, running, serves
from ferryman_sandbox.ports import HeldPort
from ferryman_sandbox.world.recipe import hook_url

BARE = Path(__file__).with_name("bare.py")
AT_ONCE = 16
TURNS = 3

Call = Callable[[], Awaitable[None]]


async def accepting_webhooks(yard: Yard, seconds: float) -> Figures:
    """`webhook` keeps each event and promises a job, in one transaction; the bare handler has one INSERT."""
    hook = hook_url(yard.world.addresses, yard.world.secrets)
    async with yard.product("web"), _Bare(yard) as bare:
        return await _beside(
            "webhook_accept", seconds, _post(yard, hook), "one_insert", _post(yard, f"{bare.url}/insert")
        )


async def fetching_links(yard: Yard, seconds: float) -> Figures:
    """The subscription of a customer with keys on three nodes, against the word "hello"."""
    found = yard.rows("SELECT token FROM subscriptions ORDER BY id LIMIT 1")
    if not found:
        raise NotMeasured("nobody has a subscription yet: run the purchases first")
    link = f"{yard.site['product']}/s/{found[0][0]}"
    async with yard.product("web"), _Bare(yard) as bare:
        return await _beside("subscription_link", seconds, _get(yard, link), "hello", _get(yard, f"{bare.url}/hello"))


class _Bare:
    """The bare server on a free port, for as long as the block lasts."""

    def __init__(self, yard: Yard) -> None:
        self._port = HeldPort()
        command = python(str(BARE), str(self._port.number), yard.database_url)
        self._yard, self._process = yard, running(command, yard.environment, yard.folder)
        self.url = f"http://127.0.0.1:{self._port.number}"

    async def __aenter__(self) -> "_Bare":
        await serves(self._yard.http, f"{self.url}/readyz", self._process.__enter__())
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._process.__exit__, None, None, None)
        self._port.let_go()


async def _beside(name: str, seconds: float, ours: Call, beside: str, theirs: Call) -> Figures:
    """In turns, so that a neighbour who wakes up meanwhile slows both."""
    rates: dict[str, list[float]] = {name: [], beside: []}
    times: list[float] = []
    for call in (ours, theirs):
        await _rate(call, 1.0)
    for _ in range(TURNS):
        rate, spent = await _rate(ours, seconds)
        rates[name].append(rate)
        times += spent
        rates[beside].append((await _rate(theirs, seconds))[0])
    mine, other = quantile(rates[name], 50), quantile(rates[beside], 50)
    return {
        "benchmark": name,
        "per_second": round(mine, 1),
        f"{beside}_per_second": round(other, 1),
        f"ratio_to_{beside}": round(mine / other, 3),
        "p50_ms": round(quantile(times, 50) * 1000, 2),
        "p99_ms": round(quantile(times, 99) * 1000, 2),
        "at_once": AT_ONCE,
    }


async def _rate(call: Call, seconds: float) -> tuple[float, list[float]]:
    """Calls a second with `AT_ONCE` in flight, and how long each took."""
    times: list[float] = []
    began = time.perf_counter()

    async def again_and_again() -> None:
        while time.perf_counter() - began < seconds:
            started = time.perf_counter()
            await call()
            times.append(time.perf_counter() - started)

    await asyncio.gather(*(again_and_again() for _ in range(AT_ONCE)))
    return len(times) / (time.perf_counter() - began), times


def _post(yard: Yard, url: str) -> Call:
    async def post() -> None:
        async with yard.http.post(url, data=_notification(), headers={"content-type": "application/json"}) as answer:
            if answer.status != 200:
                raise NotMeasured(f"the webhook was answered with {answer.status}")
            await answer.read()

    return post


def _get(yard: Yard, url: str) -> Call:
    async def get() -> None:
        async with yard.http.get(url) as answer:
            if answer.status != 200:
                raise NotMeasured(f"the link was answered with {answer.status}")
            await answer.read()

    return get


def _notification() -> bytes:
    """A webhook of the usual size for a payment that nobody knows: each is a new one."""
    payment = {
        "id": f"{secrets.token_hex(4)}-000f-5000-8000-{secrets.token_hex(6)}",
        "status": "succeeded",
        "paid": True,
        "amount": {"value": "199.00", "currency": "RUB"},
        "created_at": "2026-01-01T00:00:00.000Z",
        "metadata": {"order_id": secrets.token_hex(6), "payment_ref": secrets.token_hex(8)},
        "description": "Standard · 30 days",
        "refundable": True,
        "test": True,
    }
    return json.dumps({"type": "notification", "event": "payment.succeeded", "object": payment}).encode()
