"""A node leaves the fleet without a change of anybody's link: drained in steps, taken back, retired."""

import base64
import json

import pytest

from ferryman.delivery.profile import render_base64
from ferryman.flows.fleet import draining
from ferryman.flows.fleet.draining import Progress
from ferryman.flows.keys import placing, profile, provisioning
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Misconfigured, NotFound, Refused
from ferryman.subscriptions.subscription import Subscription
from tests.support.fleet import ONE, Fleet
from tests.support.messages import Outbox
from tests.support.shop import Town
from tests.support.watch import Watch

PEOPLE = 12


@pytest.fixture
async def fleet(tools: Tools) -> Fleet:
    fleet = Fleet(tools)
    await fleet.nodes("de-1", "de-2", "nl-1")
    return fleet


@pytest.fixture
async def people(fleet: Fleet) -> list[Subscription]:
    """Everybody has one location of their choice; six of them one in Germany."""
    found = [await fleet.subscription(ONE, location="de" if number % 2 else "nl") for number in range(PEOPLE)]
    await fleet.work()
    return found


async def on(fleet: Fleet, name: str) -> int:
    return int(await fleet.value("SELECT count(*) FROM keys WHERE node_id = :id", id=fleet.ids[name]))


async def mode(fleet: Fleet, name: str) -> str:
    return str(await fleet.value("SELECT mode FROM nodes WHERE name = :name", name=name))


async def drained(fleet: Fleet, name: str, rounds: int = 6) -> Progress:
    for _ in range(rounds):
        await fleet.round()
    return await draining.progress(fleet.tools, name)


async def test_draining_moves_everybody_and_counts_down(fleet: Fleet, people: list[Subscription]) -> None:
    before = await on(fleet, "de-1")
    assert before > 0
    begun = await draining.drain(fleet.tools, "de-1", "operator:cli")
    assert (begun.were, begun.remain, begun.moved, begun.done) == (before, before, 0, False)
    assert begun.why == {"its turn to be moved has not come yet": before}
    ended = await drained(fleet, "de-1")
    assert (ended.were, ended.remain, ended.moved, ended.done, ended.held) == (before, 0, before, True, ())
    assert fleet.panels["de-1"].clients == {}
    for one in people:
        assert len(fleet.holders(one)) == 1


async def test_while_it_is_drained_everybody_is_served_at_every_step(fleet: Fleet, people: list[Subscription]) -> None:
    await draining.drain(fleet.tools, "de-1", "operator:cli")
    for _ in range(5):
        fleet.tools.clock.advance(seconds=30)  # type: ignore[attr-defined]
        for step in (placing.sweep, provisioning.sweep):
            await step(fleet.tools)
            assert all(fleet.holders(one) for one in people)
            await fleet.work()
            assert all(fleet.holders(one) for one in people)


async def test_a_drain_that_is_taken_back_leaves_the_node_in_service(fleet: Fleet, people: list[Subscription]) -> None:
    await draining.drain(fleet.tools, "de-1", "operator:cli")
    await drained(fleet, "de-1", rounds=1)
    await draining.undrain(fleet.tools, "de-1", "operator:cli")
    assert await mode(fleet, "de-1") == "active"
    # The other German node is full.
    await fleet.change("de-2", capacity_clients=1)
    newcomer = await fleet.subscription(ONE, location="de")
    await fleet.rounds()
    assert fleet.holders(newcomer) == {"de-1"}
    assert all(len(fleet.holders(one)) == 1 for one in people)
    with pytest.raises(Refused, match="not being drained"):
        await draining.undrain(fleet.tools, "de-1", "operator:cli")


async def test_draining_twice_is_draining_once(fleet: Fleet, people: list[Subscription]) -> None:
    first = await draining.drain(fleet.tools, "de-1", "operator:cli")
    await drained(fleet, "de-1", rounds=2)
    again = await draining.drain(fleet.tools, "de-1", "operator:cli")
    assert again.were == first.were


async def test_the_last_node_cannot_be_drained(fleet: Fleet) -> None:
    await fleet.change("de-2", mode="off")
    await fleet.change("nl-1", state="down")
    with pytest.raises(Misconfigured, match="Add another node first"):
        await draining.drain(fleet.tools, "de-1", "operator:cli")
    await fleet.change("nl-1", state="healthy", quarantined_at=fleet.tools.clock.now())
    with pytest.raises(Misconfigured, match="no other node"):
        await draining.drain(fleet.tools, "de-1", "operator:cli")
    assert await mode(fleet, "de-1") == "active"


async def test_what_is_held_is_named_with_why(fleet: Fleet, people: list[Subscription]) -> None:
    await draining.drain(fleet.tools, "nl-1", "operator:cli")
    fleet.panels["nl-1"].go_down()
    await fleet.change("nl-1", state="down", trouble="nl-1: nl-1.test does not answer.")
    held = await drained(fleet, "nl-1")
    assert held.remain > 0
    assert set(held.why) == {"nl-1: nl-1.test does not answer."}
    refs = {one.ref for one in people}
    assert {one.subscription for one in held.held} <= refs
    with pytest.raises(Refused, match=f"has {held.remain} keys"):
        await draining.retire(fleet.tools, "nl-1", "operator:cli")


async def test_a_drained_node_retires_and_is_never_called_again(fleet: Fleet, people: list[Subscription]) -> None:
    with pytest.raises(Refused, match="drained"):
        await draining.retire(fleet.tools, "de-1", "operator:cli")
    await draining.drain(fleet.tools, "de-1", "operator:cli")
    await drained(fleet, "de-1")
    await draining.retire(fleet.tools, "de-1", "operator:cli")
    fleet.panels["de-1"].calls.clear()
    for _ in range(3):
        await fleet.subscription()
        await provisioning.reconcile_node(fleet.tools, fleet.ids["de-1"])
        await fleet.round()
    assert fleet.panels["de-1"].calls.total() == 0
    assert await mode(fleet, "de-1") == "retired"
    assert await on(fleet, "de-1") == 0


async def test_its_credentials_are_forgotten_with_it(fleet: Fleet) -> None:
    await draining.drain(fleet.tools, "de-1", "operator:cli")
    await draining.retire(fleet.tools, "de-1", "operator:cli")
    sealed = await fleet.value("SELECT sealed_access FROM nodes WHERE name = 'de-1'")
    assert fleet.tools.vault.open(bytes(sealed)) == {"url": ""}


async def test_one_that_answers_cannot_be_forced_out_with_keys_on_it(fleet: Fleet, people: list[Subscription]) -> None:
    with pytest.raises(Refused, match="answers"):
        await draining.retire(fleet.tools, "de-1", "operator:cli", force=True)
    assert await on(fleet, "de-1") > 0


@pytest.mark.weather
async def test_a_node_retired_while_offline_leaves_no_owed_work_behind(
    fleet: Fleet, people: list[Subscription]
) -> None:
    fleet.panels["nl-1"].go_down()
    await fleet.change("nl-1", state="down", trouble="nl-1: nl-1.test does not answer.")
    await fleet.rows(
        """INSERT INTO tombstones (node_id, subscription_id, email, uuid, sub_id, why, try_at)
           VALUES (:node, :one, 'fm-x', 'u', 's', 'replaced', now()) RETURNING id""",
        node=fleet.ids["nl-1"],
        one=people[0].id,
    )
    left = await on(fleet, "nl-1")
    await draining.retire(fleet.tools, "nl-1", "operator:cli", force=True)
    assert await on(fleet, "nl-1") == 0
    assert await fleet.value("SELECT count(*) FROM tombstones") == 0
    fleet.panels["nl-1"].calls.clear()
    await fleet.rounds(5)
    owed = "SELECT count(*) FROM keys WHERE seen_revision IS DISTINCT FROM wanted_revision OR NOT wanted"
    assert await fleet.value(owed) == 0
    assert fleet.panels["nl-1"].calls.total() == 0
    for one in people:
        assert len(fleet.holders(one) - {"nl-1"}) == 1
    told = "SELECT count(*) FROM key_events WHERE what = 'dropped' AND why = 'the node is retired' AND actor = :actor"
    assert await fleet.value(told, actor="operator:cli") == left


@pytest.mark.weather
async def test_a_key_that_was_chosen_for_a_node_while_it_was_retired_is_swept_away(fleet: Fleet) -> None:
    one = await fleet.subscription()
    await fleet.work()
    await draining.drain(fleet.tools, "de-1", "operator:cli")
    await drained(fleet, "de-1")
    await draining.retire(fleet.tools, "de-1", "operator:cli")
    await fleet.rows(
        """INSERT INTO keys (subscription_id, node_id, wanted_revision, try_at)
           VALUES (:one, :node, 1, now()) RETURNING id""",
        one=one.id,
        node=fleet.ids["de-1"],
    )
    await draining.sweep(fleet.tools)
    assert await on(fleet, "de-1") == 0


async def test_retiring_twice_is_retiring_once(fleet: Fleet) -> None:
    await draining.drain(fleet.tools, "de-1", "operator:cli")
    for _ in range(2):
        await draining.retire(fleet.tools, "de-1", "operator:cli")
    with pytest.raises(Refused, match="retired"):
        await draining.drain(fleet.tools, "de-1", "operator:cli")


async def test_a_node_that_is_not_there_is_said_to_be_unknown(fleet: Fleet) -> None:
    for asked in (draining.drain, draining.undrain, draining.retire):
        with pytest.raises(NotFound, match="no node 'se-1'"):
            await asked(fleet.tools, "se-1", "operator:cli")
    with pytest.raises(NotFound):
        await draining.progress(fleet.tools, "se-1")


@pytest.fixture
async def watch(shop: Town, outbox: Outbox) -> Watch:
    watch = Watch(shop, outbox)
    await watch.open()
    return watch


async def shown(shop: Town) -> tuple[str, dict[str, str], set[str]]:
    """The customer's link, who they are on each node that it leads to (all that a client presents), and the nodes."""
    ((token,),) = await shop.rows("SELECT token FROM subscriptions")
    found = await profile.of_token(shop.tools, token)
    assert found is not None
    lines = base64.b64decode(render_base64(found).body).decode().split()
    assert lines and all("://" in line for line in lines)
    who = {line.partition("@")[2].partition(":")[0].partition(".")[0]: line.partition("@")[0] for line in lines}
    return token, who, set(who)


async def identity(shop: Town) -> str:
    """Everything about the customer's client that must never change, on all panels that have it."""
    rows = await shop.rows("SELECT token, uuid, password, sub_id, ref FROM subscriptions")
    return json.dumps([tuple(row) for row in rows])


@pytest.mark.weather
async def test_one_link_lives_through_a_kill_a_switch_a_return_a_drain_and_a_retirement(watch: Watch) -> None:
    shop = watch.shop
    await shop.webhook(shop.pay(await shop.order(await shop.customer())))
    await watch.watches(minutes=2)
    born, (token, first, nodes) = await identity(shop), await shown(shop)
    assert nodes == {"de-1", "nl-1", "fi-1"}

    shop.fault("nl-1", mode="drop_before", times=-1)
    await watch.watches(minutes=12)
    _, who, nodes = await shown(shop)
    assert (await watch.node()).quarantined_at is not None
    assert nodes == {"de-1", "fi-1"}
    assert who == {name: first[name] for name in nodes}

    shop.panels["nl-1"].weather.clear()
    await watch.watches(minutes=8)
    assert (await watch.node()).quarantined_at is None
    assert (await shown(shop))[1:] == (first, {"de-1", "nl-1", "fi-1"})

    await draining.drain(shop.tools, "nl-1", "operator:cli")
    await watch.watches(minutes=5)
    assert (await draining.progress(shop.tools, "nl-1")).done
    assert shop.clients("nl-1") == {}
    assert (await shown(shop))[2] == {"de-1", "fi-1"}

    await draining.retire(shop.tools, "nl-1", "operator:cli")
    await watch.watches(minutes=5)
    last_token, who, _ = await shown(shop)
    assert (last_token, await identity(shop)) == (token, born)
    assert who == {name: first[name] for name in ("de-1", "fi-1")}
    assert watch.alerts() == ["🔴", "🟣", "🟢"]
    assert await shop.value("SELECT count(*) FROM money_without_key") == 0


@pytest.mark.weather
async def test_a_purchase_made_while_a_node_is_away_is_whole_once_it_is_back(watch: Watch) -> None:
    watch.shop.fault("nl-1", mode="drop_before", times=-1)
    await watch.watches(minutes=3)
    await watch.shop.webhook(watch.shop.pay(await watch.shop.order(await watch.shop.customer())))
    await watch.watches(minutes=15)
    token, who, nodes = await shown(watch.shop)
    assert nodes == {"de-1", "fi-1"}
    watch.shop.panels["nl-1"].weather.clear()
    await watch.watches(minutes=10)
    last, more, nodes = await shown(watch.shop)
    assert (last, nodes) == (token, {"de-1", "nl-1", "fi-1"})
    assert {name: more[name] for name in who} == who


async def test_a_key_that_waits_for_its_successor_says_so(fleet: Fleet) -> None:
    one = await fleet.subscription(ONE, location="nl")
    await fleet.work()
    for name in ("de-1", "de-2"):
        fleet.panels[name].go_down()
    await draining.drain(fleet.tools, "nl-1", "operator:cli")
    await placing.sweep(fleet.tools)
    waiting = await draining.progress(fleet.tools, "nl-1")
    assert waiting.why == {"waits until the key that replaces it is there": 1}
    assert [(held.subscription, waiting.done) for held in waiting.held] == [(one.ref, False)]
