"""The paged list: every order and filter a table offers, over clients whose differences are known."""

import asyncio
import time
import uuid

import pytest

from tests.sandbox.xui.driver import Document, PanelDriver

GIB = 1 << 30
PAST = 1_600_000_000_000
FUTURE = 4_102_444_800_000


class Table:
    """Three clients on an inbound of their own: `small` has used most, `large` nothing, `free` has no limits."""

    def __init__(self, panel: PanelDriver, clients: dict[str, Document]) -> None:
        self.panel = panel
        self.clients = clients

    async def page(self, query: str) -> Document:
        found: Document = (await self.panel.get(f"clients/list/paged?inbound={self.panel.ids[0]}&{query}")).obj
        return found

    async def names(self, query: str) -> list[str]:
        """Who is on the page, in order, by the names used here."""
        emails = {client["email"]: name for name, client in self.clients.items()}
        return [emails[item["email"]] for item in (await self.page(query))["items"]]


async def _next_millisecond() -> None:
    """Clients are dated by the millisecond, and their order is by date."""
    before = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 <= before + 1:
        await asyncio.sleep(0)


@pytest.fixture
async def table(panel: PanelDriver) -> Table:
    tag = uuid.uuid4().hex[:8]
    clients = {
        "small": await panel.added(email=f"b{tag}", totalGB=GIB, expiryTime=FUTURE, tgId=77_000_001, comment="Ольга")
    }
    await _next_millisecond()
    clients["large"] = await panel.added(email=f"c{tag}", totalGB=9 * GIB, expiryTime=FUTURE + 5, reset=30)
    await _next_millisecond()
    clients["free"] = await panel.add(panel.new_client(email=f"A{tag}"), *panel.ids)
    await panel.set_counters(clients["small"]["email"], 1000, 2000)
    await panel.set_counters(clients["free"]["email"], 10, 0)
    return Table(panel, clients)


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("email", "free small large"),
        ("traffic", "large free small"),
        ("remaining", "small large free"),
        ("expiryTime", "small large free"),
        ("inboundIds", "small large free"),
        ("createdAt", "small large free"),
        ("nonsense", "small large free"),
    ],
)
async def test_an_order_and_its_reverse(table: Table, sort: str, order: str) -> None:
    if sort == "createdAt" and table.panel.version < (3, 2, 0):
        sort = "nonsense"
    assert await table.names(f"sort={sort}&order=ascend") == order.split()
    backwards = await table.names(f"sort={sort}&order=descend")
    if sort in ("email", "traffic", "createdAt"):
        assert backwards == order.split()[::-1]
    else:
        assert set(backwards) == set(order.split())


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("filter=active", "small large free"),
        ("filter=deactive", ""),
        ("filter=depleted", ""),
        ("filter=online", ""),
        ("protocol=vless", "small large free"),
        ("protocol=trojan", ""),
        ("pageSize=2", "small large"),
        ("pageSize=2&page=2", "free"),
    ],
)
async def test_a_filter_of_every_version(table: Table, query: str, found: str) -> None:
    assert await table.names(query) == found.split()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"expiryFrom={FUTURE + 1}", "large"),
        (f"expiryTo={FUTURE + 1}", "small"),
        ("usageFrom=3000", "small"),
        ("usageTo=10", "large free"),
        ("autoRenew=on", "large"),
        ("autoRenew=off", "small free"),
        ("hasTgId=yes", "small"),
        ("hasTgId=no", "large free"),
        ("hasComment=yes", "small"),
        ("hasComment=no", "large free"),
        ("group=none", ""),
    ],
)
async def test_a_filter_that_came_with_3_2_0(table: Table, query: str, found: str) -> None:
    everybody = ["small", "large", "free"]
    assert await table.names(query) == (found.split() if table.panel.version >= (3, 2, 0) else everybody)


async def test_a_depleted_client_is_listed_as_such(table: Table) -> None:
    small = table.clients["small"]
    await table.panel.update(small["email"], small | {"expiryTime": PAST})
    assert await table.names("filter=depleted") == ["small"]
    assert await table.names("filter=active") == ["large", "free"]


async def test_a_search_looks_into_credentials_and_telegram_ids_of_later_versions(table: Table) -> None:
    small = table.clients["small"]
    credential = (await table.panel.record(small["email"]))["uuid"]
    assert await table.names(f"search={small['subId']}") == ["small"]
    assert await table.names(f"search={credential}") == (["small"] if table.panel.version >= (3, 2, 0) else [])
    assert await table.names("search=77000001") == (["small"] if table.panel.version >= (3, 5, 0) else [])


async def test_several_buckets_are_one_or_the_other(table: Table) -> None:
    large = table.clients["large"]
    await table.panel.update(large["email"], large | {"enable": False})
    if table.panel.version >= (3, 2, 0):
        assert await table.names("filter=deactive,depleted") == ["large"]
    assert await table.names("filter=deactive") == ["large"]


async def test_groups_are_known_from_3_2_0_on(panel: PanelDriver) -> None:
    group = f"g{uuid.uuid4().hex[:8]}"
    client = await panel.added(group=group)
    if panel.version < (3, 2, 0):
        assert "group" not in await panel.record(client["email"])
        return
    page = (await panel.get(f"clients/list/paged?group={group}")).obj
    assert [item["group"] for item in page["items"]] == [group]
    assert group in page["groups"]


async def test_the_summary_counts_each_client_once(newest: PanelDriver) -> None:
    await newest.added()
    suspended = await newest.added()
    await newest.update(suspended["email"], suspended | {"enable": False})
    depleted = await newest.added(expiryTime=PAST)
    await newest.update(depleted["email"], depleted | {"enable": False})
    summary = (await newest.get("clients/list/paged")).obj["summary"]
    assert (summary["total"], summary["active"]) == (3, 1)
    assert (summary["deactiveCount"], summary["depletedCount"], summary["onlineCount"]) == (1, 1, 0)
    assert (summary["deactive"], summary["depleted"]) == ([suspended["email"]], [depleted["email"]])


async def test_who_is_online_is_counted_and_found(newest: PanelDriver) -> None:
    client, _ = await newest.added(), await newest.added()
    await newest.emu("traffic", {"email": client["email"], "down": 1})
    await newest.emu("tick", {})
    page = (await newest.get("clients/list/paged?filter=online")).obj
    assert [item["email"] for item in page["items"]] == [client["email"]]
    assert page["summary"]["online"] == [client["email"]]
