"""The same purchase against a 3X-UI panel outside the project, named by FERRYMAN_TEST_XUI_URL and its companions."""

import os

import pytest

from ferryman.fleet.node import Node
from ferryman.flows.keys import profile
from ferryman.flows.shop import setup
from ferryman.flows.tools import Tools
from tests.support.messages import Outbox
from tests.support.shop import PLANS, Town, town

URL = os.environ.get("FERRYMAN_TEST_XUI_URL", "")

pytestmark = [
    pytest.mark.real_panel,
    pytest.mark.skipif(not URL, reason="FERRYMAN_TEST_XUI_URL names no panel"),
]


def node() -> dict[str, object]:
    ids = os.environ.get("FERRYMAN_TEST_XUI_INBOUNDS", "")
    return {
        "name": "real",
        "title": {"ru": "Настоящий", "en": "Real"},
        "country": "DE",
        "url": URL,
        "token": os.environ.get("FERRYMAN_TEST_XUI_TOKEN") or None,
        "username": os.environ.get("FERRYMAN_TEST_XUI_USERNAME", ""),
        "password": os.environ.get("FERRYMAN_TEST_XUI_PASSWORD") or None,
        "address": "127.0.0.1",
        "inbounds": [int(one) for one in ids.split(",")] if ids else "all",
        "insecure": URL.startswith("https"),
    }


async def test_a_purchase_and_a_renewal_reach_a_real_panel(tools: Tools, outbox: Outbox) -> None:
    shop: Town = town(tools)
    await shop.open(nodes=0)
    await setup.apply(tools, setup.Shop.model_validate({"nodes": [node()], "plans": PLANS}))
    async with tools.db.unit() as session:
        panel = tools.connections.to(await session.get_one(Node, await shop.value("SELECT id FROM nodes")))
    anna = await shop.customer()
    email = None
    try:
        ends = []
        for days in (30, 90):
            await shop.webhook(shop.pay(await shop.order(anna, days=days)))
            await shop.work()
            email = "fm-" + await shop.value("SELECT ref FROM subscriptions")
            seen = await panel.see(email)
            assert seen is not None
            assert seen.enabled
            assert seen.ends_at is not None
            ends.append(seen.ends_at)
        assert (ends[1] - ends[0]).days == 90
        assert await shop.value("SELECT count(*) FROM money_without_key") == 0
        found = await profile.of_token(tools, await shop.value("SELECT token FROM subscriptions"))
        assert found is not None
        assert len(found.entries) == await shop.value("SELECT count(*) FROM inbounds WHERE enabled")
        assert len([sent for sent in outbox.sent if sent.png]) == 2
    finally:
        if email is not None:
            await panel.drop(email)
            assert await panel.see(email) is None
        await shop.close()
