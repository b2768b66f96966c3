"""Starts everything in the right order, tells what it does, and takes it all down again."""

import secrets as dice
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

import ferryman_sandbox.world.tills as tills
from ferryman_sandbox.emulator import Emulator, Server, serve
from ferryman_sandbox.telegram import TelegramEmulator
from ferryman_sandbox.world.buttons import furnishing
from ferryman_sandbox.world.kept import Kept
from ferryman_sandbox.world.page import WorldPage
from ferryman_sandbox.world.product import Product, installed_command
from ferryman_sandbox.world.recipe import (
    PLACES,
    SHOP_ID,
    Addresses,
    Secrets,
    configuration,
    hook_url,
    surroundings,
    variables,
)
from ferryman_sandbox.xui import XuiEmulator
from ferryman_sandbox.yookassa import YooKassaEmulator

SAY = partial(print, flush=True)  # at once, even into a file or a pipe


class World:
    """`async with World(folder) as world:` runs it. `with_product=False` leaves the product to somebody else.

    `command` is the product's command line before its verb; `say` gets the lines meant for a person. Raises WorldError.
    """

    def __init__(
        self,
        folder: Path,
        *,
        say: Callable[[str], None] = SAY,
        with_product: bool = True,
        command: Sequence[str] = (),
    ) -> None:
        self.folder = folder.resolve()
        self._say = say
        self._with_product = with_product
        self._command = command
        self._servers: list[Server] = []
        self._kept: Kept | None = None
        self.product: Product | None = None
        self.addresses = Addresses("", "", "", {}, "")
        self.secrets = Secrets("", "", {}, "", "")

    @property
    def recipe(self) -> Path:
        """The shop file for `ferryman apply`."""
        return self.folder / "world.toml"

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which the product finds this world."""
        return variables(self.folder, self.addresses, self.secrets)

    @property
    def announced(self) -> dict[str, Any]:
        """What other processes of this user may learn of a running world."""
        return {**asdict(self.addresses), "operator_token": self.secrets.operator}

    async def __aenter__(self) -> "World":
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.stop)
            await self._start()
            undo.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Safe to call at any point of the start, and twice."""
        if self.product is not None:
            self._say("🌙 stopping the product")
            await self.product.stop()
            self.product = None
        servers, self._servers = self._servers, []
        for server in reversed(servers):
            await server.stop()
        if self._kept is not None:
            self._kept.close()
            self._kept = None
            self._say("⚓ everything is stopped; the next start continues from here")

    async def _start(self) -> None:
        self._kept = kept = Kept(self.folder)
        self._say(f"🌍 the world lives in {self.folder}")
        self.secrets = _secrets(kept)
        self.addresses = Addresses(
            page=_url(kept.port("page")),
            telegram=_url(kept.port("telegram")),
            yookassa=_url(kept.port("yookassa")),
            panels={place.name: _url(kept.port(f"panel {place.name}")) for place in PLACES},
            product=_url(kept.port("product")),
            tills={till.name: _url(kept.port(f"till {till.name}")) for till in tills.offered()},
        )
        await self._start_emulators(kept)
        self.recipe.write_text(configuration(self.addresses, self.secrets), encoding="utf-8")
        self.recipe.chmod(0o600)
        if self._with_product:
            await self._start_product()
        page = WorldPage(self.addresses, self.secrets, self.product)
        await self._serve(page.app, self.addresses.page)
        kept.announce(self.announced)

    async def _start_emulators(self, kept: Kept) -> None:
        telegram = TelegramEmulator(kept.emulator_store("telegram"), tokens=[self.secrets.bot_token])
        await self._serve_emulator(telegram, self.addresses.telegram, "💬 Telegram")
        shop = YooKassaEmulator(
            kept.emulator_store("yookassa"),
            shop_id=SHOP_ID,
            secret_key=self.secrets.shop_key,
            notify_url=hook_url(self.addresses, self.secrets),
            # A test shop takes cards and its own wallet only, and people here want to press every button.
            test=False,
        )
        await self._serve_emulator(shop, self.addresses.yookassa, "🏦 YooKassa")
        for till in tills.offered():
            hook = hook_url(self.addresses, self.secrets, till.name)
            emulator = till.emulator(kept.emulator_store(f"till-{till.name}"), self.secrets.tills[till.name], hook)
            await self._serve_emulator(emulator, self.addresses.tills[till.name], till.title)
        for place in PLACES:
            panel = XuiEmulator(
                kept.emulator_store(f"panel-{place.name}"),
                version="3.6.0",
                base_path=place.base_path,
                username="captain",
                password=self.secrets.panel_tokens[place.name],
                api_token=self.secrets.panel_tokens[place.name],
                inbounds=place.inbounds,
                title=f"3X-UI {place.title['en']}",
                flag=place.flag,
                ticking=True,
            )
            title = f"{place.flag} 3X-UI {place.title['en']}"
            await self._serve_emulator(panel, self.addresses.panels[place.name], title)
        async with aiohttp.ClientSession() as http:
            for order in furnishing(self.addresses, self.secrets.bot_token):
                await order.give(http)

    async def _serve_emulator(self, emulator: Emulator, url: str, title: str) -> None:
        await self._serve(emulator.app, url)
        self._say(f"   {title:<24} {url}")

    async def _serve(self, app: web.Application, url: str) -> None:
        self._servers.append(await serve(app, int(url.rsplit(":", 1)[1])))

    async def _start_product(self) -> None:
        command = self._command or installed_command()
        environment = surroundings() | self.variables
        self.product = product = Product(command, self.folder, environment, self.addresses.product, self._say)
        self._say("🧾 ferryman apply world.toml")
        await product.apply(self.recipe)
        self._say("⛴  ferryman run")
        await product.start()
        self._say(f"   {'⛴  Ferryman':<24} {self.addresses.product}")


def _secrets(kept: Kept) -> Secrets:
    return Secrets(
        bot_token=kept.secret("bot", lambda: f"{dice.randbelow(9 * 10**8) + 10**8}:{dice.token_urlsafe(26)}"),
        shop_key=kept.secret("bank", lambda: f"live_{dice.token_urlsafe(24)}"),
        panel_tokens={place.name: kept.secret(f"panel {place.name}") for place in PLACES},
        operator=kept.secret("operator"),
        hook=kept.secret("hook"),
        tills={till.name: kept.secret(f"till {till.name}", _key) for till in tills.offered()},
    )


def _key() -> str:
    """Long enough for every service, and of letters and digits alone, which all of them take."""
    return dice.token_hex(20)


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"
