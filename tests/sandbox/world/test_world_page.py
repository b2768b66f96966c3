"""The page's own server: one look at the world, the weather buttons, and who may press them."""

from typing import Any

import aiohttp
import pytest

from ferryman_sandbox.world import World, product
from ferryman_sandbox.world.patience import until

PATIENCE = 30.0


async def look(live: World, http: aiohttp.ClientSession) -> Any:
    async with http.get(f"{live.addresses.page}/api/world") as response:
        assert response.status == 200
        return await response.json()


async def order(live: World, http: aiohttp.ClientSession, name: str, **headers: str) -> tuple[int, Any]:
    async with http.post(f"{live.addresses.page}/api/weather/{name}", headers=headers) as response:
        text = await response.text()
        return response.status, await response.json() if response.content_type == "application/json" else text


async def seen(live: World, http: aiohttp.ClientSession, holds: Any) -> None:
    async def now() -> bool:
        return bool(holds(await look(live, http)))

    await until(now, PATIENCE, "the page does not show it")


async def test_one_look_shows_every_part_of_the_world(live: World, http: aiohttp.ClientSession) -> None:
    view = await look(live, http)
    assert view["product"]["ready"] is True
    assert [panel["flag"] for panel in view["panels"]] == ["🇩🇪", "🇳🇱", "🇫🇮"]
    assert all(panel["up"] for panel in view["panels"])
    assert view["known"]["numbers"]["lost"] == 0
    assert view["journeys"] == view["bank"] == view["deliveries"] == []


async def test_the_operators_token_never_reaches_the_page(live: World, http: aiohttp.ClientSession) -> None:
    for path in ("/", "/api/world", "/api/addresses", "/assets/world.js"):
        async with http.get(live.addresses.page + path) as response:
            assert live.secrets.operator not in await response.text()


@pytest.mark.parametrize(("name", "mode"), [("lose", "drop"), ("twice", "duplicate"), ("early", "before_answer")])
async def test_webhook_weather_is_ordered_and_called_off(
    live: World, http: aiohttp.ClientSession, name: str, mode: str
) -> None:
    assert (await order(live, http, name))[0] == 200
    await seen(live, http, lambda view: view["weather"]["webhooks"]["mode"] == mode)
    assert (await order(live, http, "clear"))[0] == 200
    await seen(live, http, lambda view: view["weather"]["webhooks"]["mode"] == "normal")


async def test_the_first_panel_goes_down_and_comes_back(live: World, http: aiohttp.ClientSession) -> None:
    panel = live.addresses.panels["de-1"]
    await order(live, http, "down")
    await seen(live, http, lambda view: [one["up"] for one in view["panels"]] == [False, True, True])
    with pytest.raises(aiohttp.ClientError):
        await http.get(f"{panel}/harbour-de-1/")
    await order(live, http, "back")
    await seen(live, http, lambda view: view["panels"][0]["up"])
    assert (await http.get(f"{panel}/harbour-de-1/")).status < 500


async def test_an_answer_of_the_panel_can_be_lost_after_the_effect(live: World, http: aiohttp.ClientSession) -> None:
    await order(live, http, "lost_answer")
    await seen(live, http, lambda view: view["panels"][0]["answers_to_lose"] == 1)
    await order(live, http, "clear")
    await seen(live, http, lambda view: view["panels"][0]["answers_to_lose"] == 0)


async def test_telegram_can_be_too_busy_to_send(live: World, http: aiohttp.ClientSession) -> None:
    await order(live, http, "busy")
    async with http.post(f"{live.addresses.telegram}/bot{live.secrets.bot_token}/sendMessage", json={}) as response:
        assert response.status == 429
        assert (await response.json())["parameters"] == {"retry_after": 3}


async def test_a_forged_webhook_is_sent_and_the_answer_shown(live: World, http: aiohttp.ClientSession) -> None:
    status, told = await order(live, http, "forge")
    assert (status, told["answers"][0]["status"]) == (200, 200)
    await seen(live, http, lambda view: view["deliveries"] and view["deliveries"][0]["forged"])


async def test_killing_the_product_shows_and_passes(live: World, http: aiohttp.ClientSession) -> None:
    status, told = await order(live, http, "kill")
    assert status == 200
    assert told["pid"] > 0
    await seen(live, http, lambda view: view["product"]["restarts"] == 1 and view["product"]["ready"])


async def test_killing_twice_in_a_row_is_answered_calmly(
    live: World, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "RESTART_PAUSE", 30.0)
    await order(live, http, "kill")

    async def down() -> bool:
        return live.product is not None and live.product.pid is None

    await until(down, PATIENCE, "the product did not fall")
    assert await order(live, http, "kill") == (409, "the product is not running at this moment")


async def test_while_the_product_is_silent_its_last_words_are_kept(live: World, http: aiohttp.ClientSession) -> None:
    assert (await look(live, http))["fresh"] is True
    await order(live, http, "kill")
    await seen(live, http, lambda view: not view["fresh"] and view["known"]["numbers"]["lost"] == 0)
    await seen(live, http, lambda view: view["fresh"])


async def test_a_new_world_has_a_named_bot_and_customers_who_use_their_keys(
    live: World, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{live.addresses.telegram}/__emu/bots") as response:
        assert [bot["first_name"] for bot in await response.json()] == ["Ferryman VPN"]
    for panel in live.addresses.panels.values():
        async with http.get(f"{panel}/__emu/switches") as response:
            assert (await response.json())["simulate"] > 0


async def test_unknown_weather_and_foreign_files_are_not_found(live: World, http: aiohttp.ClientSession) -> None:
    assert (await order(live, http, "earthquake"))[0] == 404
    for path in ("/assets/nothing.js", "/assets/..%2Fpage.py"):
        async with http.get(live.addresses.page + path) as response:
            assert response.status == 404


async def test_a_page_of_another_site_may_not_press_the_buttons(live: World, http: aiohttp.ClientSession) -> None:
    assert (await order(live, http, "kill", Origin="https://elsewhere.example"))[0] == 403
    assert (await order(live, http, "clear", Origin=live.addresses.page))[0] == 200


async def test_the_way_back_from_the_bank_has_a_page(live: World, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{live.addresses.page}/back") as response:
        assert 'data-testid="back-page"' in await response.text()


async def test_both_languages_of_the_page_say_the_same_things(live: World, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{live.addresses.page}/assets/words.js") as response:
        words = await response.text()
    russian, english = (
        {line.strip().partition(":")[0] for line in part.splitlines() if line.startswith("    ")}
        for part in words.split("  en: {")
    )
    assert russian == english
    assert len(russian) > 50
