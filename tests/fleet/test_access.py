"""From any corruption of a panel the moves lead back to what is owed, and touch nothing that is not ours."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferryman.fleet.access import COPY, FLAWED, MISSING, NOT_OWED, Moves, Ours, differences, is_same, moves, works
from ferryman.fleet.panel import Access, Seen
from tests.fleet.spoiling import NOW, Owing, corruptions, worlds

ACCESS = Access(
    email="fm-a",
    uuid="uuid-a",
    password="password-a",
    sub_id="sub-a",
    enabled=True,
    ends_at=NOW + timedelta(days=30),
    traffic_bytes=10**9,
    devices=3,
    inbounds=(1, 2),
)
OURS = Ours(frozenset({"fm-a", "fm-b"}), frozenset({"uuid-a", "uuid-b"}), frozenset({"sub-a", "sub-b"}))
EXAMPLES = 1500
LEAST_CORRUPTIONS = 10_000


def seen(access: Access = ACCESS, **changes: Any) -> Seen:
    held = {name: value for name, value in vars(access).items() if name != "comment"}
    return replace(Seen(**held), **changes)


def plan(*clients: Seen, owed: Access | None = ACCESS) -> Moves:
    return moves({} if owed is None else {owed.email: owed}, clients, OURS, NOW)


def test_a_client_as_it_is_owed_needs_nothing() -> None:
    assert not plan(seen())
    assert plan(seen()) == Moves()


@pytest.mark.parametrize(
    "changes",
    [
        {"enabled": False},
        {"ends_at": NOW + timedelta(days=29)},
        {"ends_at": NOW + timedelta(days=31)},
        {"ends_at": None},
        {"traffic_bytes": 0},
        {"devices": 0},
        {"inbounds": (1,)},
        {"inbounds": (1, 2, 3)},
        {"uuid": "another"},
        {"password": "another"},
        {"sub_id": "another"},
        {"sub_id": ""},
    ],
    ids=str,
)
def test_every_field_that_differs_is_named(changes: dict[str, Any]) -> None:
    (put,) = plan(seen(**changes)).put
    assert (put.access, put.why) == (ACCESS, tuple(changes))


def test_several_differences_and_a_flaw_are_one_move() -> None:
    found = plan(seen(enabled=False, devices=9, flawed="twice on inbound 1"))
    assert found.put[0].why == ("enabled", "devices", f"{FLAWED}: twice on inbound 1")
    assert len(found.put) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"inbounds": (2, 1)},
        {"up": 5, "down": 10**8},
        {"uuid": ""},
        {"password": ""},
        {"ends_at": NOW + timedelta(days=30, microseconds=999)},
    ],
    ids=["another order", "counters", "no uuid in this protocol", "no password in this protocol", "rounded up"],
)
def test_what_a_panel_may_show_otherwise_is_no_difference(changes: dict[str, Any]) -> None:
    assert not plan(seen(**changes))


def test_an_end_that_is_earlier_by_a_millisecond_is_mended() -> None:
    (put,) = plan(seen(ends_at=NOW + timedelta(days=30, milliseconds=-1))).put
    assert put.why == ("ends_at",)


def test_whoever_the_panel_switched_off_at_the_end_is_left_off() -> None:
    ended = replace(ACCESS, ends_at=NOW)
    assert not plan(seen(ended, enabled=False), owed=ended)
    assert not plan(seen(up=6 * 10**8, down=4 * 10**8, enabled=False))


def test_whoever_is_switched_off_too_early_is_switched_on() -> None:
    assert plan(seen(up=10**9 - 1, enabled=False)).put[0].why == ("enabled",)
    unlimited = replace(ACCESS, traffic_bytes=0)
    assert plan(seen(unlimited, up=10**15, enabled=False), owed=unlimited).put[0].why == ("enabled",)


def test_whoever_is_to_be_off_is_switched_off_even_when_used_up() -> None:
    off = replace(ACCESS, enabled=False)
    assert plan(seen(up=10**10), owed=off).put[0].why == ("enabled",)
    assert not plan(seen(off), owed=off)


def test_a_client_that_is_gone_is_put_back_unless_it_would_let_nobody_in() -> None:
    assert plan().put[0].why == (MISSING,)
    for idle in (replace(ACCESS, enabled=False), replace(ACCESS, ends_at=NOW)):
        assert not plan(owed=idle)
        assert not works(idle, NOW)
    assert works(replace(ACCESS, ends_at=None), NOW)


def test_our_name_on_somebody_elses_client_is_a_conflict_and_nothing_is_written() -> None:
    stolen = seen(uuid="theirs", sub_id="theirs")
    found = plan(stolen)
    assert found == Moves(conflict=(stolen,))
    assert found


@pytest.mark.parametrize("changes", [{"uuid": "another"}, {"sub_id": "another"}, {"uuid": ""}])
def test_one_identity_of_two_is_enough_to_be_ours(changes: dict[str, Any]) -> None:
    assert is_same(seen(**changes), ACCESS)
    assert not plan(seen(**changes)).conflict


def test_what_is_ours_and_not_owed_here_goes() -> None:
    extra = seen(email="fm-b", uuid="uuid-b", sub_id="sub-b")
    (drop,) = plan(seen(), extra).drop
    assert (drop.seen, drop.why) == (extra, NOT_OWED)
    assert plan(seen(email="fm-b", uuid="old", sub_id="old"), owed=None).drop[0].why == NOT_OWED


def test_a_renamed_client_goes_and_is_put_under_its_own_name() -> None:
    found = plan(seen(email="renamed"))
    assert [(drop.seen.email, drop.why) for drop in found.drop] == [("renamed", COPY)]
    assert [(put.access.email, put.why) for put in found.put] == [("fm-a", (MISSING,))]


@pytest.mark.parametrize("kept", ["uuid", "sub_id"])
def test_a_copy_with_either_identity_goes(kept: str) -> None:
    fresh = {"uuid": "fresh", "sub_id": "fresh", kept: getattr(ACCESS, kept)}
    found = plan(seen(), seen(email="copy", **fresh))
    assert ([drop.seen.email for drop in found.drop], found.put) == (["copy"], ())


def test_our_own_client_under_the_name_of_another_of_ours_makes_room_for_it() -> None:
    found = plan(seen(uuid="uuid-b", sub_id="sub-b"))
    assert [drop.seen.uuid for drop in found.drop] == ["uuid-b"]
    assert [put.why for put in found.put] == [(MISSING,)]
    assert not found.conflict


@pytest.mark.parametrize("email", ["made-by-hand", "fm-of-another-shop", "", "FM-A"])
def test_everybody_elses_clients_are_left_alone(email: str) -> None:
    found = plan(seen(), seen(email=email, uuid="", sub_id="", flawed="twice"))
    assert found == Moves(leave=(email,))
    assert not found


def test_parts_of_a_listing_and_the_rest_come_to_the_same_as_the_whole() -> None:
    second = replace(ACCESS, email="fm-b", uuid="uuid-b", sub_id="sub-b")
    owed = {"fm-a": ACCESS, "fm-b": second}
    listing = [seen(devices=1), seen(email="guest", uuid="x", sub_id="y")]
    parts = [moves({"fm-a": ACCESS}, listing[:1], OURS, NOW), moves({}, listing[1:], OURS, NOW)]
    rest = moves({"fm-b": second}, [], OURS, NOW)
    assert parts[0] + parts[1] + rest == moves(owed, listing, OURS, NOW)


def test_a_listing_that_shows_a_client_twice_gives_one_move() -> None:
    found = plan(seen(devices=1), seen(devices=1))
    assert len(found.put) == 1
    assert differences(seen(devices=1), ACCESS, NOW) == ("devices",)


def test_any_corruption_is_mended_in_two_rounds_and_nothing_else_is_touched() -> None:
    spoilt = 0

    with asyncio.Runner() as runner:

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(worlds(), st.data())
        def holds(world: Owing, data: st.DataObject) -> None:
            nonlocal spoilt
            corruptions(world, data.draw)
            spoilt += world.spoilt
            runner.run(converges(world))

        holds()
    assert spoilt >= LEAST_CORRUPTIONS


async def converges(world: Owing) -> None:
    """Two rounds mend everything; the third has nothing to do. Strangers never change, paid time never shrinks."""
    strangers = {client for client in await world.listed() if world.is_stranger(client)}
    for _ in range(2):
        found = moves(world.owed, await world.listed(), world.ours, NOW)
        touched = {drop.seen.email for drop in found.drop} | {put.access.email for put in found.put}
        assert not touched & {client.email for client in strangers}
        await world.apply(found)
        never_shortened(world, found)
    listing = await world.listed()
    left = moves(world.owed, listing, world.ours, NOW)
    assert (left.put, left.drop) == ((), ())
    assert {client for client in listing if world.is_stranger(client)} == strangers
    stolen = {client.email for client in left.conflict}
    assert stolen == {client.email for client in strangers} & world.owed.keys()
    held = {client.email: client for client in listing}
    for email, access in world.owed.items():
        if email not in stolen and works(access, NOW):
            assert differences(held[email], access, NOW) == ()
    assert {email for email in held if email in world.known} <= world.owed.keys()


def never_shortened(world: Owing, found: Moves) -> None:
    """Whatever was written ends no earlier than is owed."""
    for access in (put.access for put in found.put):
        shown = world.panel.clients.get(access.email)
        if shown is not None and is_same(shown, access):
            assert shown.ends_at is None or (access.ends_at is not None and shown.ends_at >= access.ends_at)
