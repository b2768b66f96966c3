"""Share links, and the subscription listener beside the panel."""

import base64
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from ferryman_sandbox.emulator import serve
from tests.sandbox.xui.conftest import start
from tests.sandbox.xui.driver import PanelDriver
from tests.sandbox.xui.old_driver import OldDriver

FUTURE = 4_102_444_800_000
VISION = "xtls-rprx-vision"


@pytest.fixture
async def with_subscriptions(http: aiohttp.ClientSession) -> AsyncIterator[PanelDriver]:
    """The newest panel, its subscription listener running and known to it."""
    running = await start(http)
    listener = await serve(running.emulator.subscription_app())
    await running.driver.emu("switches", {"sub_uri": f"{listener.url}/sub/"})
    yield running.driver
    await listener.stop()
    await running.stop()


async def subscription_of(panel: PanelDriver, sub_id: str) -> tuple[int, str, str]:
    settings = (await panel.call("POST", f"{panel.settings}/defaultSettings")).obj
    async with panel.http.get(settings["subURI"] + sub_id) as response:
        return response.status, response.headers.get("Subscription-Userinfo", ""), await response.text()


async def test_a_link_carries_what_a_reality_client_needs(panel: PanelDriver) -> None:
    client = await panel.added(flow=VISION)
    link = urlsplit((await panel.get(f"clients/links/{client['email']}")).obj[0])
    query = {name: values[0] for name, values in parse_qs(link.query, keep_blank_values=True).items()}
    reality = panel.inbounds[0]["streamSettings"]["realitySettings"]
    assert (link.scheme, link.username) == ("vless", (await panel.record(client["email"]))["uuid"])
    assert link.port == panel.inbounds[0]["port"]
    assert query["pbk"] == reality["settings"]["publicKey"]
    assert query["sni"] in reality["serverNames"]
    assert query["sid"] in reality["shortIds"]
    assert (query["security"], query["type"], query["flow"]) == ("reality", "tcp", VISION)


async def test_one_sub_id_gives_a_link_for_every_inbound(panel: PanelDriver) -> None:
    client = await panel.add(panel.new_client(), *panel.ids)
    links = (await panel.get(f"clients/subLinks/{client['subId']}")).obj
    assert [urlsplit(link).port for link in links] == [inbound["port"] for inbound in panel.inbounds]
    assert parse_qs(urlsplit(links[1]).query)["path"] == ["/ws"]


async def test_links_of_strangers(panel: PanelDriver) -> None:
    assert not (await panel.get("clients/subLinks/nobody-here")).obj
    answer = await panel.get("clients/links/nobody-here")
    assert answer.json["success"] is False or not answer.json["obj"]


async def test_a_subscription_is_base64_lines_with_usage_headers(with_subscriptions: PanelDriver) -> None:
    panel = with_subscriptions
    client = await panel.add(panel.new_client(totalGB=5000, expiryTime=FUTURE), *panel.ids)
    await panel.set_counters(client["email"], 100, 200)
    status, usage, text = await subscription_of(panel, client["subId"])
    links = base64.b64decode(text).decode().splitlines()
    assert status == 200
    assert [link.split("://")[0] for link in links] == ["vless", "vless", "trojan"]
    assert usage == "upload=100; download=200; total=5000; expire=4102444800"


async def test_a_suspended_client_is_still_served_its_links(with_subscriptions: PanelDriver) -> None:
    client = await with_subscriptions.added()
    await with_subscriptions.update(client["email"], client | {"enable": False})
    assert (await subscription_of(with_subscriptions, client["subId"]))[0] == 200


async def test_an_unknown_sub_id_is_an_empty_404(with_subscriptions: PanelDriver) -> None:
    status, _, text = await subscription_of(with_subscriptions, "nobody-here")
    assert (status, text) == (404, "")


async def test_a_link_of_a_trojan_inbound_carries_the_password(newest: PanelDriver) -> None:
    client = await newest.add(newest.new_client(password="p/w d"), newest.ids[2])
    link = (await newest.get(f"clients/links/{client['email']}")).obj[0]
    assert link.startswith("trojan://p%2Fw%20d@127.0.0.1:20445?")
    assert parse_qs(urlsplit(link).query)["alpn"] == ["h2,http/1.1"]


@pytest.fixture
async def old_with_subscriptions(old_emulated: OldDriver) -> AsyncIterator[OldDriver]:
    """An older panel beside a listener of its own."""
    assert old_emulated.emulator is not None
    listener = await serve(old_emulated.emulator.subscription_app())
    await old_emulated.emu("switches", {"sub_uri": f"{listener.url}/sub/"})
    await old_emulated.sign_in()
    old_emulated.token = ""
    yield old_emulated
    await listener.stop()


async def test_an_older_panel_serves_the_same_lines(old_with_subscriptions: OldDriver) -> None:
    panel = old_with_subscriptions
    client = await panel.added(totalGB=5000, expiryTime=FUTURE, flow=VISION)
    status, usage, text = await subscription_of(panel, client["subId"])
    (link,) = base64.b64decode(text).decode().splitlines()
    assert status == 200
    assert link.startswith(f"vless://{client['id']}@")
    assert usage == "upload=0; download=0; total=5000; expire=4102444800"


async def test_an_older_panel_calls_an_unknown_sub_id_an_error(old_with_subscriptions: OldDriver) -> None:
    status, _, text = await subscription_of(old_with_subscriptions, "nobody-here")
    assert (status, text) == (400, "Error!")


async def test_a_suspended_client_is_served_from_2_9_4_on(old_with_subscriptions: OldDriver) -> None:
    client = await old_with_subscriptions.added()
    await old_with_subscriptions.replace(client | {"enable": False})
    status, _, _ = await subscription_of(old_with_subscriptions, client["subId"])
    assert status == (200 if old_with_subscriptions.version >= (2, 9, 4) else 400)


async def test_a_delayed_start_is_counted_from_now_on_in_3_0(old_with_subscriptions: OldDriver) -> None:
    client = await old_with_subscriptions.added(expiryTime=-30 * 86_400_000)
    _, usage, _ = await subscription_of(old_with_subscriptions, client["subId"])
    expire = int(usage.rpartition("=")[2])
    assert (expire > 0) is (old_with_subscriptions.version >= (3, 0, 0))
