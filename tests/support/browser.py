"""A real browser, for pages that need one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

CHROMIUM = Path("/usr/bin/chromium")
# Other tests have the processor as well; by itself it would be 5 s.
expect.set_options(timeout=20_000)

in_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no Chromium on this machine"),
]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        await browser.close()


@asynccontextmanager
async def strict_page(browser: Browser, *places: str, **context: Any) -> AsyncIterator[Page]:
    """A page on which any script error fails the test, and which asks nobody whose address begins otherwise than
    `places` do."""
    wrong: list[str] = []
    known = (*places, "data:", "about:")
    window = await browser.new_context(**context)
    page = await window.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(known) else wrong.append(request.url))
    yield page
    await window.close()
    assert wrong == []
