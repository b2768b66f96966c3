"""`ferryman promo …`: what makes things cheaper, in an operator's hands, from a shell."""

import json

import pytest

from ferryman.flows.shop import setup
from ferryman.flows.tools import Tools
from tests.faces.shell import Said, Shell
from tests.support.shop import PLANS, Town, town


@pytest.fixture
async def shop(tools: Tools) -> Town:
    """Plans and people are enough: nothing is paid here."""
    await setup.apply(tools, setup.Shop.model_validate({"plans": PLANS}))
    return town(tools)


async def promo(shell: Shell, *words: str) -> Said:
    return await shell.ferryman("promo", *words)


async def well(shell: Shell, *words: str) -> str:
    said = await promo(shell, *words)
    assert said.code == 0, said.err
    return said.out


async def test_a_code_is_made_listed_and_switched_off(shell: Shell, shop: Town) -> None:
    assert "Nothing yet" in await well(shell, "list")
    made = await well(shell, "add", "summer", "25%", "--most", "500", "--until", "2099-09-01")
    assert "✅ SUMMER: −25% (500 in all; 1 each; until 2099-09-01 00:00)" in made
    await well(shell, "add", "NEW", "100 RUB", "--newcomers")
    await well(shell, "volume", "5", "10%")
    await shop.customer(7)
    await well(shell, "personal", "7", "15%")
    listed = await well(shell, "list")
    for words in (
        "🎟",
        "SUMMER",
        "−25%",
        "0 of 500",
        "until 2099-09-01",
        "NEW · newcomers",
        "−100.00 RUB",
        "after 5 orders",
    ):
        assert words in listed, words
    assert "customer 7" in listed
    assert all(len(line) <= 80 for line in listed.splitlines())

    assert "✅ SUMMER is off." in await well(shell, "off", "Summer")
    assert "SUMMER" not in await well(shell, "list")
    assert "SUMMER" in await well(shell, "list", "--all")
    facts = json.loads(await well(shell, "list", "--all", "--json"))
    assert [(one["kind"], one["active"]) for one in facts] == [
        ("promo", False), ("promo", True), ("volume", True), ("personal", True),
    ]  # fmt: skip
    assert {one["by"] for one in facts} == {"operator:cli"}


async def test_what_cannot_be_is_refused_with_a_sentence(shell: Shell, shop: Town) -> None:
    for words, why in (
        (("add", "SUMMER", "0%"), "is no discount"),
        (("add", "S", "10%"), "cannot be a promo code"),
        (("add", "SUMMER", "10%", "--plan", "gold"), "There is no plan 'gold'"),
        (("add", "SUMMER", "10%", "--until", "2020-01-01"), "end before it begins"),
        (("personal", "404", "10%"), "has been in the bot"),
        (("off", "WINTER"), "There is no discount 'WINTER'"),
    ):
        said = await promo(shell, *words)
        assert (said.code, why in said.err) == (1, True), said
    assert (await promo(shell, "volume", "0", "10%")).code == 2
