"""Audits over real HTTP, against emulated panels: what people and backups do to them heals."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from ferryman.flows.keys import auditing, lifecycle
from ferryman.flows.keys.handling import Cause
from tests.support.shop import Town

pytestmark = pytest.mark.weather


@dataclass
class Node:
    """One node of the shop, with one customer's key on it, and the levers of its panel."""

    shop: Town
    name: str
    id: int
    http: aiohttp.ClientSession

    @property
    def email(self) -> str:
        return next(iter(self.shop.clients(self.name)))

    async def audit(self) -> None:
        self.shop.tools.clock.advance(seconds=61)  # type: ignore[attr-defined]
        await auditing.audit_node(self.shop.tools, self.id)
        await self.shop.work()

    async def emu(self, lever: str, **body: Any) -> None:
        await self._post(f"__emu/{lever}", body)

    async def call(self, route: str, body: Any) -> None:
        await self._post(f"base/panel/api/{route}", body)

    async def use(self, amount: int) -> None:
        """Traffic, until the panel shows it: a core's first counts are where the panel begins."""
        await self.emu("traffic", email=self.email, up=0, down=amount)
        await self.emu("tick")

    async def _post(self, path: str, body: Any) -> None:
        server = next(one for one in self.shop.spec["nodes"] if one["name"] == self.name)
        url = server["url"].removesuffix("base/")
        async with self.http.post(url + path, json=body, headers={"Authorization": "Bearer panel-token"}) as answer:
            assert answer.status == 200, await answer.text()

    async def used(self) -> int:
        return int(await self.shop.value("SELECT used_up + used_down FROM subscriptions"))

    async def is_in_order(self) -> bool:
        found = await auditing.drift(self.shop.tools, self.name)
        off = "SELECT count(*) FROM keys WHERE seen_revision IS DISTINCT FROM wanted_revision"
        return not found and await self.shop.value(off) == 0


@pytest.fixture
async def node(shop: Town) -> AsyncIterator[Node]:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()
    node_id = int(await shop.value("SELECT id FROM nodes WHERE name = 'de-1'"))
    async with aiohttp.ClientSession() as http:
        node = Node(shop, "de-1", node_id, http)
        await node.audit()
        yield node


async def test_traffic_that_a_panel_shows_is_counted_once(node: Node) -> None:
    await node.use(5000)
    for _ in range(2):
        await node.audit()
    assert await node.used() == 5000
    assert await node.is_in_order()


async def test_a_client_changed_and_one_deleted_by_hand_heal(node: Node) -> None:
    email = node.email
    await node.call(f"clients/update/{email}", {"email": email, "enable": False, "totalGB": 1, "limitIp": 9})
    await node.audit()
    assert await node.is_in_order()
    await node.call(f"clients/del/{email}", {})
    assert node.shop.clients("de-1") == {}
    await node.audit()
    assert await node.is_in_order()
    assert email in node.shop.clients("de-1")


async def test_a_backup_from_before_a_change_of_limits_is_put_right_and_counts_nothing_twice(node: Node) -> None:
    await node.use(7000)
    await node.audit()
    await node.emu("snapshot")
    await node.use(3000)
    await node.audit()
    ref = await node.shop.value("SELECT ref FROM subscriptions")
    await lifecycle.limit(node.shop.tools, ref, Cause("operator:cli", "asked for"), devices=2)
    await node.shop.work()
    await node.emu("restore")
    for _ in range(2):
        await node.audit()
    assert await node.used() == 10_000
    assert await node.is_in_order()


@pytest.mark.parametrize(
    "fault",
    [{"mode": "html", "status": 200}, {"mode": "empty"}, {"mode": "status", "status": 500}, {"mode": "drop_before"}],
    ids=["HTML", "empty", "500", "cut off"],
)
async def test_a_listing_that_is_none_changes_nothing(node: Node, fault: dict[str, Any]) -> None:
    await node.use(400)
    node.shop.fault("de-1", times=-1, route="clients/list", **fault)
    await node.audit()
    found = "SELECT count(*) FROM key_events WHERE what IN ('drifted', 'stray')"
    assert (await node.used(), await node.shop.value(found)) == (0, 0)
    node.shop.panels["de-1"].weather.clear()
    await node.shop.rows("UPDATE nodes SET try_at = NULL RETURNING id")
    await node.audit()
    assert await node.used() == 400
    assert await node.is_in_order()
