"""A world of emulators in the test's own process, and the product beside it as processes that can be killed."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ferryman_sandbox.world import World
from ferryman_sandbox.world.product import installed_command
from ferryman_sandbox.world.recipe import surroundings
from tests.kill.people import Person
from tests.kill.product import Product
from tests.kill.reckoning import Counting
from tests.support.chat import until


@dataclass
class Lab:
    """The emulators live through every kill, and so does the database: only the product dies."""

    world: World
    product: Product
    http: aiohttp.ClientSession
    database_url: str
    people: list[Person] = field(default_factory=list)

    @property
    def site(self) -> dict[str, Any]:
        return self.world.announced

    def person(self, name: str) -> Person:
        self.people.append(Person(self.site, self.http, name))
        return self.people[-1]

    def counting(self) -> Counting:
        return Counting(self.site, self.http, self.database_url, self.people)

    async def settle(self, seconds: float) -> None:
        """Wait until the product has nothing left to do; fails when that takes longer."""
        await self.product.ready()
        counting = self.counting()
        try:
            await until(counting.settled, "the world to settle", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; left: {await counting.left()}") from error

    async def all_is_well(self) -> None:
        assert await self.counting().wrong() == []
        assert self.product.surprises() == []

    async def bank(self) -> list[dict[str, Any]]:
        """The bank's payments, newest first."""
        return list(await self._emu("yookassa", "payments"))

    async def clients(self, node: str) -> list[dict[str, Any]]:
        return list((await self._emu(node, "state"))["clients"])

    async def fault(self, place: str, **spec: Any) -> None:
        """Bad weather at "telegram", "yookassa" or a node."""
        async with self.http.post(f"{self._emulator(place)}/__emu/faults", json=spec) as answer:
            assert answer.status == 200, await answer.text()

    async def hit(self, place: str, mode: str) -> bool:
        """Whether a fault of that mode has met its call."""
        return bool((await self._emu(place, "faults"))["hits"].get(mode))

    async def _emu(self, place: str, what: str) -> Any:
        async with self.http.get(f"{self._emulator(place)}/__emu/{what}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    def _emulator(self, place: str) -> str:
        sites: dict[str, str] = {**self.site, **self.site["panels"]}
        return sites[place]


Launch = Callable[[Sequence[str]], AbstractAsyncContextManager[Lab]]


@pytest.fixture(scope="session")
def byte_code(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Lets processes keep what they compile, as an installation does: compiling anew at each start takes seconds."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("byte-code"))}


@pytest.fixture
def launch(tmp_path: Path, database_url: str, byte_code: dict[str, str]) -> Launch:
    """`async with launch(("run",)) as lab:` a furnished world with the product ready in it."""

    @asynccontextmanager
    async def launched(verbs: Sequence[str]) -> AsyncIterator[Lab]:
        timeout = aiohttp.ClientTimeout(total=30)
        async with (
            World(tmp_path / "world", say=lambda _: None, with_product=False) as world,
            aiohttp.ClientSession(timeout=timeout) as http,
        ):
            environment = surroundings() | byte_code | world.variables | {"DATABASE_URL": database_url}
            product = Product(verbs, installed_command(), tmp_path / "logs", environment, world.addresses.product)
            try:
                await product.apply(world.recipe)
                await product.start()
                yield Lab(world, product, http, database_url)
            finally:
                await product.stop()

    return launched
