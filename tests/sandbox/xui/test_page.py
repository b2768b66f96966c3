"""The page for people, in a real browser, and the view it is drawn from."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.sandbox.xui.driver import PanelDriver
from tests.support.browser import in_browser, strict_page

MIB = 1 << 20


@pytest.fixture
async def page(browser: Browser, newest: PanelDriver) -> AsyncIterator[Page]:
    """The panel's page, already open."""
    async with strict_page(browser, newest.url, locale="en-US") as page:
        await page.goto(f"{newest.url}__emu/panel")
        yield page


class TestInABrowser:
    pytestmark = in_browser

    async def test_a_new_client_appears_without_reloading(self, page: Page, newest: PanelDriver) -> None:
        await expect(page.get_by_test_id("empty")).to_be_visible()
        client = await newest.added(totalGB=4 * MIB, expiryTime=0)
        row = page.get_by_test_id(f"client-{client['email']}")
        await expect(row.get_by_test_id("client-email")).to_have_text(client["email"])
        await expect(row.get_by_test_id("client-inbounds")).to_have_text("#1")
        await expect(row.get_by_test_id("client-expiry")).to_have_text("∞")
        await expect(row.get_by_test_id("client-traffic")).to_have_text("0 B / 4.0 MB")
        await expect(page.get_by_test_id("count-clients")).to_have_text("1")
        await expect(page.get_by_test_id("empty")).to_be_hidden()

    async def test_a_suspended_and_a_depleted_client_look_different(self, page: Page, newest: PanelDriver) -> None:
        suspended, depleted = await newest.added(), await newest.added(totalGB=MIB)
        await newest.update(suspended["email"], suspended | {"enable": False})
        await newest.emu("traffic", {"email": depleted["email"], "down": MIB})
        await newest.emu("tick", {})
        for client, word in ((suspended, "disabled"), (depleted, "ran out")):
            state = page.get_by_test_id(f"client-{client['email']}").get_by_test_id("client-state")
            await expect(state).to_contain_text(word)
            await expect(state).to_have_attribute("data-enabled", "false")

    async def test_the_core_and_the_inbounds_show_their_state(self, page: Page, newest: PanelDriver) -> None:
        await expect(page.get_by_test_id("core-state")).to_contain_text("running")
        await newest.emu("switches", {"xray_down": True})
        await newest.post(f"inbounds/setEnable/{newest.ids[1]}", {"enable": False})
        await expect(page.get_by_test_id("core-state")).to_contain_text("down")
        await expect(page.get_by_test_id(f"inbound-{newest.ids[1]}")).to_have_class("chip off")

    async def test_the_page_says_what_it_is(self, page: Page) -> None:
        await expect(page.get_by_test_id("emulator-mark")).to_contain_text("emulator · test money")
        await expect(page.get_by_test_id("panel-version")).to_have_text("3X-UI 3.6.0")

    async def test_markup_in_an_email_stays_text(self, page: Page, newest: PanelDriver) -> None:
        await newest.added(email="<b>bold<!--")
        await expect(page.get_by_test_id("client-email")).to_have_text("<b>bold<!--")

    async def test_a_dead_emulator_is_announced(self, page: Page, newest: PanelDriver) -> None:
        await expect(page.get_by_test_id("offline")).to_be_hidden()
        await page.route("**/state*", lambda route: route.abort())
        await expect(page.get_by_test_id("offline")).to_be_visible()

    async def test_a_russian_reader_gets_russian(self, browser: Browser, newest: PanelDriver) -> None:
        context = await browser.new_context(locale="ru-RU")
        page = await context.new_page()
        await page.goto(f"{newest.url}__emu/panel")
        await expect(page.get_by_test_id("emulator-mark")).to_contain_text("эмулятор · тестовые деньги")
        await context.close()


async def test_the_view_holds_inbounds_clients_rows_and_runtime(newest: PanelDriver) -> None:
    client = await newest.add(newest.new_client(), *newest.ids[:2])
    state = await newest.emu("state")
    assert [(one["id"], one["clientCount"]) for one in state["inbounds"]] == [(1, 1), (2, 1), (3, 0)]
    assert (state["clients"][0]["email"], state["clients"][0]["inboundIds"]) == (client["email"], [1, 2])
    assert state["traffic"][0]["email"] == client["email"]
    assert len(state["runtime"]["users"]) == 2
    assert state["counts"] == {"clients": 1, "online": 0, "loaded": 1}


async def test_a_limited_view_shows_the_newest_clients(newest: PanelDriver) -> None:
    clients = [await newest.added() for _ in range(3)]
    state = await newest.emu("state?limit=2")
    assert [one["email"] for one in state["clients"]] == [clients[2]["email"], clients[1]["email"]]
    assert state["counts"]["clients"] == 3


async def test_the_page_gives_out_its_own_files_only(newest: PanelDriver) -> None:
    for name, status in (("panel.css", 200), ("panel.js", 200), ("emulator.py", 404), ("..%2Fstore.py", 404)):
        async with newest.http.get(f"{newest.url}__emu/panel/{name}") as response:
            assert response.status == status
