"""The count at the end of a smoke run must notice whatever went wrong, whoever hides it."""

import base64
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ferryman_sandbox import smoke
from ferryman_sandbox.emulator import serve
from ferryman_sandbox.smoke import Count, Purchase, StepFailed, identity, share_links

PANELS = ("de-1", "nl-1", "fi-1")
NOW_MS = time.time() * 1000


class Canned:
    """A whole world on one port, saying what a test lets it say. At first everything is right: two purchases."""

    def __init__(self) -> None:
        self.bank = [{"id": f"pay-{n}", "status": "succeeded"} for n in (1, 2)]
        self.panels = {panel: [self.client(n) for n in (1, 2)] for panel in PANELS}
        self.numbers = {"granted": 12, "lost": 0, "double": 0, "money_without_key": 0, "ledger_balance": 0}
        self.url = ""

    def client(self, number: int, **changes: Any) -> dict[str, Any]:
        month = NOW_MS + 30 * 24 * 3600 * 1000
        return {
            "uuid": f"uuid-{number}",
            "password": f"password-{number}",
            "createdAt": NOW_MS + number * 10,
            "expiryTime": month,
            "loaded": True,
            "enable": True,
            "depleted": False,
        } | changes

    @property
    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/bank/__emu/payments", self._bank)
        app.router.add_get("/product/api/overview", self._overview)
        app.router.add_get("/{panel}/__emu/state", self._panel)
        return app

    async def _bank(self, _: web.Request) -> web.Response:
        return web.json_response(self.bank)

    async def _overview(self, _: web.Request) -> web.Response:
        return web.json_response({"numbers": self.numbers})

    async def _panel(self, request: web.Request) -> web.Response:
        return web.json_response({"clients": self.panels[request.match_info["panel"]]})

    async def count(self) -> dict[str, Any]:
        site = {
            "yookassa": f"{self.url}/bank",
            "product": f"{self.url}/product",
            "operator_token": "t",
            "panels": {panel: f"{self.url}/{panel}" for panel in PANELS},
        }
        bought = [
            Purchase(n, payment=f"pay-{n}", answered=NOW_MS / 1000, link="l", identities={f"uuid-{n}", f"password-{n}"})
            for n in (1, 2)
        ]
        async with aiohttp.ClientSession() as http:
            return await Count(site, http, bought, {"granted": 10}).tell()


@pytest.fixture
async def canned(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Canned]:
    monkeypatch.setattr(smoke, "CALM_SECONDS", 0.0)
    canned = Canned()
    server = await serve(canned.app)
    canned.url = server.url
    yield canned
    await server.stop()


async def test_a_world_in_order_counts_zeros(canned: Canned) -> None:
    result = await canned.count()
    times = result.pop("paid_to_key_ms")
    assert result == {"purchases": 2, "lost": 0, "double": 0, "money_without_key": 0, "ledger_balance": 0}
    assert times["p50"] == pytest.approx(10, abs=1)
    assert times["p99"] == pytest.approx(20, abs=1)


async def test_a_payment_that_was_never_granted_is_lost(canned: Canned) -> None:
    canned.numbers["granted"] = 11
    assert (await canned.count())["lost"] == 1


async def test_a_grant_too_many_is_double(canned: Canned) -> None:
    canned.numbers["granted"] = 13
    assert (await canned.count())["double"] == 1


async def test_a_key_missing_on_one_panel_is_money_without_key_whatever_the_product_says(canned: Canned) -> None:
    canned.panels["fi-1"].pop()
    assert (await canned.count())["money_without_key"] == 1


@pytest.mark.parametrize("flaw", [{"enable": False}, {"loaded": False}, {"depleted": True}])
async def test_a_key_that_is_not_served_is_money_without_key(canned: Canned, flaw: dict[str, bool]) -> None:
    canned.panels["nl-1"][0] |= flaw
    assert (await canned.count())["money_without_key"] == 1


async def test_a_second_client_of_one_identity_is_double(canned: Canned) -> None:
    canned.panels["de-1"].append(canned.client(1))
    assert (await canned.count())["double"] == 1


async def test_an_end_two_months_away_is_double(canned: Canned) -> None:
    canned.panels["de-1"][0]["expiryTime"] += 30 * 24 * 3600 * 1000
    assert (await canned.count())["double"] == 1


async def test_the_products_own_bad_numbers_are_passed_on(canned: Canned) -> None:
    canned.numbers |= {"lost": 3, "double": 4, "money_without_key": 5, "ledger_balance": 6}
    result = await canned.count()
    assert [result[name] for name in ("lost", "double", "money_without_key", "ledger_balance")] == [3, 4, 5, 6]


async def test_a_payment_the_bank_does_not_confirm_is_no_purchase(canned: Canned) -> None:
    canned.bank[1]["status"] = "pending"
    canned.numbers["granted"] = 11
    assert (await canned.count())["purchases"] == 1


def test_share_links_come_out_of_base64() -> None:
    text = "vless://uuid-1@127.0.0.1:443?security=reality#DE\ntrojan://pass%2Fword@127.0.0.1:443#FI\n"
    links = share_links(base64.b64encode(text.encode()))
    assert [identity(link) for link in links] == ["uuid-1", "pass/word"]


@pytest.mark.parametrize("body", [b"<html>", b"\xff\xff"])
def test_a_subscription_that_is_not_base64_fails_the_step(body: bytes) -> None:
    with pytest.raises(StepFailed, match="not base64"):
        share_links(body)


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["smoke", "--help"], ["world", "--help"]])
def test_every_command_explains_itself(arguments: list[str]) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "ferryman_sandbox", *arguments], check=False, capture_output=True, text=True
    )
    assert told.returncode == 0
    assert "usage: python -m ferryman_sandbox" in told.stdout


@pytest.mark.parametrize("arguments", [[], ["dance"], ["smoke", "--purchases", "0"], ["smoke", "--purchases", "x"]])
def test_a_wrong_command_line_is_refused_with_the_usage(arguments: list[str]) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "ferryman_sandbox", *arguments], check=False, capture_output=True, text=True
    )
    assert told.returncode == 2
    assert "usage:" in told.stderr
