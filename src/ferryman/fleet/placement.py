"""Placement: on which nodes one subscription's keys belong. Pure; who writes it down is `flows.keys.placing`.

Who is served well is never moved. New keys go to healthy, active nodes with room, one a location; where nobody fits,
something is still better than nothing, for the key is paid for.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

# A panel that answers in so many milliseconds scores half; one that was never timed does too.
MIDDLING_LATENCY = 100.0
UNTIMED = 0.5
# How bad a node is for a new key: up to FIT it may have one in the ordinary way, up to AWAKE when somebody would
# have none otherwise; beyond that it is better than nothing only.
FIT, AWAKE, DRAINING, DOWN, DOWN_AND_DRAINING, QUARANTINED = 0, 3, 4, 5, 6, 7


@dataclass(frozen=True)
class Weights:
    """How much each part of the score counts: any numbers, none negative, not all zero."""

    capacity: float = 0.50
    response: float = 0.30
    priority: float = 0.15
    affinity: float = 0.05


@dataclass(frozen=True)
class Candidate:
    """A node in use. `capacity_*` 0 = no limit; `used_bytes` in the last thirty days; `health` as `NodeState` says.

    `leaving`: it is being drained. `quarantined`: it serves nobody, though its keys stay.
    """

    id: int
    name: str
    location: str
    priority: int = 50
    latency_ms: int | None = None
    clients: int = 0
    capacity_clients: int = 0
    used_bytes: int = 0
    capacity_bytes: int = 0
    health: str = "healthy"
    leaving: bool = False
    quarantined: bool = False

    @property
    def serving(self) -> bool:
        """Whether customers who are on it are served, as far as we know."""
        return not self.quarantined

    @property
    def taking(self) -> bool:
        """Whether new customers are welcome, room or not."""
        return not (self.leaving or self.quarantined) and self.health == "healthy"

    @cached_property
    def room(self) -> float:
        """The share of its capacity that is free, by whichever is scarcer; 1 without limits."""
        shares = [
            1 - used / capacity
            for used, capacity in ((self.clients, self.capacity_clients), (self.used_bytes, self.capacity_bytes))
            if capacity
        ]
        return max(min(shares, default=1.0), 0.0)

    @cached_property
    def badness(self) -> int:
        if self.quarantined:
            return QUARANTINED + self.leaving
        if self.health == "down":
            return DOWN_AND_DRAINING if self.leaving else DOWN
        if self.leaving:
            return DRAINING
        return (0 if self.health == "healthy" else 1) + (0 if self.room > 0 else 2)

    @property
    def quickness(self) -> float:
        return UNTIMED if self.latency_ms is None else MIDDLING_LATENCY / (MIDDLING_LATENCY + max(self.latency_ms, 0))


@dataclass(frozen=True)
class Choice:
    """`homes` are where the keys belong, `stand_ins` serve for homes in quarantine.

    `least_bad`: a node was taken that is not fit. `waits`: something would be better, and nobody is fit for it now.
    """

    homes: tuple[int, ...]
    stand_ins: tuple[int, ...] = ()
    least_bad: bool = False
    waits: bool = False

    @property
    def nodes(self) -> frozenset[int]:
        return frozenset(self.homes + self.stand_ins)


class Placement:
    """One fleet, asked for many subscriptions. `candidates` are all nodes in use."""

    def __init__(self, candidates: Iterable[Candidate], weights: Weights | None = None) -> None:
        self.weights = weights or Weights()
        self.by_id = {one.id: one for one in candidates}
        self.locations: dict[str, list[Candidate]] = {}
        for one in self.by_id.values():
            self.locations.setdefault(one.location, []).append(one)

    def arrived(self, node_id: int) -> None:
        """One client more is on that node: what is chosen from now on reckons with it."""
        old = self.by_id[node_id]
        new = self.by_id[node_id] = replace(old, clients=old.clients + 1)
        self.locations[old.location] = [new if one is old else one for one in self.locations[old.location]]

    def choose(
        self, places: Mapping[str, Any], held: Sequence[int] = (), chosen: str | None = None, seed: str = ""
    ) -> Choice:
        """Where a subscription's keys belong. `places` is a plan's rule (see `Plan.places`), `held` the nodes that it
        has keys on, longest held first, `chosen` the customer's location, `seed` its ref, which breaks ties.

        Asked again about what it answered, it answers the same. Nothing is chosen only when there are no nodes.
        """
        return _Search(self, places, [self.by_id[one] for one in held if one in self.by_id], chosen, seed).answer()


class _Search:
    def __init__(
        self, fleet: Placement, places: Mapping[str, Any], held: list[Candidate], chosen: str | None, seed: str
    ) -> None:
        self.fleet, self.held, self.chosen, self.seed = fleet, held, chosen, seed
        self.rule: str = places["rule"]
        codes = places.get("codes") or ()
        self.allowed = [code for code in fleet.locations if not codes or self.rule == "all" or code in codes]
        self.homes: list[Candidate] = []
        self.stand_ins: list[Candidate] = []
        self.waits = False

    def answer(self) -> Choice:
        if self.rule == "one":
            self._settle_in_one()
        else:
            for location in self.allowed:
                self._settle(location)
        least_bad = self._make_sure()
        return Choice(
            tuple(one.id for one in self.homes),
            tuple(one.id for one in self.stand_ins),
            least_bad,
            self.waits or least_bad,
        )

    def _settle(self, location: str) -> None:
        """A home in this location, where there is one already or somebody is fit; and a stand-in for a dead home."""
        staying = [one for one in self.held if one.location == location and not one.leaving]
        home = staying[0] if staying else self._best([location], FIT)
        if home is None:
            # Where all are being drained, nothing is to come.
            self.waits |= any(not one.leaving for one in self.fleet.locations[location])
            return
        self.homes.append(home)
        if not home.serving:
            others = [one for one in staying if one.serving]
            stand_in = others[0] if others else self._best([location], FIT)
            if stand_in is not None:
                self.stand_ins.append(stand_in)

    def _settle_in_one(self) -> None:
        location = self._one_location()
        if location is None:
            self.waits = bool(self.allowed)
            return
        self._settle(location)
        # Better to stay where one is served than to wait for a place that has no room.
        if not self.homes:
            staying = self._staying(self.allowed)
            self.homes += staying[:1]

    def _one_location(self) -> str | None:
        """The customer's choice; before a choice, or when it is gone: where the key is, or the best."""
        if self.chosen in self.allowed:
            return self.chosen
        held = [one for one in self.held if one.location in self.allowed]
        at_home = [one for one in held if not one.leaving]
        if at_home:
            return at_home[0].location
        best = self._best({one.location for one in held}, FIT) or self._best(self.allowed, FIT)
        return best.location if best is not None else None

    def _make_sure(self) -> bool:
        """Nobody stays without a node that serves while there is any; whether the one taken for that is unfit."""
        if any(one.serving for one in self.homes + self.stand_ins):
            return False
        where = list(self.fleet.locations)
        staying = self._staying(where)
        found = (
            (staying[0] if staying else None)
            or self._best(self.allowed, FIT)
            or self._best(where, FIT)
            or self._best(self.allowed, AWAKE)
            or self._best(where, AWAKE)
            or next((one for one in self.held if one.badness == DRAINING), None)
            or self._best(where, QUARANTINED - 1)
        )
        if found is None and not self.homes:
            found = next(iter(self.held), None) or self._best(where, QUARANTINED + 1)
        if found is None:
            return False
        (self.stand_ins if self.homes else self.homes).append(found)
        return found.badness > FIT and found not in staying

    def _staying(self, where: Collection[str]) -> list[Candidate]:
        return [one for one in self.held if one.serving and not one.leaving and one.location in where]

    def _best(self, where: Collection[str], worst: int) -> Candidate | None:
        """The best of these locations' nodes that are at most so bad; the bad ones only when there are no better."""
        fit = [one for location in where for one in self.fleet.locations[location] if one.badness <= worst]
        return min(fit, key=lambda one: (one.badness, -self._score(one), self._lot(one)), default=None)

    def _score(self, one: Candidate) -> float:
        weights = self.fleet.weights
        known = one.location == self.chosen or any(other.location == one.location for other in self.held)
        score = (
            weights.capacity * one.room
            + weights.response * one.quickness
            + weights.priority * one.priority / 100
            + weights.affinity * known
        )
        # Sums of the same parts in another order must tie.
        return round(score, 9)

    def _lot(self, one: Candidate) -> bytes:
        """Rendezvous hashing: another node in the fleet moves only those who are to be on it."""
        return blake2b(f"{self.seed} {one.name}".encode(), digest_size=8).digest()
