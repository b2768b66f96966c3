"""What an operator may set for CoinGate, and what is refused before anything is lost by it."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from yarl import URL

from ferryman.billing.provider import ProviderTools
from ferryman.billing.providers.coingate import CoinGate
from ferryman.billing.providers.coingate.provider import ApiAppConfig
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import Misconfigured, Unreachable
from ferryman.kit.http import Answer, Http
from tests.billing.providers.coingate_wire import live
from tests.billing.providers.worlds import a_request, closed_address, coingate


@pytest.mark.parametrize(
    ("base", "mode"),
    [
        ("https://api.coingate.com/v2", False),
        ("https://api.coingate.com/api/v2", False),
        ("https://api-sandbox.coingate.com/v2", True),
        ("http://127.0.0.1:9/v2", True),
    ],
)
def test_the_address_says_whether_the_money_is_real(http: Http, base: str, mode: bool) -> None:
    assert coingate(http, base).test_mode is mode


@pytest.mark.parametrize(
    ("base", "says"), [("http://127.0.0.1:9/v2", "emulator"), ("https://api-sandbox.coingate.com/v2", "play money")]
)
def test_play_money_is_refused_in_production(http: Http, base: str, says: str) -> None:
    config = ApiAppConfig.model_validate({"api_token": "t", "api_base": base})
    with pytest.raises(Misconfigured, match=says):
        CoinGate(config, ProviderTools(http, SystemClock(), sandbox=False))


async def test_an_address_for_callbacks_that_would_be_redirected_is_refused(http: Http) -> None:
    """http:// answered by a redirect to https:// ends an order's callbacks for good, so it never gets that far."""
    request = replace(a_request(currency="EUR"), hook_url="http://bot.example/hooks/coingate/x")
    with pytest.raises(Misconfigured, match="FERRYMAN_PUBLIC_URL"):
        await live(http, SystemClock()).open(request)


class Outside(Http):
    """The world as one machine sees it: our own address answers so, and CoinGate lists no orders."""

    def __init__(self, own: int | None) -> None:
        super().__init__()
        self.own, self.asked = own, list[str]()

    async def request(self, method: str, url: str | URL, **_: Any) -> Answer:
        self.asked.append(str(url))
        if not str(url).startswith("https://bot.example/"):
            return Answer(200, {}, b'{"orders": []}')
        if self.own is None:
            raise Unreachable("bot.example gave no answer.")
        return Answer(self.own, {"Location": "https://www.bot.example/"}, b"")


def at_address(base_url: str, outside: Outside) -> CoinGate:
    config = ApiAppConfig.model_validate({"api_token": "t"})
    return CoinGate(config, ProviderTools(outside, SystemClock(), sandbox=False, base_url=base_url))


@pytest.mark.parametrize("base_url", ["http://bot.example", "http://127.0.0.1:8080"])
async def test_29_such_an_address_is_refused_before_anything_is_sold(base_url: str) -> None:
    outside = Outside(200)
    with pytest.raises(Misconfigured, match="FERRYMAN_PUBLIC_URL"):
        await at_address(base_url, outside).check()
    assert outside.asked == []


@pytest.mark.parametrize("own", [301, 302, 307, 308])
async def test_29_an_address_that_redirects_is_refused_too(own: int) -> None:
    with pytest.raises(Misconfigured, match="redirect"):
        await at_address("https://bot.example", Outside(own)).check()


@pytest.mark.parametrize("own", [200, 404, 502, None])
async def test_an_address_that_is_not_there_yet_or_not_from_here_proves_nothing(own: int | None) -> None:
    outside = Outside(own)
    assert "accepts the token" in await at_address("https://bot.example", outside).check()
    assert outside.asked[0] == "https://bot.example/healthz"


@pytest.mark.parametrize("hook_url", ["", "https://bot.example/hooks/coingate/x"])
async def test_no_address_or_a_safe_one_is_fine(http: Http, hook_url: str) -> None:
    nowhere = coingate(http, f"{await closed_address()}/v2")
    with pytest.raises(Unreachable):
        await nowhere.open(replace(a_request(currency="EUR"), hook_url=hook_url))


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"api_token": ""}, "api_token"),
        ({"api_token": "canary\r\nX: 1"}, "api_token"),
        ({"previous_token": "canary canary"}, "previous_token"),
        ({"api_base": "http://api.example/v2"}, "https://"),
        ({"receive_currency": "bitcoin"}, "receive_currency"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_setting_names_itself_and_shows_no_secret(changes: dict[str, Any], names: str) -> None:
    good = {"api_token": "canary-of-the-account"}
    assert ApiAppConfig.model_validate(good).api_base == "https://api.coingate.com/v2"
    with pytest.raises(ValidationError) as wrong:
        ApiAppConfig.model_validate(good | changes)
    assert names in str(wrong.value)
    assert "canary" not in str(wrong.value) + repr(ApiAppConfig.model_validate(good))
