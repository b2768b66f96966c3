"""What every VPN panel must do behind the port, whatever it is made of.

A panel type joins by a class that inherits `PanelContract` and overrides the fixture `ground` (see `test_contract.py`).
The suite makes clients of its own under names nobody else has, and takes them away again.
"""

import asyncio
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ferryman.fleet.panel import Access, NewInbound, Seen, VpnPanel
from ferryman.kit.errors import Conflict, FerrymanError, Refused

GIB = 1024**3


@dataclass
class Ground:
    """A panel to be tried, and the ids of at least two of its inbounds that clients may be put on.

    `free_port` is one that a new inbound may take; 0 = none may be made.
    """

    panel: VpnPanel
    inbounds: tuple[int, ...]
    free_port: int = 0
    emails: list[str] = field(default_factory=list)

    def access(self, name: str = "c", **changes: Any) -> Access:
        """A client nobody has heard of yet: on every inbound, enabled, for thirty days, with a quota."""
        unique = uuid.uuid4().hex[:12]
        fresh = Access(
            email=f"{name}-{unique}",
            uuid=str(uuid.uuid4()),
            password=f"pw{unique}",
            sub_id=f"sub{uuid.uuid4().hex}",
            enabled=True,
            ends_at=in_days(30),
            traffic_bytes=50 * GIB,
            devices=3,
            inbounds=self.inbounds,
        )
        access = replace(fresh, **changes)
        self.emails.append(access.email)
        return access

    async def clear(self) -> None:
        await self.panel.drop_many(self.emails)


def in_days(days: float) -> datetime:
    """Whole seconds, so that every panel's unit can hold it."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


def as_owed(seen: Seen | None) -> dict[str, Any]:
    """What is seen, without the counters."""
    assert seen is not None
    return {name: value for name, value in vars(seen).items() if name not in ("up", "down")}


def as_promised(access: Access) -> dict[str, Any]:
    return {**{name: value for name, value in vars(access).items() if name != "comment"}, "flawed": ""}


async def everyone(panel: VpnPanel) -> dict[str, Seen]:
    """By name; nobody is shown twice on a panel that nobody else changes."""
    found = [seen async for page in panel.everyone() for seen in page]
    assert len({seen.email for seen in found}) == len(found)
    return {seen.email: seen for seen in found}


def as_outcome(outcome: Seen | FerrymanError) -> dict[str, Any]:
    """What is seen, the error being raised when it is one."""
    if isinstance(outcome, FerrymanError):
        raise outcome
    return as_owed(outcome)


class PanelContract:
    @pytest.fixture
    async def ground(self) -> Ground:
        raise NotImplementedError("a panel type brings its own ground")

    async def test_a_probe_tells_the_version_and_that_the_core_runs(self, ground: Ground) -> None:
        report = await ground.panel.probe()
        assert report.version and report.core_running
        assert report.clock_skew is None or abs(report.clock_skew) < 60

    async def test_inbounds_have_what_a_link_needs_and_no_secret(self, ground: Ground) -> None:
        listed = {inbound.panel_id: inbound for inbound in await ground.panel.inbounds()}
        assert set(ground.inbounds) <= set(listed)
        for number in ground.inbounds:
            inbound = listed[number]
            assert inbound.protocol and inbound.transport and inbound.security and 0 < inbound.port < 65536
            said = repr(dict(inbound.link)).lower()
            assert not any(word in said for word in ("privatekey", "certificate", "keyfile", "clients"))

    async def test_nobody_is_seen_under_an_unknown_name(self, ground: Ground) -> None:
        assert await ground.panel.see(ground.access().email) is None

    async def test_a_new_client_is_there_word_for_word(self, ground: Ground) -> None:
        access = ground.access()
        answered = await ground.panel.put(access)
        assert as_owed(answered) == as_promised(access)
        assert as_owed(await ground.panel.see(access.email)) == as_promised(access)
        assert (answered.up, answered.down) == (0, 0)

    async def test_putting_twice_is_the_same_as_once(self, ground: Ground) -> None:
        access = ground.access()
        assert await ground.panel.put(access) == await ground.panel.put(access)

    @pytest.mark.parametrize(
        "change",
        [
            {"ends_at": in_days(60)},
            {"ends_at": in_days(3)},
            {"ends_at": None},
            {"traffic_bytes": 200 * GIB},
            {"traffic_bytes": 0},
            {"devices": 0},
            {"enabled": False},
            {"password": "another-password"},
            {"uuid": "7e57ab1e-0000-4000-8000-00000000c0de"},
        ],
        ids="-".join,
    )
    async def test_a_changed_promise_is_kept_and_so_is_its_withdrawal(
        self, ground: Ground, change: dict[str, Any]
    ) -> None:
        first = ground.access()
        second = replace(first, **change)
        await ground.panel.put(first)
        assert as_owed(await ground.panel.put(second)) == as_promised(second)
        assert as_owed(await ground.panel.put(first)) == as_promised(first)

    async def test_a_client_may_be_born_disabled_and_without_an_end(self, ground: Ground) -> None:
        access = ground.access(enabled=False, ends_at=None, traffic_bytes=0, devices=0)
        assert as_owed(await ground.panel.put(access)) == as_promised(access)

    async def test_a_client_moves_between_inbounds(self, ground: Ground) -> None:
        access = ground.access()
        ways = [ground.inbounds[:1], ground.inbounds[-1:], ground.inbounds, ground.inbounds[1:], ground.inbounds[:2]]
        for inbounds in ways:
            moved = replace(access, inbounds=inbounds)
            assert as_owed(await ground.panel.put(moved)) == as_promised(moved)

    async def test_a_move_and_a_renewal_come_together(self, ground: Ground) -> None:
        access = ground.access(inbounds=ground.inbounds[:1], enabled=False)
        await ground.panel.put(access)
        renewed = replace(access, inbounds=ground.inbounds[1:], enabled=True, ends_at=in_days(90))
        assert as_owed(await ground.panel.put(renewed)) == as_promised(renewed)

    async def test_an_ended_client_is_renewed(self, ground: Ground) -> None:
        ended = ground.access(ends_at=in_days(-1))
        await ground.panel.put(ended)
        renewed = replace(ended, ends_at=in_days(30))
        assert as_owed(await ground.panel.put(renewed)) == as_promised(renewed)

    async def test_somebody_elses_client_of_that_name_stays_as_it_is(self, ground: Ground) -> None:
        theirs = ground.access()
        before = await ground.panel.put(theirs)
        ours = replace(theirs, uuid=str(uuid.uuid4()), sub_id=f"sub{uuid.uuid4().hex}", ends_at=None)
        with pytest.raises(Conflict, match=theirs.email):
            await ground.panel.put(ours)
        assert await ground.panel.see(theirs.email) == before

    async def test_a_neighbour_is_left_alone(self, ground: Ground) -> None:
        neighbour, ours = ground.access("neighbour"), ground.access()
        before = await ground.panel.put(neighbour)
        await ground.panel.put(ours)
        await ground.panel.put(replace(ours, inbounds=ground.inbounds[:1], enabled=False, ends_at=in_days(5)))
        await ground.panel.drop(ours.email)
        assert await ground.panel.see(neighbour.email) == before

    async def test_an_unknown_inbound_is_refused_and_nothing_is_made(self, ground: Ground) -> None:
        access = ground.access(inbounds=(*ground.inbounds, 987654))
        with pytest.raises(Refused, match="987654"):
            await ground.panel.put(access)
        assert await ground.panel.see(access.email) is None

    async def test_a_client_on_no_inbound_is_refused(self, ground: Ground) -> None:
        with pytest.raises(Refused):
            await ground.panel.put(ground.access(inbounds=()))

    async def test_a_dropped_client_is_gone_and_dropping_again_is_fine(self, ground: Ground) -> None:
        access = ground.access()
        await ground.panel.put(access)
        await ground.panel.drop(access.email)
        assert await ground.panel.see(access.email) is None
        await ground.panel.drop(access.email)

    async def test_a_dropped_client_may_come_back_with_another_key(self, ground: Ground) -> None:
        access = ground.access()
        await ground.panel.put(access)
        await ground.panel.drop(access.email)
        again = replace(access, uuid=str(uuid.uuid4()), password="renewed", sub_id=f"sub{uuid.uuid4().hex}")
        assert as_owed(await ground.panel.put(again)) == as_promised(again)

    async def test_a_name_may_hold_what_an_address_cannot(self, ground: Ground) -> None:
        access = ground.access("a+b#c?d%2F&e=@f")
        assert as_owed(await ground.panel.put(access)) == as_promised(access)
        later = replace(access, ends_at=in_days(60))
        assert as_owed(await ground.panel.put(later)) == as_promised(later)
        await ground.panel.drop(access.email)
        assert await ground.panel.see(access.email) is None

    async def test_ten_clients_at_once_all_arrive(self, ground: Ground) -> None:
        accesses = [ground.access() for _ in range(10)]
        answered = await asyncio.gather(*(ground.panel.put(access) for access in accesses))
        assert [as_owed(seen) for seen in answered] == [as_promised(access) for access in accesses]

    async def test_everyone_is_shown_as_seen_by_name(self, ground: Ground) -> None:
        accesses = [
            ground.access(),
            ground.access(inbounds=ground.inbounds[:1]),
            ground.access(inbounds=ground.inbounds[1:], enabled=False),
            ground.access(ends_at=None, traffic_bytes=0, devices=0),
        ]
        for access in accesses:
            await ground.panel.put(access)
        shown = await everyone(ground.panel)
        for access in accesses:
            assert shown[access.email] == await ground.panel.see(access.email)
            assert as_owed(shown[access.email]) == as_promised(access)
        await ground.panel.drop(accesses[0].email)
        assert accesses[0].email not in await everyone(ground.panel)

    async def test_many_are_put_at_once_whatever_was_there(self, ground: Ground) -> None:
        new = [ground.access() for _ in range(20)]
        there = [ground.access(inbounds=ground.inbounds[:1]) for _ in range(3)]
        for access in there:
            await ground.panel.put(access)
        renewed = replace(there[0], ends_at=in_days(90), traffic_bytes=70 * GIB)
        moved = replace(there[1], inbounds=ground.inbounds)
        off, unended = ground.access(enabled=False), ground.access(ends_at=None, traffic_bytes=0)
        accesses = [*new[:10], renewed, moved, there[2], off, unended, *new[10:]]
        outcomes = await ground.panel.put_many(accesses)
        assert [as_outcome(outcome) for outcome in outcomes] == [as_promised(access) for access in accesses]
        for access in (renewed, moved, off, new[7]):
            assert as_owed(await ground.panel.see(access.email)) == as_promised(access)

    async def test_putting_many_twice_is_the_same_as_once(self, ground: Ground) -> None:
        accesses = [ground.access() for _ in range(12)]
        first = await ground.panel.put_many(accesses)
        assert await ground.panel.put_many(accesses) == first

    async def test_what_is_wrong_with_one_of_many_is_its_outcome_alone(self, ground: Ground) -> None:
        theirs = ground.access()
        before = await ground.panel.put(theirs)
        conflicting = replace(theirs, uuid=str(uuid.uuid4()), sub_id=f"sub{uuid.uuid4().hex}", ends_at=None)
        nowhere, unknown = ground.access(inbounds=()), ground.access(inbounds=(*ground.inbounds, 987654))
        good = [ground.access() for _ in range(8)]
        outcomes = await ground.panel.put_many([*good[:4], conflicting, nowhere, unknown, *good[4:]])
        assert [as_outcome(one) for one in (*outcomes[:4], *outcomes[7:])] == [as_promised(one) for one in good]
        assert isinstance(outcomes[4], Conflict) and theirs.email in str(outcomes[4])
        assert isinstance(outcomes[5], Refused)
        assert isinstance(outcomes[6], Refused) and "987654" in str(outcomes[6])
        assert await ground.panel.see(theirs.email) == before
        assert await ground.panel.see(unknown.email) is None

    async def test_nothing_to_do_for_nobody(self, ground: Ground) -> None:
        assert list(await ground.panel.put_many([])) == []
        assert list(await ground.panel.drop_many([])) == []

    async def test_many_are_dropped_at_once_and_again(self, ground: Ground) -> None:
        accesses = [ground.access() for _ in range(12)]
        await ground.panel.put_many(accesses)
        stays = accesses.pop()
        emails = [access.email for access in accesses]
        gone = [*emails[:5], ground.access().email, *emails[5:]]
        assert list(await ground.panel.drop_many(gone)) == [None] * len(gone)
        shown = await everyone(ground.panel)
        assert not set(gone) & set(shown)
        assert as_owed(shown[stays.email]) == as_promised(stays)
        assert list(await ground.panel.drop_many(gone)) == [None] * len(gone)

    async def test_nobody_is_online_who_never_connected(self, ground: Ground) -> None:
        access = ground.access()
        await ground.panel.put(access)
        assert access.email not in await ground.panel.online()

    async def test_an_inbound_is_opened_once_and_carries_clients(self, ground: Ground) -> None:
        if not ground.free_port:
            pytest.skip("no port may be taken here")
        wanted = NewInbound(f"made-{ground.free_port}", ground.free_port, "www.example.org:443", "www.example.org")
        made = await ground.panel.open_inbound(wanted)
        assert (made.protocol, made.transport, made.security) == ("vless", "tcp", "reality")
        assert (made.port, made.remark, made.enabled) == (wanted.port, wanted.remark, True)
        reality = made.link["reality"]
        assert len(reality["publicKey"]) == 43 and reality["serverNames"] == ["www.example.org"]
        assert len(set(reality["shortIds"])) > 1 and all(len(one) % 2 == 0 for one in reality["shortIds"])
        assert made.link["flow"] == "xtls-rprx-vision" and "privatekey" not in repr(made).lower()
        assert await ground.panel.open_inbound(wanted) == made
        with pytest.raises(Refused, match=str(wanted.port)):
            await ground.panel.open_inbound(replace(wanted, remark="another"))
        access = ground.access(inbounds=(made.panel_id, *ground.inbounds))
        assert as_owed(await ground.panel.put(access))["inbounds"] == tuple(sorted(access.inbounds))
        alone = ground.access(inbounds=(made.panel_id,))
        assert as_owed(await ground.panel.put(alone)) == as_promised(alone)
        await ground.panel.drop(access.email)
        await ground.panel.drop(alone.email)
        assert await ground.panel.see(alone.email) is None
        assert alone.email not in await everyone(ground.panel)
        back = replace(alone, uuid=str(uuid.uuid4()), sub_id=f"sub{uuid.uuid4().hex}")
        assert as_owed(await ground.panel.put(back)) == as_promised(back)
