"""Wiring: the tools are built once from settings, and closed with the block that built them."""

from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from ferryman import wiring
from ferryman.kit import log
from ferryman.kit.errors import Misconfigured, Unreachable
from ferryman.kit.secrets import new_key
from ferryman.kit.settings import Settings


def changed(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update=changes)


async def test_every_installed_plug_in_and_every_job_has_its_name(settings: Settings, database_url: str) -> None:
    async with wiring.built(settings, database_url, up_to_date=False) as tools:
        assert "yookassa" in tools.providers
        assert "xui" in tools.connections.kinds
        async with tools.db.unit() as session:
            for name in ("settle_event", "ask_payment", "reconcile_node", "deliver_notice", "probe_node"):
                assert await tools.jobs.defer(session, name, after=3600)
            with pytest.raises(KeyError):
                await tools.jobs.defer(session, "no_such_job")


async def test_nothing_stays_open_after_the_block(settings: Settings, postgres_url: str, database_url: str) -> None:
    async with wiring.built(settings, database_url) as tools, tools.db.unit() as session:
        assert await session.connection() is not None
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(postgres_url) as operator:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        assert operator.execute(query, [name]).fetchone() == (0,)


async def test_a_database_that_is_not_there_stops_the_start(settings: Settings) -> None:
    with pytest.raises(Unreachable):
        await _build(settings, "postgresql://nobody@127.0.0.1:9/none")


async def _build(settings: Settings, database_url: str) -> None:
    async with wiring.built(settings, database_url):
        pass


async def test_a_given_database_is_used_as_it_is(settings: Settings) -> None:
    url = "postgresql://user:password@host/name"
    async with wiring.database_of(changed(settings, database_url=SecretStr(url))) as found:
        assert found == url


def test_the_hook_secret_is_the_one_that_was_set(settings: Settings) -> None:
    assert wiring.hook_secret(settings) == "hook-secret-of-the-tests"


def test_a_derived_hook_secret_stays_when_a_new_key_is_put_in_front_and_is_not_the_key(settings: Settings) -> None:
    old, new = new_key(), new_key()
    first = wiring.hook_secret(changed(settings, hook_secret=None, secret_keys=[SecretStr(old)]))
    both = [SecretStr(new), SecretStr(old)]
    assert wiring.hook_secret(changed(settings, hook_secret=None, secret_keys=both)) == first
    assert len(first) == 32
    assert first not in old
    assert wiring.hook_secret(changed(settings, hook_secret=None, secret_keys=[SecretStr(new)])) != first


def test_without_a_key_one_is_made_and_kept(settings: Settings, tmp_path: Path) -> None:
    bare = changed(settings, secret_keys=[], data_dir=tmp_path / "a" / "b")
    sealed = wiring.vault_of(bare).seal({"a": 1})
    assert wiring.vault_of(bare).open(sealed) == {"a": 1}
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["secret.key"]


def test_a_key_that_is_none_stops_the_start(settings: Settings) -> None:
    with pytest.raises(Misconfigured, match="ferryman new-key"):
        wiring.vault_of(changed(settings, secret_keys=[SecretStr("no-key")]))


def test_no_secret_of_ours_is_ever_logged(settings: Settings) -> None:
    key = new_key()
    told = changed(
        settings,
        hook_secret=None,
        secret_keys=[SecretStr(key)],
        telegram_token=SecretStr("123456789:AAabcdefghijklmnopqrstuvwxyz0123456"),
        database_url=SecretStr("postgresql://user:hunter2hunter2@host/name"),
    )
    wiring.secrets_of_ours(told)
    token = "123456789:AAabcdefghijklmnopqrstuvwxyz0123456"
    url = "postgresql://user:hunter2hunter2@host/name"
    for secret in (key, wiring.hook_secret(told), "operator-token-of-the-tests", token, url):
        assert secret not in log.redactor.text(f"before {secret} after")
    assert "hunter2" not in log.redactor.text(url)
