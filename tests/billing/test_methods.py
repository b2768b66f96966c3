"""Payment methods: in the operator's order, sealed at rest, wrong settings named and never repeated."""

import pytest

from ferryman.billing import methods
from ferryman.billing.methods import Method
from ferryman.billing.providers.yookassa import YooKassa
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Misconfigured
from ferryman.kit.secrets import Vault, new_key

KEY = "live_a-key-that-nobody-may-read"
CONFIG = {"shop_id": "100500", "secret_key": KEY}


async def keep(tools: Tools, name: str = "yookassa", **facts: object) -> None:
    config = facts.pop("config", CONFIG)
    assert isinstance(config, dict)
    async with tools.db.unit() as session:
        session.add(Method(name=name, sealed_config=tools.vault.seal(config), **facts))


async def connect(tools: Tools, name: str = "yookassa", vault: Vault | None = None) -> object:
    async with tools.db.unit() as session:
        return await methods.connect(session, name, tools.providers, vault or tools.vault, tools.provider_tools)


async def test_methods_come_in_the_operators_order_without_those_switched_off(tools: Tools) -> None:
    await keep(tools, "third", position=3)
    await keep(tools, "off", position=0, enabled=False)
    await keep(tools, "first", position=1)
    await keep(tools, "also-first", position=1)
    async with tools.db.unit() as session:
        assert await methods.enabled(session) == ["also-first", "first", "third"]


async def test_a_configured_provider_is_made_with_its_own_settings(tools: Tools) -> None:
    await keep(tools)
    assert isinstance(await connect(tools), YooKassa)


async def test_one_that_is_switched_off_still_settles_what_is_open(tools: Tools) -> None:
    await keep(tools, enabled=False)
    assert isinstance(await connect(tools), YooKassa)


async def test_the_key_is_not_readable_in_the_database(tools: Tools) -> None:
    await keep(tools)
    async with tools.db.unit() as session:
        method = await session.get_one(Method, "yookassa")
    assert KEY.encode() not in method.sealed_config


async def test_what_is_not_installed_or_not_configured_says_so(tools: Tools) -> None:
    with pytest.raises(Misconfigured, match=r"No payment provider 'paypal' is installed. Installed are: .*yookassa"):
        await connect(tools, "paypal")
    with pytest.raises(Misconfigured, match=r"is not configured\. Add it to the file"):
        await connect(tools)


async def test_a_lost_vault_key_says_which_setting_to_mend(tools: Tools) -> None:
    await keep(tools)
    with pytest.raises(Misconfigured, match="FERRYMAN_SECRET_KEYS"):
        await connect(tools, vault=Vault([new_key()]))


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"secret_key": KEY}, "shop_id"),
        ({"shop_id": "100500"}, "secret_key"),
        ({**CONFIG, "shop_id": {"nested": KEY}}, "shop_id"),
        ({**CONFIG, "api_base": f"nonsense-{KEY}"}, "api_base"),
    ],
)
def test_wrong_settings_name_the_field_and_never_the_value(config: dict[str, object], field: str) -> None:
    with pytest.raises(Misconfigured, match=field) as caught:
        methods.checked_config(YooKassa, config)
    assert KEY not in str(caught.value)
