"""Finding an order again whose creation was never answered, and reading all of them: the API lists by time only."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ferryman.billing.provider import Fact, PaymentState
from ferryman.billing.providers.coingate import CoinGate
from ferryman.billing.providers.coingate.provider import PAGE, SEARCH_PAGES
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import Busy, Unreachable
from ferryman.kit.http import Http
from tests.billing.providers.coingate_wire import account, at, order, page
from tests.billing.providers.recorder import Recorder, Scripted
from tests.billing.providers.worlds import Control, World, a_request, coingate

NOW = datetime(2026, 1, 18, 14, 0, tzinfo=UTC)


@pytest.fixture
def shop(http: Http, api: Recorder) -> CoinGate:
    return coingate(http, f"{api.url}/v2")


@pytest.fixture
async def there() -> AsyncIterator[tuple[World, Control]]:
    async with account() as pair:
        yield pair


async def listed(shop: CoinGate, since: datetime = NOW, until: datetime = NOW + timedelta(days=3)) -> list[Fact]:
    return [fact async for fact in shop.listed(since, until)]


async def test_the_search_begins_when_the_payment_was_asked_for_oldest_first(shop: CoinGate, api: Recorder) -> None:
    api.say(page())
    request = a_request(currency="EUR")
    assert await shop.find(request) is None
    query = api.received[0].query
    since = datetime.fromisoformat(query["created_at[from]"])
    assert timedelta(0) < request.placed_at - since <= timedelta(hours=2)
    assert (query["sort"], query["per_page"], query["page"]) == ("created_at_asc", str(PAGE), "1")


async def test_a_search_reads_on_until_the_last_page(shop: CoinGate, api: Recorder) -> None:
    api.say(page(order(order_id="other"), "garbage", pages=2), page(order(id=77, order_id="wanted"), pages=2))
    found = await shop.find(replace(a_request(currency="EUR"), ref="wanted"))
    assert found is not None
    assert found.external_id == "77"
    assert [sent.query["page"] for sent in api.received] == ["1", "2"]


async def test_without_a_number_of_pages_only_an_empty_one_is_the_last(shop: CoinGate, api: Recorder) -> None:
    api.say(page(order(order_id="other"), pages=None), page(pages=None))
    assert await shop.find(a_request(currency="EUR")) is None
    assert len(api.received) == 2


async def test_a_search_without_end_is_not_called_certain(shop: CoinGate, api: Recorder) -> None:
    api.say(page(order(order_id="other"), pages=10_000))
    with pytest.raises(Busy):
        await shop.find(a_request(currency="EUR"))
    assert len(api.received) == SEARCH_PAGES


async def test_a_list_that_is_none_is_no_answer(shop: CoinGate, api: Recorder) -> None:
    api.say(Scripted(200, {"orders": {}}))
    with pytest.raises(Unreachable):
        await shop.find(a_request(currency="EUR"))


@pytest.mark.parametrize(
    ("statuses", "wanted"),
    [
        (("expired", "new", "paid"), "paid"),
        (("paid", "new"), "paid"),
        (("expired", "pending", "canceled"), "pending"),
        (("expired", "invalid"), "expired"),
    ],
)
async def test_of_several_orders_under_one_ref_the_one_that_matters_is_found(
    shop: CoinGate, api: Recorder, statuses: tuple[str, ...], wanted: str
) -> None:
    api.say(page(*(order(id=number, status=status) for number, status in enumerate(statuses, 1))))
    found = await shop.find(replace(a_request(currency="EUR"), ref="ours"))
    assert found is not None
    assert found.external_id == str(statuses.index(wanted) + 1)


async def test_an_order_is_found_however_many_there_are(there: tuple[World, Control]) -> None:
    world, control = there
    request = world.request()
    opened = await world.provider.open(request)
    for _ in range(PAGE + 1):
        await world.provider.open(world.request())
    found = await at(control, SystemClock()).find(request)
    assert found is not None
    assert found.external_id == opened.external_id


async def test_the_list_holds_what_was_created_and_what_was_paid_once_each(shop: CoinGate, api: Recorder) -> None:
    paid = order(id=2, status="paid")
    api.say(page(order(id=1), paid), page(paid, order(id=3, status="paid", order_id="another shop's")))
    found = await listed(shop)
    assert [fact.external_id for fact in found] == ["1", "2", "3"]
    windows = [sorted(name for name in sent.query if "[" in name) for sent in api.received]
    assert windows == [["created_at[from]", "created_at[to]"], ["paid_at[from]", "paid_at[to]"]]


async def test_a_filter_that_knows_days_only_cuts_nothing_off(shop: CoinGate, api: Recorder) -> None:
    api.say(page())
    await listed(shop, NOW, NOW + timedelta(hours=1))
    for sent in api.received:
        [until] = [value for name, value in sent.query.items() if name.endswith("[to]")]
        assert until == (NOW + timedelta(days=1, hours=1)).isoformat()


async def test_what_is_priced_in_something_else_is_not_ours(shop: CoinGate, api: Recorder) -> None:
    api.say(page(order(id=1, price_currency="BTC", price_amount="0.00012345"), order(id=2)), page())
    assert [fact.external_id for fact in await listed(shop)] == ["2"]


async def test_what_is_in_the_account_is_in_the_list(there: tuple[World, Control]) -> None:
    world, control = there
    shop = at(control, SystemClock())
    waiting, (_, paid) = await world.opened(), await world.paid()
    now = datetime.now(UTC)
    found = {fact.external_id: fact.state for fact in await listed(shop, now - timedelta(hours=1), now)}
    assert found == {waiting: PaymentState.PENDING, paid.external_id: PaymentState.SUCCEEDED}
    assert await listed(shop, now - timedelta(days=9), now - timedelta(days=5)) == []
