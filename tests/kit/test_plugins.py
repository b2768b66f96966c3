"""Plug-ins: found by entry point, refused by name when doubled or broken."""

from importlib.metadata import EntryPoint

import pytest

from ferryman.kit import plugins
from ferryman.kit.errors import Misconfigured


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "group")


def test_the_family_comes_in_through_the_public_door() -> None:
    assert set(plugins.load("ferryman.payments")) >= {"yookassa"}
    assert set(plugins.load("ferryman.panels")) >= {"xui"}


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(Misconfigured, match="'pay'"):
        plugins.load("group", installed=[entry("pay", "json:loads"), entry("pay", "json:dumps")])


@pytest.mark.parametrize("value", ["no_such_module:X", "json:no_such_name"])
def test_a_broken_one_is_named(value: str) -> None:
    with pytest.raises(Misconfigured, match="'broken'"):
        plugins.load("group", installed=[entry("broken", value)])
