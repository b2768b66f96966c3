"""What is on sale: active plans with active terms, in the operator's order, priced in a currency that is asked for."""

import pytest
from sqlalchemy.exc import IntegrityError

from ferryman.catalog import shelf
from ferryman.catalog.plan import GIGABYTE, Plan, Price, Term
from ferryman.kit.db import Database
from ferryman.kit.money import Money

TEXT = {"ru": "План", "en": "Plan"}


def plan(code: str, *terms: Term, **facts: object) -> Plan:
    made = Plan(code=code, icon="⛵", title=TEXT, description={}, **facts)
    made.terms.extend(terms)
    return made


def term(days: int = 30, active: bool = True, **prices: int) -> Term:
    priced = [Price(currency=currency, minor=minor) for currency, minor in (prices or {"RUB": 100}).items()]
    return Term(days=days, active=active, prices=priced)


async def keep(database: Database, *plans: Plan) -> None:
    async with database.unit() as session:
        session.add_all(plans)


async def on_sale(database: Database) -> list[str]:
    async with database.unit() as session:
        return [one.code for one in await shelf.on_sale(session)]


async def test_plans_come_in_the_operators_order(database: Database) -> None:
    await keep(database, plan("late", term(), position=2), plan("early", term(), position=1))
    assert await on_sale(database) == ["early", "late"]


async def test_what_is_withdrawn_or_has_nothing_to_buy_is_not_shown(database: Database) -> None:
    await keep(
        database,
        plan("sold", term(active=False), term(90)),
        plan("withdrawn", term(), active=False),
        plan("no-term-left", term(active=False)),
        plan("never-had-one"),
    )
    assert await on_sale(database) == ["sold"]


async def test_only_what_is_active_can_be_bought(database: Database) -> None:
    good, old, of_withdrawn = term(), term(90, active=False), term()
    await keep(database, plan("a", good, old), plan("b", of_withdrawn, active=False))
    async with database.unit() as session:
        found = await shelf.term(session, good.id)
        assert found is not None
        assert found.plan.code == "a"
        for gone in (old.id, of_withdrawn.id, 0, -1, 2**62):
            assert await shelf.term(session, gone) is None


async def test_terms_come_shortest_first_with_their_prices(database: Database) -> None:
    await keep(database, plan("a", term(365), term(30), term(90)))
    async with database.unit() as session:
        (found,) = await shelf.on_sale(session)
        assert [one.days for one in found.terms] == [30, 90, 365]


def test_the_price_is_in_the_first_currency_that_both_sides_know() -> None:
    sold = term(30, RUB=19900, XTR=150)
    assert sold.price(("RUB",)) == Money(19900, "RUB")
    assert sold.price(("USD", "XTR", "RUB")) == Money(150, "XTR")
    assert sold.price(("USD",)) is None
    assert sold.price(()) is None


def test_an_order_remembers_everything_that_was_promised() -> None:
    sold = plan("a", term(30), traffic_bytes=100 * GIGABYTE, devices=3, places={"rule": "all"})
    assert sold.snapshot(sold.terms[0]) == {
        "plan": "a",
        "icon": "⛵",
        "title": TEXT,
        "days": 30,
        "traffic_bytes": 107_374_182_400,
        "devices": 3,
        "places": {"rule": "all"},
    }


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (lambda: plan("a", term(0)), "days_positive"),
        (lambda: plan("a", term(30, RUB=0)), "price_positive"),
        (lambda: plan("a", term(30, RUB=-1)), "price_positive"),
        (lambda: plan("a", term(30), term(30)), "uq_terms_plan_id"),
        (lambda: plan("a", traffic_bytes=-1), "limits_not_negative"),
        (lambda: plan("a", devices=-1), "limits_not_negative"),
    ],
)
async def test_what_cannot_be_sold_is_refused_by_the_database(database: Database, wrong, rule: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(IntegrityError, match=rule):
        await keep(database, wrong())
