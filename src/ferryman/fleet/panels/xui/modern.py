"""The port's verbs on 3X-UI 3.1 and newer: look, do what is missing, look again; the second look is what counts."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import ferryman.fleet.panels.xui.version as version
from ferryman.fleet.panel import Access, PanelInbound, Seen
from ferryman.fleet.panels.xui.catalogue import Catalogue, require_known
from ferryman.fleet.panels.xui.clients import Clients, Record
from ferryman.fleet.panels.xui.doubles import Doubles
from ferryman.fleet.panels.xui.flows import Flows
from ferryman.fleet.panels.xui.naming import owner_of
from ferryman.fleet.panels.xui.parts import Parts
from ferryman.fleet.panels.xui.record import (
    as_seen,
    differences,
    is_ours,
    is_spent,
    require_storable,
    row_differences,
    used_bytes,
)
from ferryman.fleet.panels.xui.roster import Roster
from ferryman.fleet.panels.xui.session import RouteMissing, Session
from ferryman.fleet.panels.xui.writing import Goal, Writer, goal_of
from ferryman.kit.clock import Clock
from ferryman.kit.errors import AccessDenied, Busy, Conflict, FerrymanError, NotFound, Refused, Retry, Unreachable

# Clients in one bulk call.
BATCH = 200
# The panel answers reads of one client in some 2 ms; its writer takes two at a time from us anyway.
AT_ONCE = 4
# A list costs the panel and us about as much for 200 clients as four calls for one.
LISTED_PER_CLIENT = 200


class Modern:
    def __init__(self, session: Session, clock: Clock, release: version.Version) -> None:
        self._session = session
        self._clock = clock
        self._release = release
        self._clients = Clients(session)
        self._writer = Writer(self._clients)
        self._catalogue = Catalogue(session, clock)
        self._parts = Parts(self._clients)
        self._doubles = Doubles(self._catalogue, release)
        self._roster = Roster(self._clients, self._parts, self._doubles)

    async def inbounds(self) -> Sequence[PanelInbound]:
        return await self._catalogue.read()

    async def see(self, email: str) -> Seen | None:
        record = await self._clients.get(email)
        if record is None:
            return await self._parts.seen(email)
        seen = as_seen(record, await self._clients.traffic(email))
        flaw = self._parts.flaw(email) if await self._parts.of(email) else self._doubles.flaw(email)
        return replace(seen, flawed=flaw)

    async def put(self, access: Access) -> Seen:
        require_storable(self._session.host, access)
        inbounds = await self._catalogue.fitting(access)
        require_known(self._session.host, access, inbounds)
        goal = goal_of(access, inbounds)
        counted = await self._parts.absorb(access)
        await self._undouble(access)
        seen = await self._put(goal)
        if counted == (0, 0):
            return seen
        up, down = seen.up + counted[0], seen.down + counted[1]
        await self._clients.set_counters(access.email, up, down)
        return replace(seen, up=up, down=down)

    async def drop(self, email: str) -> None:
        for name in (*await self._parts.of(email), email):
            await self._drop(name)
        self._parts.forget(email)

    async def everyone(self) -> AsyncIterator[Sequence[Seen]]:
        async for page in self._roster.pages():
            yield page

    async def online(self) -> frozenset[str]:
        return frozenset(owner_of(email) for email in await self._clients.online())

    async def put_many(self, accesses: Sequence[Access]) -> Sequence[Seen | FerrymanError]:
        """New clients are made many at a time and looked at in one list; all others are put one by one."""
        if self._release < version.HAS_BULK or await self._is_cheaper_singly(len(accesses)):
            return await self._each_put(accesses)
        before = await self._roster.by_name()
        new = [access for access in accesses if access.email not in before]
        await self._create_many(new)
        after = await self._roster.by_name() if new else before
        flows = Flows(self._catalogue)
        done: dict[int, Seen] = {}
        for index, access in enumerate(accesses):
            found = after.get(access.email)
            if found is not None and await self._is_as_owed(access, found.record, found.traffic, flows):
                done[index] = as_seen(found.record, found.traffic)
        rest = [index for index in range(len(accesses)) if index not in done]
        others = await self._each_put([accesses[index] for index in rest])
        outcomes: dict[int, Seen | FerrymanError] = {**done, **dict(zip(rest, others, strict=True))}
        return [outcomes[index] for index in range(len(accesses))]

    async def drop_many(self, emails: Sequence[str]) -> Sequence[FerrymanError | None]:
        if self._release < version.HAS_BULK:
            return await self._each_dropped(emails)
        gone: set[str] = set()
        for start in range(0, len(emails), BATCH):
            batch = [email for email in emails[start : start + BATCH] if not await self._parts.of(email)]
            try:
                left = await self._clients.delete_many(batch)
            except (AccessDenied, RouteMissing):
                raise
            except (Retry, Refused):
                continue
            gone |= {email for email in batch if email not in left}
        rest = [email for email in emails if email not in gone]
        outcomes = dict(zip(rest, await self._each_dropped(rest), strict=True))
        return [outcomes.get(email) for email in emails]

    async def _undouble(self, access: Access) -> None:
        """Before anything else: an update would reach only the first of two entries."""
        doubled = self._doubles.of(access.email)
        if not doubled:
            return
        record = await self._clients.get(access.email)
        if record is not None and is_ours(record, access):
            await self._writer.rejoin(access.email, doubled & set(record.inbounds))
        self._doubles.forget(access.email)

    async def _put(self, goal: Goal) -> Seen:
        email = goal.access.email
        record = await self._clients.get(email)
        lacking: list[str] = []
        if record is not None:
            traffic = await self._clients.traffic(email)
            lacking = await self._lacking(goal, record, traffic, Flows(self._catalogue))
            if not lacking:
                return as_seen(record, traffic)
        trouble: Retry | Conflict | None = None
        try:
            await self._write(goal, record, lacking)
        except (Retry, Conflict) as error:
            # The answer may be lost and the effect not; or somebody else was faster. The second look tells.
            trouble = error
        return await self._read_back(goal, trouble)

    async def _drop(self, email: str) -> None:
        trouble: Retry | None = None
        try:
            await self._clients.delete(email)
        except NotFound:
            return
        except Retry as error:
            trouble = error
        if await self._clients.get(email) is not None:
            raise trouble or Busy(f"{self._session.host} still has the client {email} after deleting it.")

    async def _read_back(self, goal: Goal, trouble: Retry | Conflict | None) -> Seen:
        """Raises `trouble`, or Busy naming what differs, unless the panel now holds the client."""
        email = goal.access.email
        record = await self._clients.get(email)
        if record is None:
            raise trouble or Busy(f"{self._session.host} took the client {email} and does not have it.")
        traffic = await self._clients.traffic(email)
        lacking = set(await self._lacking(goal, record, traffic, Flows(self._catalogue))) - {"counters"}
        if lacking:
            raise trouble or Busy(f"{self._session.host} kept other values for {email}: {', '.join(sorted(lacking))}.")
        return as_seen(record, traffic)

    async def _write(self, goal: Goal, record: Record | None, lacking: Sequence[str]) -> None:
        grouped = self._needs_groups(goal, record)
        stale = bool(set(lacking) - {"inbounds"})
        if record is None:
            await self._writer.create(goal, in_groups=grouped)
            return
        if lacking == ["counters"] and not grouped:
            await self._writer.stir(goal, record)
        if grouped:
            await self._writer.correct_in_groups(goal, record, stale=stale)
        else:
            # What is attached anew takes the record's flow, which may be that of another inbound.
            doubtful = bool(goal.inbounds - set(record.inbounds)) and self._is_flow_unsure(goal)
            await self._writer.correct(goal, record, stale=doubtful or stale)

    async def _is_as_owed(self, access: Access, record: Record, traffic: Mapping[str, Any], flows: Flows) -> bool:
        """Nothing is raised: `put` finds the words for what is wrong."""
        inbounds = self._catalogue.known
        if not set(access.inbounds) <= {inbound.panel_id for inbound in inbounds} or not is_ours(record, access):
            return False
        if await self._parts.of(access.email) or self._doubles.of(access.email):
            return False
        return not await self._lacking(goal_of(access, inbounds), record, traffic, flows)

    async def _lacking(self, goal: Goal, record: Record, traffic: Mapping[str, Any], flows: Flows) -> list[str]:
        """Names of what differs from the goal. Raises Conflict for somebody else's client."""
        access = goal.access
        if not is_ours(record, access):
            raise Conflict(
                f"{self._session.host} has a client {access.email} that is not ours (other uuid, other subId): rename "
                "or delete it there."
            )
        unsure = self._is_flow_unsure(goal)
        ignored = {"flow"} if unsure else set()
        if access.enabled and is_spent(access, used_bytes(traffic), self._clock.now()):
            ignored.add("enable")
        lacking = differences(record, goal.fields(record), ignored)
        if not lacking and unsure and access.enabled and await flows.differ(goal, record):
            lacking.append("flow")
        if not lacking and row_differences(record, traffic):
            lacking.append("counters")
        return lacking if set(record.inbounds) == goal.inbounds else [*lacking, "inbounds"]

    def _is_flow_unsure(self, goal: Goal) -> bool:
        return goal.mixed and self._release < version.SHOWS_EFFECTIVE_FLOW

    def _needs_groups(self, goal: Goal, record: Record | None) -> bool:
        """Whether inbounds of both kinds are touched on a panel that would put a flow on all of them."""
        touched = goal.inbounds | set(record.inbounds if record is not None else ())
        vision = {inbound.panel_id for inbound in self._catalogue.known if inbound.link["flow"]}
        mixed = bool(touched & vision) and bool(touched - vision)
        return mixed and self._release < version.DROPS_UNFIT_FLOWS

    async def _is_cheaper_singly(self, many: int) -> bool:
        return many <= AT_ONCE or many * LISTED_PER_CLIENT < await self._roster.size()

    async def _create_many(self, accesses: Sequence[Access]) -> None:
        """Those that one call can make right; what went wrong is found by looking, not by what the panel says."""
        inbounds = await self._catalogue.fitting(*accesses)
        known = {inbound.panel_id for inbound in inbounds}
        goals: dict[str, Goal] = {}
        for access in accesses:
            goal = goal_of(access, inbounds)
            fits = access.inbounds and set(access.inbounds) <= known and not self._needs_groups(goal, None)
            if fits and access.enabled and not await self._parts.of(access.email):
                goals.setdefault(access.email, goal)
        fitting = list(goals.values())
        for start in range(0, len(fitting), BATCH):
            try:
                await self._writer.create_many(fitting[start : start + BATCH])
            except (AccessDenied, RouteMissing):
                raise
            except (Retry, Refused):
                continue

    async def _each_put(self, accesses: Sequence[Access]) -> list[Seen | FerrymanError]:
        outcomes: list[Seen | FerrymanError] = []
        for start in range(0, len(accesses), AT_ONCE):
            some = accesses[start : start + AT_ONCE]
            found = await asyncio.gather(*(self._outcome_of_put(access) for access in some))
            raise_if_gone(found)
            outcomes += found
        return outcomes

    async def _each_dropped(self, emails: Sequence[str]) -> list[FerrymanError | None]:
        outcomes: list[FerrymanError | None] = []
        for start in range(0, len(emails), AT_ONCE):
            some = emails[start : start + AT_ONCE]
            found = await asyncio.gather(*(self._outcome_of_drop(email) for email in some))
            raise_if_gone(found)
            outcomes += found
        return outcomes

    async def _outcome_of_put(self, access: Access) -> Seen | FerrymanError:
        try:
            return await self.put(access)
        except FerrymanError as error:
            return error

    async def _outcome_of_drop(self, email: str) -> FerrymanError | None:
        try:
            await self.drop(email)
        except FerrymanError as error:
            return error
        return None


def raise_if_gone(outcomes: Sequence[object]) -> None:
    """What would stop all the others too: no way in, another generation, or none of them answered."""
    for outcome in outcomes:
        if isinstance(outcome, AccessDenied | RouteMissing):
            raise outcome
    unreachable = [outcome for outcome in outcomes if isinstance(outcome, Unreachable)]
    if unreachable and len(unreachable) == len(outcomes):
        raise unreachable[0]
