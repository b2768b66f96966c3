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

from ferryman.fleet.panel import Access, Seen, VpnPanel
from ferryman.kit.errors import Conflict, Refused

GIB = 1024**3


@dataclass
class Ground:
    """A panel to be tried, and the ids of at least two of its inbounds that clients may be put on."""

    panel: VpnPanel
    inbounds: tuple[int, ...]
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
        for email in self.emails:
            await self.panel.drop(email)


def in_days(days: float) -> datetime:
    """Whole seconds, so that every panel's unit can hold it."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


def as_owed(seen: Seen | None) -> dict[str, Any]:
    """What is seen, without the counters."""
    assert seen is not None
    return {name: value for name, value in vars(seen).items() if name not in ("up", "down")}


def as_promised(access: Access) -> dict[str, Any]:
    return {name: value for name, value in vars(access).items() if name != "comment"}


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
