"""The moves of `fleet.access` lead every generation of panels back to what is owed, over real HTTP."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ferryman.fleet.access import Ours, differences, moves
from ferryman.fleet.panel import Access, PanelTools, Seen
from ferryman.kit.errors import FerrymanError
from tests.fleet.panels.emulated import World, emulated

pytestmark = pytest.mark.weather

PEOPLE, SPOILT = 6, 8
# The panel keeps whole milliseconds.
ENDS = datetime(2030, 1, 1, tzinfo=UTC)


def access(number: int) -> Access:
    return Access(
        email=f"fm-{number}",
        uuid=f"00000000-0000-4000-8000-{number:012}",
        password=f"password-of-{number}",
        sub_id=f"sub-of-{number}",
        enabled=number != 1,
        ends_at=ENDS,
        traffic_bytes=10**10 * (number % 2),
        devices=number % 3,
        inbounds=(1, 2) if number % 2 else (1,),
    )


def stranger(number: int) -> Access:
    return replace(access(100 + number), email=f"guest-{number}", enabled=True)


async def spoil(world: World, chance: random.Random, owed: list[Access]) -> None:
    """One thing that somebody does in the panel by hand."""
    one = chance.choice(owed)
    match chance.choice(["lose", "change", "rename", "copy", "steal", "extra"]):
        case "lose":
            await world.panel.drop(one.email)
        case "change":
            changes = [
                {"enabled": not one.enabled},
                {"ends_at": one.ends_at and one.ends_at - timedelta(days=3)},
                {"ends_at": None},
                {"traffic_bytes": 5},
                {"devices": 9},
                {"inbounds": (2,)},
                {"password": "changed-by-hand"},
            ]
            await world.panel.put(replace(one, **chance.choice(changes)))  # type: ignore[arg-type]
        case "rename":
            await world.panel.drop(one.email)
            await world.panel.put(replace(one, email=f"renamed-{one.email}"))
        case "copy":
            await world.panel.put(replace(one, email=f"copy-of-{one.email}", sub_id=f"other-{one.sub_id}"))
        case "steal":
            await world.panel.drop(one.email)
            theirs = stranger(owed.index(one))
            await world.panel.put(replace(theirs, email=one.email, uuid=theirs.uuid[:-3] + "fff", sub_id="theirs-now"))
        case "extra":
            await world.panel.put(access(50))


async def listed(world: World) -> dict[str, Seen]:
    return {client.email: client async for page in world.panel.everyone() for client in page}


@pytest.mark.parametrize("version", ["3.6.0", "3.2.8", "2.8.9"])
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_was_done_by_hand_is_mended_in_two_rounds(tools: PanelTools, version: str, seed: int) -> None:
    chance = random.Random(seed)
    owed = {one.email: one for one in map(access, range(PEOPLE))}
    known = [*owed.values(), access(50)]
    ours = Ours(
        frozenset(one.email for one in known),
        frozenset(one.uuid for one in known),
        frozenset(one.sub_id for one in known),
    )
    async with emulated(tools, version=version) as world:
        # Panels before 3 take no tokens.
        world.panel = world.panel if version.startswith("3") else world.by_password()
        await world.panel.put_many([*owed.values(), stranger(0), stranger(1)])
        for _ in range(SPOILT):
            try:
                await spoil(world, chance, list(owed.values()))
            except FerrymanError:
                continue  # nothing to be done by hand either: the name or the subId is taken
        before = await listed(world)
        alien = {name for name, one in before.items() if not ours.carried_by(one)}
        for _ in range(2):
            found = moves(owed, (await listed(world)).values(), ours, datetime.now(UTC))
            await world.panel.drop_many([drop.seen.email for drop in found.drop])
            await world.panel.put_many([put.access for put in found.put])
        after = await listed(world)
        left = moves(owed, after.values(), ours, datetime.now(UTC))
    assert (left.put, left.drop) == ((), ())
    assert {client.email for client in left.conflict} == alien & owed.keys()
    assert {name: after[name] for name in alien} == {name: before[name] for name in alien}
    for email, one in owed.items():
        if email not in alien and one.enabled:
            assert differences(after[email], one, datetime.now(UTC)) == ()
