"""Settings: a wrong value stops the start and names itself, and never shows a secret."""

import pytest

from ferryman.kit import settings
from ferryman.kit.errors import Misconfigured

TOKEN = "123456789:AAabcdefghijklmnopqrstuvwxyz0123456"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.chdir(str(tmp_path))
    for name in list(__import__("os").environ):
        if name.startswith("FERRYMAN_") or name == "DATABASE_URL":
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FERRYMAN_PORT", "eighty"),
        ("FERRYMAN_PORT", "70000"),
        ("FERRYMAN_ENV", "staging"),
        ("FERRYMAN_PUBLIC_URL", "shop.example"),
        ("FERRYMAN_TELEGRAM_API_BASE", "ftp://telegram.example"),
        ("FERRYMAN_TELEGRAM_TOKEN", "my-secret-but-no-token"),
        ("FERRYMAN_OPERATOR_TOKEN", "short"),
        ("FERRYMAN_LOG_FORMAT", "xml"),
        ("FERRYMAN_PLACEMENT_WEIGHTS", "1,2,3"),
        ("FERRYMAN_PLACEMENT_WEIGHTS", "0,0,0,0"),
        ("FERRYMAN_PLACEMENT_WEIGHTS", "0.5,-0.3,0.15,0.05"),
        ("FERRYMAN_PLACEMENT_WEIGHTS", "inf,1,1,1"),
        ("FERRYMAN_PLACEMENT_WEIGHTS", "most,some,few,none"),
        ("FERRYMAN_ENDED_KEYS_DAYS", "-1"),
    ],
)
def test_a_wrong_value_names_its_variable_and_is_not_repeated(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(Misconfigured, match=variable) as caught:
        settings.load()
    assert "my-secret" not in str(caught.value)


def test_a_wrong_database_address_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://user:hunter2hunter2@host/db")
    with pytest.raises(Misconfigured, match="postgresql://") as caught:
        settings.load()
    assert "hunter2" not in str(caught.value)


def test_the_database_answers_to_its_usual_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@h/d")
    loaded = settings.load()
    assert loaded.database_url is not None
    assert "p@h" not in repr(loaded)


def test_production_refuses_an_emulated_telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRYMAN_TELEGRAM_API_BASE", "http://127.0.0.1:8081")
    with pytest.raises(Misconfigured, match="sandbox"):
        settings.load()
    monkeypatch.setenv("FERRYMAN_ENV", "sandbox")
    assert settings.load().telegram_api_base == "http://127.0.0.1:8081"


def test_with_nothing_set_everything_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRYMAN_TELEGRAM_TOKEN", TOKEN)
    loaded = settings.load()
    assert (loaded.env, loaded.base_url, loaded.database_url) == ("production", "http://127.0.0.1:8080", None)


def test_weights_are_four_numbers_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRYMAN_PLACEMENT_WEIGHTS", "1, 0,0, 2.5")
    assert settings.load().placement_weights == (1.0, 0.0, 0.0, 2.5)


def test_secret_keys_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRYMAN_SECRET_KEYS", "one, two,,")
    assert [key.get_secret_value() for key in settings.load().secret_keys] == ["one", "two"]
