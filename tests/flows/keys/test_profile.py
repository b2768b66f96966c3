"""The subscription link tells the truth: nodes that have the key, what is left, and nothing to strangers."""

import base64
from urllib.parse import unquote

import pytest

from ferryman.delivery.profile import Rendered, render_base64
from ferryman.flows.keys import profile, provisioning
from tests.support.shop import Town


async def fetched(shop: Town) -> Rendered:
    token = await shop.value("SELECT token FROM subscriptions")
    found = await profile.of_token(shop.tools, token)
    assert found is not None
    return render_base64(found)


def links(rendered: Rendered) -> list[str]:
    return base64.b64decode(rendered.body).decode().split()


async def bought(shop: Town) -> None:
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await shop.work()


async def test_every_node_that_has_the_key_is_in_the_link(shop: Town) -> None:
    await bought(shop)
    rendered = await fetched(shop)
    assert rendered.left_out == ()
    reality, websocket, trojan = links(rendered)
    assert reality.startswith("vless://")
    assert "security=reality" in reality
    assert "flow=xtls-rprx-vision" in reality
    assert "@de-1.example.net:21443" in reality
    assert "type=ws" in websocket
    assert trojan.startswith("trojan://")
    assert unquote(trojan).endswith("🇫🇮 Узел FI")


async def test_the_credentials_in_the_links_are_those_on_the_panels(shop: Town) -> None:
    await bought(shop)
    (client,) = shop.clients("fi-1").values()
    reality, websocket, trojan = links(await fetched(shop))
    assert f"//{client['uuid']}@" in reality
    assert f"//{client['uuid']}@" in websocket
    assert f"//{client['password']}@" in unquote(trojan)


async def test_a_node_that_is_down_at_purchase_joins_the_link_when_it_has_the_key(shop: Town) -> None:
    shop.fault("nl-1", mode="drop_before", times=-1)
    await bought(shop)
    assert len(links(await fetched(shop))) == 2
    shop.panels["nl-1"].weather.clear()
    await shop.later(seconds=61)
    await shop.tools.jobs.drain()
    await reconcile_all(shop)
    assert len(links(await fetched(shop))) == 3


async def test_a_node_that_goes_down_later_stays_in_the_link(shop: Town) -> None:
    await bought(shop)
    shop.fault("nl-1", mode="drop_before", times=-1)
    assert len(links(await fetched(shop))) == 3


async def test_a_node_that_is_switched_off_leaves_the_link(shop: Town) -> None:
    await bought(shop)
    await shop.rows("UPDATE nodes SET mode = 'off' WHERE name = 'nl-1' RETURNING id")
    assert len(links(await fetched(shop))) == 2


async def test_an_ended_subscription_says_so_and_gives_no_way_in(shop: Town) -> None:
    await bought(shop)
    shop.tools.clock.advance(days=31)  # type: ignore[attr-defined]
    (only,) = links(await fetched(shop))
    assert "127.0.0.1" in only
    assert "закончилась" in unquote(only)


async def test_before_any_key_is_made_the_app_is_told_to_come_back(shop: Town) -> None:
    for node in shop.panels:
        shop.fault(node, mode="drop_before", times=-1)
    await bought(shop)
    (only,) = links(await fetched(shop))
    assert "готовится" in unquote(only)


async def test_a_token_that_nobody_holds_opens_nothing(shop: Town) -> None:
    await bought(shop)
    assert await profile.of_token(shop.tools, "x" * 24) is None


async def reconcile_all(shop: Town) -> None:
    for (node_id,) in await shop.rows("SELECT id FROM nodes"):
        await provisioning.reconcile_node(shop.tools, node_id)


async def told(shop: Town) -> str:
    """The only entry of a link that leads nowhere: what it says."""
    (only,) = links(await fetched(shop))
    assert "127.0.0.1" in only
    return unquote(only)


@pytest.mark.parametrize(
    ("field", "russian", "english"),
    [
        ("exhausted_at", "Трафик закончился", "traffic is used up"),
        ("frozen_at", "заморожена", "frozen"),
        ("disabled_at", "отключена", "switched off"),
        ("replacing_since", "заменяется", "being replaced"),
    ],
)
async def test_who_may_not_use_their_keys_is_told_why(shop: Town, field: str, russian: str, english: str) -> None:
    await bought(shop)
    await shop.rows(f"UPDATE subscriptions SET {field} = now() RETURNING id")
    assert russian in await told(shop)
    await shop.rows("UPDATE customers SET language = 'en' RETURNING id")
    assert english in await told(shop)
    await shop.rows(f"UPDATE subscriptions SET {field} = NULL RETURNING id")
    assert len(links(await fetched(shop))) == 3


async def test_time_that_stands_still_does_not_end(shop: Town) -> None:
    await bought(shop)
    await shop.rows("UPDATE subscriptions SET frozen_at = now() RETURNING id")
    shop.tools.clock.advance(days=31)  # type: ignore[attr-defined]
    assert "заморожена" in await told(shop)


async def test_a_node_in_quarantine_leaves_the_link_and_comes_back_to_its_place(shop: Town) -> None:
    await bought(shop)
    before = links(await fetched(shop))
    await shop.rows("UPDATE nodes SET quarantined_at = now() WHERE name = 'nl-1' RETURNING id")
    assert links(await fetched(shop)) == [before[0], before[2]]
    await shop.rows("UPDATE nodes SET quarantined_at = NULL RETURNING id")
    assert links(await fetched(shop)) == before


async def test_a_key_that_is_to_go_is_shown_until_another_is_there(shop: Town) -> None:
    await bought(shop)
    await shop.rows("UPDATE keys SET wanted = false RETURNING id")
    assert len(links(await fetched(shop))) == 3
    await shop.rows("UPDATE keys SET wanted = true WHERE id = (SELECT min(id) FROM keys) RETURNING id")
    assert len(links(await fetched(shop))) == 1


async def test_traffic_is_what_was_used_on_all_nodes_also_those_that_were_left(shop: Town) -> None:
    await bought(shop)
    await shop.rows("UPDATE subscriptions SET used_up = 11, used_down = 22 RETURNING id")
    assert (await fetched(shop)).headers["subscription-userinfo"].startswith("upload=11; download=22; ")
