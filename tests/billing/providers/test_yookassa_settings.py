"""What an operator may set for a YooKassa shop, and what it changes on the wire."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from ferryman.billing.provider import ProviderTools
from ferryman.billing.providers.yookassa import YooKassa
from ferryman.billing.providers.yookassa.settings import ShopConfig
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import Misconfigured
from ferryman.kit.http import Http
from tests.billing.providers.recorder import Recorder
from tests.billing.providers.worlds import Control, World, a_request, yookassa
from tests.billing.providers.yookassa_wire import at


async def test_a_receipt_is_sent_when_it_is_configured(world: World, control: Control) -> None:
    shop = at(control, SystemClock(), receipt={"vat_code": 1, "email": "receipts@shop.example"})
    await shop.open(world.request(description="x" * 200))
    assert (await control.payments())[0]["receipt_registration"] == "pending"


async def test_the_receipt_says_what_the_payment_says(http: Http, api: Recorder) -> None:
    shop = yookassa(http, f"{api.url}/v3", receipt={"vat_code": 4, "email": "receipts@shop.example"})
    await shop.open(a_request())
    receipt = json.loads(api.received[0].body)["receipt"]
    item = receipt["items"][0]
    assert receipt["customer"] == {"email": "receipts@shop.example"}
    assert (item["amount"], item["quantity"]) == ({"value": "199.00", "currency": "RUB"}, 1)
    assert (item["vat_code"], item["payment_subject"], item["measure"]) == (4, "service", "piece")


async def test_the_shop_may_have_its_own_return_address_and_must_have_one(http: Http, api: Recorder) -> None:
    own = yookassa(http, f"{api.url}/v3", return_url="https://shop.example/thanks")
    await own.open(replace(a_request(), language="ru"))
    confirmation = json.loads(api.received[0].body)["confirmation"]
    assert (confirmation["return_url"], confirmation["locale"]) == ("https://shop.example/thanks", "ru_RU")
    with pytest.raises(Misconfigured, match="return_url"):
        await yookassa(http, f"{api.url}/v3").open(replace(a_request(), return_url=""))


@pytest.mark.parametrize(
    ("key", "test", "mode"),
    [("test_abc", None, True), ("live_abc", None, False), ("test_abc", False, False), ("live_abc", True, True)],
)
def test_the_mode_is_the_keys_unless_it_is_said(http: Http, key: str, test: bool | None, mode: bool) -> None:
    assert yookassa(http, "https://api.example/v3", secret_key=key, test=test).test_mode is mode


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:9/v3", "https://localhost/v3", "http://[::1]:8/v3", "http://127.9.9.9"]
)
def test_an_emulator_is_refused_outside_the_sandbox(http: Http, base: str) -> None:
    config = ShopConfig.model_validate({"shop_id": "1", "secret_key": "s", "api_base": base})
    with pytest.raises(Misconfigured, match="FERRYMAN_ENV=sandbox"):
        YooKassa(config, ProviderTools(http, SystemClock(), sandbox=False))
    YooKassa(config, ProviderTools(http, SystemClock(), sandbox=True))


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"shop_id": "1:2"}, "shop_id"),
        ({"shop_id": ""}, "shop_id"),
        ({"secret_key": ""}, "secret_key"),
        ({"api_base": "http://api.example/v3"}, "https://"),
        ({"api_base": "ftp://api.example"}, "must be an address"),
        ({"api_base": "https://user:pw@api.example/v3"}, "must be an address"),
        ({"receipt": {"vat_code": 13, "email": "a@b"}}, "vat_code"),
        ({"receipt": {"vat_code": 1, "email": "no address"}}, "email"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_setting_names_itself_and_shows_no_secret(changes: dict[str, Any], names: str) -> None:
    good = {"shop_id": 100500, "secret_key": "live_canary_of_the_shop"}
    assert ShopConfig.model_validate(good).api_base == "https://api.yookassa.ru/v3"
    with pytest.raises(ValidationError) as wrong:
        ShopConfig.model_validate(good | changes)
    assert names in str(wrong.value)
    assert "canary" not in str(wrong.value) + repr(ShopConfig.model_validate(good))


def test_a_shop_of_play_money_is_refused_in_production(http: Http) -> None:
    config = ShopConfig.model_validate({"shop_id": "1", "secret_key": "test_abc"})
    with pytest.raises(Misconfigured, match="play money"):
        YooKassa(config, ProviderTools(http, SystemClock(), sandbox=False))
