"""3X-UI 2.3 to 3.0: panels that lose writes, keep no order, and call one customer several clients."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from ferryman.fleet.panel import Access, PanelTools
from ferryman.fleet.panels.xui import Xui
from ferryman.fleet.panels.xui.session import Timeouts
from ferryman.kit.errors import Busy, Conflict, Refused, Retry, Unreachable
from tests.fleet.panels.contract import GIB, Ground, as_owed, as_promised, everyone, in_days
from tests.fleet.panels.emulated import World, emulated

EVERY = ["2.3.0", "2.6.8", "2.8.11", "2.9.4", "3.0.2"]


@pytest.fixture(params=EVERY)
async def world(request: pytest.FixtureRequest, tools: PanelTools) -> AsyncIterator[World]:
    async with emulated(tools, version=request.param) as world:
        yield world


@pytest.fixture
def ground(world: World) -> Ground:
    return Ground(world.panel, world.inbounds)


def only(*versions: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("world", versions, indirect=True)


async def entries(world: World, access: Access) -> list[tuple[int, dict[str, Any]]]:
    return [(number, one) for number, one in await world.entries() if one.get("id") == access.uuid]


async def add_by_hand(world: World, inbound: int, client: dict[str, Any]) -> None:
    body = {"id": inbound, "settings": json.dumps({"clients": [client]})}
    await world.panel._session.change("inbounds", "addClient", body=body)


async def test_one_customer_has_an_entry_in_each_inbound_with_one_key(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    made = await entries(world, access)
    assert [number for number, _ in made] == [1, 2, 3]
    assert {(one["id"], one["password"], one["subId"]) for _, one in made} == {
        (access.uuid, access.password, access.sub_id)
    }
    shared = world.emulator.panel.switches.version.startswith("3.")
    names = [access.email, *((access.email,) * 2 if shared else (f"{access.email}~i2", f"{access.email}~i3"))]
    assert [one["email"] for _, one in made] == names


async def test_vision_is_only_where_it_can_work(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    flows = {number: one.get("flow", "") for number, one in await entries(world, access)}
    assert flows == {1: "xtls-rprx-vision", 2: "", 3: ""}


async def test_a_repeated_put_changes_nothing(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    before = await world.changes()
    await world.panel.put(access)
    await world.client().put(access)
    assert [call for call in await world.changes() if "/inbounds/" in call] == [
        call for call in before if "/inbounds/" in call
    ]


async def test_a_spent_client_is_let_on_by_a_larger_quota_and_its_counters_stay(world: World, ground: Ground) -> None:
    """On 2.8.1 to 2.8.11 a reset would not let it on, and until 2.9.3 its entry never says that it is off."""
    access = ground.access(traffic_bytes=GIB, inbounds=(1,))
    await world.panel.put(access)
    if world.emulator.panel.switches.version == "2.3.0":
        pytest.skip("counters cannot be set there")
    await world.use(access.email, GIB, 5)
    spent = await world.panel.see(access.email)
    assert spent is not None and not spent.enabled and (spent.up, spent.down, spent.flawed) == (GIB, 5, "")
    before = await world.calls("POST", "inbounds/")
    assert (await world.panel.put(access)).enabled is False
    assert await world.calls("POST", "inbounds/") == before
    more = await world.panel.put(replace(access, traffic_bytes=3 * GIB))
    assert more.enabled and (more.up, more.down) == (GIB, 5)
    await world.advance(10)
    later = await world.panel.see(access.email)
    assert later is not None and later.enabled and later.flawed == ""
    assert not [call for call in await world.calls("POST") if "reset" in call.lower() or "Depleted" in call]


async def test_an_ended_client_is_renewed_after_the_panel_switched_it_off(world: World, ground: Ground) -> None:
    access = ground.access(ends_at=in_days(-1))
    await world.panel.put(access)
    await world.advance(10)
    ended = await world.panel.see(access.email)
    assert ended is not None and not ended.enabled
    renewed = replace(access, ends_at=in_days(30))
    assert as_owed(await world.panel.put(renewed)) == as_promised(renewed)
    await world.advance(10)
    assert as_owed(await world.panel.see(access.email)) == as_promised(renewed)


async def test_one_that_is_off_stays_off_whatever_its_row_says(world: World, ground: Ground) -> None:
    """2.6 and older switch the row on with every write."""
    access = ground.access(enabled=False)
    await world.panel.put(access)
    before = await world.calls("POST", "inbounds/")
    assert as_owed(await world.panel.put(access)) == as_promised(access)
    assert await world.calls("POST", "inbounds/") == before


@only("2.6.8", "2.8.11", "2.9.4", "3.0.2")
async def test_counters_survive_every_move(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    await world.use(access.email, 111, 222)
    for inbounds in [(3,), (1, 2, 3), (1,), (2, 3), (1, 3)]:
        seen = await world.panel.put(replace(access, inbounds=inbounds))
        assert (seen.up, seen.down, seen.inbounds, seen.flawed) == (111, 222, inbounds, "")


async def test_counters_of_all_inbounds_are_shown_as_one_sum(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    if world.emulator.panel.switches.version.startswith("2.8"):
        for name, up in ((access.email, 1), (f"{access.email}~i2", 20), (f"{access.email}~i3", 300)):
            await world.use(name, up, 10 * up)
        seen = await world.panel.see(access.email)
        assert seen is not None and (seen.up, seen.down) == (321, 3210)
        assert (await everyone(world.panel))[access.email] == seen


async def test_the_last_client_of_an_inbound_gives_way_to_nobody(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    await world.panel.drop(access.email)
    assert await entries(world, access) == []
    kept = await world.entries()
    assert [number for number, _ in kept] == [1, 2, 3]
    assert all(one["email"].startswith(f"nobody-{number}-") and one["enable"] is False for number, one in kept)
    assert await everyone(world.panel) == {}
    assert await world.panel.see(kept[0][1]["email"]) is None
    again = replace(access, uuid=str(uuid.uuid4()), sub_id=f"sub{uuid.uuid4().hex}")
    assert as_owed(await world.panel.put(again)) == as_promised(again)
    await world.panel.drop(access.email)
    assert len(await world.entries()) == 3


async def test_nobody_is_not_purged_with_its_inbound(world: World, ground: Ground) -> None:
    """The owner's own click on "delete depleted clients", which takes an inbound whose clients are all used up."""
    access = ground.access()
    await world.panel.put(access)
    await world.panel.drop(access.email)
    await world.advance(10)
    await world.panel._session.change("inbounds", "delDepletedClients", "-1")
    assert [inbound.panel_id for inbound in await world.panel.inbounds()] == [1, 2, 3]
    assert len(await world.entries()) == 3


async def test_what_an_owner_added_to_an_entry_survives_our_update(world: World, ground: Ground) -> None:
    access = ground.access(inbounds=(1,))
    client = {"id": access.uuid, "email": access.email, "subId": access.sub_id, "enable": True, "tgId": 42}
    await add_by_hand(world, 1, {**client, "comment": "pays in cash", "note": {"of": "his own"}, "totalGB": 5})
    assert as_owed(await world.panel.put(access)) == as_promised(access)
    (_, kept), *_ = await entries(world, access)
    assert (kept["comment"], kept["note"], kept["tgId"]) == ("pays in cash", {"of": "his own"}, 42)


async def test_an_add_whose_answer_is_lost_is_not_sent_twice(world: World, ground: Ground) -> None:
    access = ground.access(inbounds=(1,))
    await world.fault("drop_after", route="addClient")
    assert as_owed(await world.panel.put(access)) == as_promised(access)
    assert len(await world.calls("POST", "addClient")) == 1


@pytest.mark.parametrize("mode", ["drop_after", "drop_before", "html_after", "html", "empty"])
@pytest.mark.parametrize("lost_at", ["addClient", "updateClient/", "delClient"])
async def test_repeating_heals_whatever_was_cut(world: World, ground: Ground, mode: str, lost_at: str) -> None:
    access = ground.access()
    await world.panel.put(replace(access, inbounds=(1, 2)))
    owed = replace(access, inbounds=(2, 3), ends_at=in_days(60), traffic_bytes=7 * GIB)
    await world.fault(mode, route=lost_at)
    for _ in range(3):
        try:
            seen = await world.panel.put(owed)
        except Retry:
            continue
        assert as_owed(seen) == as_promised(owed)
        break
    else:
        pytest.fail("three puts were not enough")
    assert len(await entries(world, access)) == 2


async def test_a_locked_database_is_busy_and_heals(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.switch(locked_db=1)
    with pytest.raises(Busy, match="database is locked"):
        await world.panel.put(access)
    assert as_owed(await world.panel.put(access)) == as_promised(access)


async def test_a_hanging_write_is_not_sent_twice(world: World, ground: Ground) -> None:
    access = ground.access(inbounds=(1,))
    await world.fault("hang", route="addClient", seconds=30)
    panel = world.client(timeouts=Timeouts(read=5, change=0.2))
    with pytest.raises(Unreachable):
        await panel.put(access)
    await world.clear_faults()
    assert as_owed(await world.panel.put(access)) == as_promised(access)
    assert len(await entries(world, access)) == 1


@pytest.mark.parametrize("answer", [{"mode": "html"}, {"mode": "empty"}, {"mode": "status", "status": 500}])
async def test_a_list_that_is_none_is_not_taken_for_an_empty_panel(
    world: World, ground: Ground, answer: dict[str, Any]
) -> None:
    access = ground.access()
    await world.panel.put(access)
    await world.fault(**answer, route="inbounds/list", times=-1)
    for verb in (world.panel.see(access.email), world.panel.put(access), everyone(world.panel)):
        with pytest.raises(Retry):
            await verb
    await world.clear_faults()
    assert as_owed(await world.panel.see(access.email)) == as_promised(access)


async def test_ten_at_once_arrive_on_a_panel_that_loses_overlapping_writes(world: World, ground: Ground) -> None:
    await world.switch(race=True)
    accesses = [ground.access() for _ in range(10)]
    answered = await asyncio.gather(*(world.panel.put(access) for access in accesses))
    assert [as_owed(seen) for seen in answered] == [as_promised(access) for access in accesses]
    assert len(await world.calls("POST", "addClient")) == 30


async def test_two_workers_on_one_panel_lose_nothing_in_the_end(world: World, ground: Ground) -> None:
    await world.switch(race=True)
    workers = (world.panel, world.client())
    accesses = [ground.access() for _ in range(8)]
    await asyncio.gather(
        *(workers[index % 2].put(access) for index, access in enumerate(accesses)), return_exceptions=True
    )
    for access in accesses:
        assert as_owed(await workers[0].put(access)) == as_promised(access)
    shown = await everyone(workers[1])
    assert [as_owed(shown[access.email]) for access in accesses] == [as_promised(access) for access in accesses]


async def test_a_write_that_took_no_effect_is_made_again(world: World, ground: Ground) -> None:
    """As when the panel's own job stores what it read before."""
    access = ground.access(inbounds=(1,))
    await world.fault("status", route="addClient", status=200, body={"success": True, "msg": "", "obj": None})
    assert as_owed(await world.panel.put(access)) == as_promised(access)
    assert len(await world.calls("POST", "addClient")) == 2


async def test_a_write_that_never_takes_effect_is_named(world: World, ground: Ground) -> None:
    lie = {"success": True, "msg": "", "obj": None}
    await world.fault("status", route="addClient", status=200, body=lie, times=-1)
    with pytest.raises(Busy, match="does not keep it: an entry"):
        await world.panel.put(ground.access(inbounds=(1,)))


@only("3.0.2")
async def test_an_entry_that_is_twice_in_one_inbound_is_flawed_and_mended(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    await world.use(access.email, 11, 22)
    (_, entry), *_ = await entries(world, access)
    await add_by_hand(world, 1, {**entry, "id": str(uuid.uuid4())})
    seen = await world.panel.see(access.email)
    assert seen is not None and seen.flawed == "twice in one inbound"
    assert (await everyone(world.panel))[access.email].flawed == "twice in one inbound"
    mended = await world.panel.put(access)
    assert as_owed(mended) == as_promised(access) and (mended.up, mended.down) == (11, 22)
    assert len(await entries(world, access)) == 3


@only("2.8.11", "3.0.2")
async def test_a_stranger_with_our_key_in_the_same_inbound_is_not_written_over(world: World, ground: Ground) -> None:
    access = ground.access(inbounds=(1,))
    stranger = {"id": access.uuid, "email": "stranger", "subId": "another", "enable": True, "totalGB": 5}
    await add_by_hand(world, 1, stranger)
    await world.panel.put(access)
    renewed = replace(access, ends_at=in_days(77))
    assert as_owed(await world.panel.put(renewed)) == as_promised(renewed)
    theirs = await world.panel.see("stranger")
    assert theirs is not None and (theirs.traffic_bytes, theirs.sub_id) == (5, "another")
    await world.panel.drop(access.email)
    assert await world.panel.see("stranger") == theirs


@only("2.6.8")
async def test_where_a_shared_key_cannot_be_told_apart_a_person_is_asked(world: World, ground: Ground) -> None:
    access = ground.access(inbounds=(1,))
    await add_by_hand(world, 1, {"id": access.uuid, "email": "stranger", "subId": "another", "enable": True})
    await world.panel.put(access)
    with pytest.raises(Refused, match="another client with the key"):
        await world.panel.put(replace(access, ends_at=in_days(77)))
    assert await world.panel.see("stranger") is not None


@only("2.8.11")
async def test_inbounds_that_disagree_are_flawed_and_mended(world: World, ground: Ground) -> None:
    access = ground.access()
    await world.panel.put(access)
    by_inbound = dict(await entries(world, access))
    changed = {**by_inbound[2], "totalGB": 1}
    body = {"id": 2, "settings": json.dumps({"clients": [changed]})}
    await world.panel._session.change("inbounds", "updateClient", access.uuid, body=body)
    assert (await everyone(world.panel))[access.email].flawed == "its inbounds disagree"
    off = {**by_inbound[3], "enable": False}
    body = {"id": 3, "settings": json.dumps({"clients": [off]})}
    await world.panel._session.change("inbounds", "updateClient", access.password, body=body)
    assert as_owed(await world.panel.put(access)) == as_promised(access)


async def test_a_name_in_other_letters_is_somebody_elses(world: World, ground: Ground) -> None:
    if world.emulator.panel.switches.version == "2.3.0":
        pytest.skip("names are told apart by case there")
    access = ground.access()
    await add_by_hand(
        world, 1, {"id": str(uuid.uuid4()), "email": access.email.upper(), "subId": "theirs", "enable": True}
    )
    with pytest.raises(Conflict, match=r"(?i)duplicate email"):
        await world.panel.put(access)
    assert await world.panel.see(access.email) is None


async def test_many_new_ones_take_one_call_for_each_inbound(world: World, ground: Ground) -> None:
    accesses = [ground.access() for _ in range(150)]
    outcomes = await world.panel.put_many(accesses)
    assert [as_owed(seen) for seen in outcomes if not isinstance(seen, Exception)] == [as_promised(a) for a in accesses]
    assert len(await world.calls("POST", "addClient")) == 3
    assert len(await world.calls("GET", "inbounds/list")) == 2


async def test_a_batch_that_is_refused_for_one_is_put_singly(world: World, ground: Ground) -> None:
    accesses = [ground.access(inbounds=(1,)) for _ in range(10)]
    if world.emulator.panel.switches.version == "2.3.0":
        pytest.skip("names are told apart by case there")
    theirs = {"id": str(uuid.uuid4()), "email": accesses[3].email.upper(), "subId": "theirs", "enable": True}
    await add_by_hand(world, 2, theirs)
    outcomes = await world.panel.put_many(accesses)
    assert isinstance(outcomes[3], Conflict)
    assert [one for one in outcomes if isinstance(one, Exception)] == [outcomes[3]]


async def test_many_calls_stop_when_the_panel_is_gone(world: World, ground: Ground) -> None:
    accesses = [ground.access() for _ in range(10)]
    await world.panel.inbounds()
    await world.fault("drop_before", route="panel/api", times=-1)
    with pytest.raises(Unreachable):
        await world.panel.put_many(accesses)
    with pytest.raises(Unreachable):
        await world.panel.drop_many([access.email for access in accesses])


async def test_everyone_costs_one_call(world: World, ground: Ground) -> None:
    await world.panel.put_many([ground.access() for _ in range(30)])
    before = len(await world.calls())
    assert len(await everyone(world.panel)) == 30
    assert len(await world.calls()) == before + 1


async def test_who_is_online_is_named_as_we_name_them(world: World, ground: Ground) -> None:
    access, idle = ground.access(), ground.access()
    await world.panel.put(access)
    await world.panel.put(idle)
    by_name = {one["email"] for number, one in await entries(world, access) if number == 2}
    name = by_name.pop()
    # On 3.0 what is counted for a client the first time is only what later counts start from.
    for _ in range(2):
        await world._control("traffic", {"email": name, "up": 5, "down": 5})
        await world.tick()
    assert await world.panel.online() == {access.email}


async def test_a_core_that_never_ran_shows_nobody(world: World) -> None:
    await world.fault("status", route="onlines", status=500)
    with pytest.raises(Busy):
        await world.panel.online()


async def test_an_instance_of_its_own_serialises_its_own_writes(
    world: World, ground: Ground, tools: PanelTools
) -> None:
    """A drop and a put of neighbours in one inbound, at once, on a panel that would lose one of them."""
    await world.switch(race=True)
    gone, comes = ground.access(), ground.access()
    await world.panel.put(gone)
    panel: Xui = world.panel
    await asyncio.gather(panel.drop(gone.email), panel.put(comes))
    assert set(await everyone(panel)) == {comes.email}
