"""The weather of the script, brought over the emulators at its time, cleared at the end, and counted."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import aiohttp

from ferryman_sandbox.chaos.script import Gust, Sky
from ferryman_sandbox.chaos.ways import Way
from ferryman_sandbox.world.patience import whenever
from ferryman_sandbox.world.wreck import WorldError

Json = dict[str, Any]

PANEL_ROUTE = "/panel/api/"
TELEGRAM_ROUTE = "/bot"


def skies(ways: Mapping[str, Way], site: Mapping[str, Any]) -> list[Sky]:
    """Every service of a world that weather may come over."""
    return [
        *(Sky(way.name, way.route, way.webhooks) for way in ways.values() if way.has_weather),
        *(Sky(panel, PANEL_ROUTE) for panel in site["panels"]),
        Sky("telegram", TELEGRAM_ROUTE),
    ]


class Weather:
    """`ordered` counts what the emulators cannot tell afterwards: webhooks disturbed or forged, updates doubled."""

    def __init__(self, http: aiohttp.ClientSession, site: Mapping[str, Any], over: Sequence[Sky]) -> None:
        self._http = http
        self._sites: dict[str, str] = {**site, **site["tills"], **site["panels"]}
        self._over = over
        self.ordered: Counter[str] = Counter()

    async def blow(self, gusts: Sequence[Gust], paid: Callable[[], int]) -> None:
        """Each gust when its time has come."""
        for gust in gusts:
            await whenever(partial(_is_time, gust, paid))
            await self._bring(gust)

    async def clear(self) -> None:
        for sky in self._over:
            await self._control("DELETE", sky.place, "faults")
            if sky.webhooks:
                await self._withdraw(sky.place)

    async def hits(self) -> Counter[str]:
        """How many calls were hit, by kind."""
        counted = Counter(self.ordered)
        for sky in self._over:
            counted.update((await self._control("GET", sky.place, "faults"))["hits"])
        return counted

    async def _bring(self, gust: Gust) -> None:
        if gust.kind == "webhooks":
            await self._withdraw(gust.place)
            self.ordered[f"webhook_{gust.body['mode']}"] += int(gust.body["times"])
        elif gust.kind == "updates":
            self.ordered["update_doubled"] += int(gust.body["duplicate"])
        elif gust.kind == "forge":
            if not await self._control("GET", gust.place, "payments"):
                return
            self.ordered["webhook_forged"] += 1
        await self._control("POST", gust.place, gust.kind, gust.body)

    async def _withdraw(self, place: str) -> None:
        """What is left of an earlier disturbance never happened."""
        left = await self._control("GET", place, "webhooks")
        if left["mode"] != "normal":
            self.ordered[f"webhook_{left['mode']}"] -= int(left["times"])
            await self._control("POST", place, "webhooks", {"mode": "normal"})

    async def _control(self, method: str, place: str, kind: str, body: Json | None = None) -> Any:
        url = f"{self._sites[place]}/__emu/{kind}"
        async with self._http.request(method, url, json=body) as answer:
            if answer.status != 200:
                raise WorldError(f"{place} answered {answer.status} to {kind}: {(await answer.text())[:200]}")
            return await answer.json()


def _is_time(gust: Gust, paid: Callable[[], int]) -> bool:
    return paid() >= gust.after
