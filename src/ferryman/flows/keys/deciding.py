"""What a choice of nodes means for a subscription's keys as they are: which come, stay, go, or wait. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ferryman.fleet.census import Census
from ferryman.fleet.key import Key
from ferryman.fleet.node import NodeMode, NodeState
from ferryman.fleet.placement import Candidate, Choice
from ferryman.subscriptions.subscription import Subscription


@dataclass
class Decision:
    """What is to be done about one subscription's keys: nodes where they are to be wanted (`new` without a row yet),
    and rows to be let go, dropped without asking the node, or replaced by a tombstone. `waits`: something is left."""

    subscription: Subscription
    choice: Choice
    want: list[int] = field(default_factory=list)
    new: list[int] = field(default_factory=list)
    let_go: list[Key] = field(default_factory=list)
    forget: list[Key] = field(default_factory=list)
    entomb: list[Key] = field(default_factory=list)
    waits: bool = False
    replacing: bool = False


def decide(fleet: Census, one: Subscription, rows: Sequence[Key]) -> Decision:
    held = [row.node_id for row in rows if row.wanted]
    choice = fleet.placement.choose(one.places, held, one.location, one.ref)
    if one.replacing_since is not None:
        # Every key goes, and none comes, until there is a new identity.
        return Decision(one, choice, let_go=[row for row in rows if row.wanted], waits=True, replacing=True)
    decision = Decision(one, choice, waits=choice.waits or not choice.nodes)
    by_node = {row.node_id: row for row in rows}
    for row in rows:
        if row.node_id not in choice.nodes:
            _dismiss(fleet, decision, row, by_node)
    going = [row for row in rows if row.node_id not in choice.nodes and row not in decision.entomb + decision.forget]
    for node_id in choice.homes + choice.stand_ins:
        known = by_node.get(node_id)
        if known is None and _must_wait(fleet, decision, node_id, going):
            decision.waits = True
        elif known is None:
            decision.new.append(node_id)
            fleet.placement.arrived(node_id)
        elif not known.wanted or known.wanted_revision != one.revision:
            decision.want.append(node_id)
    return decision


def _dismiss(fleet: Census, decision: Decision, row: Key, by_node: dict[int, Key]) -> None:
    """What becomes of a key that is on a node where it does not belong any more."""
    mode, node = fleet.modes[row.node_id], fleet.placement.by_id.get(row.node_id)
    switched = _is_switch(fleet, decision, row, by_node)
    if mode == NodeMode.RETIRED:
        decision.forget.append(row)
    elif switched and (node is None or node.quarantined):
        # It serves nobody, and must not keep the customer from the new one.
        decision.entomb.append(row)
    elif not row.wanted:
        decision.waits |= switched
    elif switched or mode == NodeMode.OFF or _is_relieved(fleet, decision, row, by_node):
        decision.let_go.append(row)
    else:
        decision.want += [row.node_id] if row.wanted_revision != decision.subscription.revision else []
        decision.waits = True


def _is_switch(fleet: Census, decision: Decision, row: Key, by_node: dict[int, Key]) -> bool:
    """Whether the key has to go before the one that the customer has chosen instead may come."""
    one = decision.subscription
    if one.places["rule"] != "one" or one.location is None:
        return False
    coming = [node for node in _nodes(fleet, decision) if node.location == one.location and node.id not in by_node]
    return bool(coming) and fleet.locations[row.node_id] != one.location


def _must_wait(fleet: Census, decision: Decision, node_id: int, going: Sequence[Key]) -> bool:
    """Whether a new key has to wait until others are gone."""
    if decision.subscription.location != fleet.locations[node_id]:
        return False
    return any(_is_switch(fleet, decision, row, {row.node_id: row for row in going}) for row in going)


def _is_relieved(fleet: Census, decision: Decision, row: Key, by_node: dict[int, Key]) -> bool:
    """Whether those that take a key's place are there: all of its location, or any when there is none."""
    serving = [node for node in _nodes(fleet, decision) if node.serving]
    there = {node.id for node in serving if node.health != NodeState.DOWN and _is_there(by_node.get(node.id))}
    peers = {node.id for node in serving if node.location == fleet.locations[row.node_id]}
    return peers <= there if peers else bool(there)


def _is_there(row: Key | None) -> bool:
    """Whether the node shows the client as it was last wanted: one with an older end would not do in its place."""
    return row is not None and row.wanted and row.seen_revision == row.wanted_revision


def _nodes(fleet: Census, decision: Decision) -> list[Candidate]:
    return [fleet.placement.by_id[node_id] for node_id in decision.choice.nodes]
