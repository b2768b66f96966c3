"""The history of keys: lines in the order in which things happened, with whoever did them."""

from ferryman.fleet import history
from ferryman.fleet.history import Happened
from ferryman.flows.tools import Tools
from tests.support.fleet import Fleet


async def test_lines_keep_their_order_their_actor_and_their_words(tools: Tools) -> None:
    fleet = Fleet(tools)
    anna = await fleet.subscription()
    lines = [
        Happened(anna.id, None, "switching", "тесно", {"to": "нл", "tap": 7}),
        *(Happened(anna.id, None, f"step {number}") for number in range(50)),
    ]
    async with tools.db.unit() as session:
        await history.note(session, lines, tools.clock.now(), "customer:7")
    rows = await fleet.rows("SELECT what, why, actor, detail FROM key_events ORDER BY id")
    assert [row.what for row in rows] == ["switching", *(f"step {number}" for number in range(50))]
    assert tuple(rows[0]) == ("switching", "тесно", "customer:7", {"to": "нл", "tap": 7})
    assert tuple(rows[1]) == ("step 0", "", "customer:7", {})


async def test_nothing_that_happened_is_nothing_written(tools: Tools) -> None:
    fleet = Fleet(tools)
    async with tools.db.unit() as session:
        await history.note(session, [], tools.clock.now())
    assert await fleet.value("SELECT count(*) FROM key_events") == 0
