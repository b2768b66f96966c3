"""`ferryman renewal …`: what renews itself, from a shell."""

import json

import pytest

from ferryman.flows.tools import Tools
from tests.faces.shell import Shell
from tests.support.subscriber import TELEGRAM_ID, Subscriber


@pytest.fixture
async def anna(tools: Tools) -> Subscriber:
    made = Subscriber(tools)
    await made.open()
    await made.buys()
    return made


async def test_renewals_are_listed_and_ended_and_no_token_is_shown(shell: Shell, anna: Subscriber) -> None:
    ref = (await anna.subscription()).ref
    listed = await shell.ferryman("renewal", "list")
    assert listed.code == 0, listed.err
    assert ref in listed.out
    assert "199.00 RUB" in listed.out
    (facts,) = json.loads((await shell.ferryman("renewal", "list", "--json")).out)
    assert (facts["state"], facts["title"], facts["agreed"]) == ("active", "Card *4477", "199.00 RUB")
    assert "token" not in json.dumps(facts)

    assert (await shell.ferryman("renewal", "stop", ref)).code == 2, "a reason must be given"
    idle = await shell.ferryman("renewal", "stop", ref, "--why", " ")
    assert (idle.code, "Give a reason" in idle.err) == (1, True)
    assert (await shell.ferryman("renewal", "stop", str(TELEGRAM_ID), "--why", "by phone")).code == 0
    again = await shell.ferryman("renewal", "stop", ref, "--why", "by phone")
    assert (again.code, "does not renew itself" in again.err) == (1, True)
    assert (await shell.ferryman("renewal", "list")).out.strip() == "Nothing renews itself."
    assert "operator" in (await shell.ferryman("renewal", "list", "--all")).out
