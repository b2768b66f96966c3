"""Sending limits: the buckets on a clock of their own, and what a bot sees of them over HTTP."""

import pytest

from ferryman_sandbox.store import Store
from ferryman_sandbox.telegram.answers import ApiError
from ferryman_sandbox.telegram.limits import Limits
from tests.sandbox.telegram.phone import TOKEN, Phone

BOT, ANN, BOB = 123456, 1001, 1002


@pytest.fixture
def limits(store: Store) -> Limits:
    limits = Limits(store)
    limits.switch("strict")
    return limits


def passes(limits: Limits, user: int, now: float) -> bool:
    """Whether a message to this person passes at this moment."""
    try:
        limits.send(BOT, user, now)
    except ApiError:
        return False
    return True


def test_a_chat_takes_a_burst_of_three_and_then_one_a_second(limits: Limits) -> None:
    assert [passes(limits, ANN, 1000.0) for _ in range(4)] == [True, True, True, False]
    assert passes(limits, BOB, 1000.0)
    assert [passes(limits, ANN, 1001.0) for _ in range(2)] == [True, False]
    assert [passes(limits, ANN, 1100.0) for _ in range(4)] == [True, True, True, False]


def test_a_bot_sends_thirty_a_second_to_all_its_chats(limits: Limits) -> None:
    sent = [passes(limits, user, 1000.0) for user in range(31)]
    assert sent == [True] * 30 + [False]
    limits.send(BOT + 1, 0, 1000.0)
    assert passes(limits, 40, 1000.1)


def test_a_refused_message_costs_nothing(limits: Limits) -> None:
    for _ in range(20):
        passes(limits, ANN, 1000.0)
    assert passes(limits, ANN, 1001.0)


def test_the_wait_is_told_in_whole_seconds(limits: Limits) -> None:
    for _ in range(3):
        limits.send(BOT, ANN, 1000.0)
    with pytest.raises(ApiError) as refused:
        limits.send(BOT, ANN, 1000.2)
    assert refused.value.parameters == {"retry_after": 1}


def test_a_webhook_can_be_set_once_a_second(limits: Limits) -> None:
    limits.set_webhook(BOT, 1000.0)
    with pytest.raises(ApiError) as refused:
        limits.set_webhook(BOT, 1000.5)
    assert (refused.value.code, refused.value.parameters) == (429, {"retry_after": 1})
    limits.set_webhook(BOT, 1001.5)


def test_without_limits_everything_passes_and_advisory_ones_only_count(limits: Limits) -> None:
    limits.switch("off")
    assert all(passes(limits, ANN, 1000.0) for _ in range(10))
    assert limits.noted == 0
    limits.switch("advisory")
    assert all(passes(limits, ANN, 1000.0) for _ in range(5))
    assert limits.noted == 2


def test_the_mode_outlives_the_limits(limits: Limits, store: Store) -> None:
    assert Limits(store).mode == "strict"
    with pytest.raises(ValueError, match="off, advisory, strict"):
        limits.switch("harsh")


async def test_a_flood_is_answered_429_with_a_header_and_leaves_nothing_behind(phone: Phone) -> None:
    user = await phone.started()
    await phone.emu("limits", {"mode": "strict"})
    sent, refused = 0, False
    while not refused:
        assert sent < 100, "a hundred messages in a row were never too many"
        url = f"{phone.server.url}/bot{TOKEN}/sendMessage"
        async with phone.http.post(url, json={"chat_id": user, "text": "x"}) as answer:
            refused = answer.status == 429
            if refused:
                assert answer.headers["Retry-After"] == "1"
                assert await answer.json() == {
                    "ok": False,
                    "error_code": 429,
                    "description": "Too Many Requests: retry after 1",
                    "parameters": {"retry_after": 1},
                }
            else:
                sent += 1
    assert len((await phone.chat(user))["messages"]) == 1 + sent


async def test_an_edit_counts_like_a_message_and_a_refused_one_changes_nothing(phone: Phone) -> None:
    user = await phone.started()
    message = await phone.ok("sendMessage", chat_id=user, text="0")
    await phone.emu("limits", {"mode": "strict"})
    last = "0"
    for number in range(1, 100):
        change = {"chat_id": user, "message_id": message["message_id"], "text": str(number)}
        if not (await phone.api("editMessageText", **change))["ok"]:
            break
        last = str(number)
    assert last != "99"
    assert (await phone.chat(user))["messages"][-1]["text"] == last


async def test_the_mode_is_switched_and_told_over_http(phone: Phone) -> None:
    assert await phone.emu("limits") == {"mode": "off", "noted": 0}
    assert await phone.emu("limits", {"mode": "advisory"}) == {"mode": "advisory"}
    assert (await phone.emu("limits"))["mode"] == "advisory"
    assert "off, advisory, strict" in await phone.refused("limits", {"mode": "harsh"})
    assert 'give {"mode"' in await phone.refused("limits", [])
