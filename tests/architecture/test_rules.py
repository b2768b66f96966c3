"""Rules of the house that no general tool knows."""

import ast
import importlib
import ipaddress
import pkgutil
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import Float, Integer, Numeric

import ferryman
from ferryman.kit.db import Base
from tests.architecture.house import Source, product, shipped

# The only places that may catch everything, and how often: the job runner, and the outermost ring of each face.
NETS = {"ferryman.kit.jobs": 1, "ferryman.faces.bot.consumer": 1}
MONEY = re.compile(r"(^|_)(minor|amount|price|fee)$")
NODE_SECRETS = re.compile(r":(2053|2096|54321)\b|\badmin:|https?://[^/\s@]+:[^/\s@]+@")


def commits(file: Source) -> list[str]:
    return [
        f"{file.module}:{node.lineno}"
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
    ]


def broad_excepts(file: Source) -> list[str]:
    return [
        f"{file.module}:{node.lineno}"
        for node in ast.walk(file.tree)
        if isinstance(node, ast.ExceptHandler)
        and any(name in ("", "Exception", "BaseException") for name in caught(node))
    ]


def caught(handler: ast.ExceptHandler) -> Iterator[str]:
    """Names of the classes; an empty one for a bare `except:`."""
    if handler.type is None:
        yield ""
        return
    for kind in handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]:
        yield ast.unparse(kind).removeprefix("builtins.")


def is_foreign_address(text: str) -> bool:
    """Whether a whole string is an IP address of some machine: neither loopback nor "all of them"."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def test_one_commit_at_the_edge() -> None:
    places = [place for file in product() for place in commits(file)]
    assert [place.split(":")[0] for place in places] == ["ferryman.kit.db"]


def test_everything_is_caught_in_named_nets_only() -> None:
    found = {file.module: len(broad_excepts(file)) for file in product() if broad_excepts(file)}
    assert found == NETS


@pytest.mark.parametrize("text", ["except:", "except Exception:", "except (ValueError, BaseException) as e:"])
def test_a_broad_except_would_be_found(text: str) -> None:
    assert broad_excepts(Source("sample", f"try:\n    pass\n{text}\n    pass\n"))


def test_a_hidden_commit_would_be_found() -> None:
    assert commits(Source("sample", "async def f(s):\n    await s.commit()\n"))


def test_every_amount_in_the_database_is_a_whole_number() -> None:
    for module in pkgutil.walk_packages(ferryman.__path__, "ferryman."):
        if not module.name.startswith("ferryman.migrations"):  # Alembic alone can run those
            importlib.import_module(module.name)
    columns = [column for table in Base.metadata.tables.values() for column in table.columns]
    assert len(columns) > 50
    assert [str(column) for column in columns if isinstance(column.type, Float | Numeric)] == []
    amounts = [column for column in columns if MONEY.search(column.name)]
    assert len(amounts) >= 4
    assert [str(column) for column in amounts if not isinstance(column.type, Integer)] == []


def test_billing_never_makes_a_float_of_an_amount() -> None:
    wrong = [
        f"{file.module}:{node.lineno}"
        for file in product()
        if file.module.startswith(("ferryman.billing", "ferryman.catalog", "ferryman.kit.money"))
        and not file.module.startswith("ferryman.billing.providers.")  # theirs pass through Money.parse
        for node in ast.walk(file.tree)
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in ("float", "round"))
        or (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
    ]
    assert wrong == []


def test_no_node_is_known_outside_the_database() -> None:
    wrong = [
        f"{file.module}:{line}: {text!r}"
        for file in product()
        for line, text in file.strings()
        if is_foreign_address(text) or NODE_SECRETS.search(text)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text", ["'192.0.2.7'", "'https://panel.example:2053/'", "'https://admin:admin@panel.example'"]
)
def test_a_node_in_the_code_would_be_found(text: str) -> None:
    (found,) = (value for _, value in Source("sample", f"url = {text}").strings())
    assert is_foreign_address(found) or NODE_SECRETS.search(found)


def test_every_package_says_what_it_is_for() -> None:
    silent = [file.module for file in shipped() if not ast.get_docstring(file.tree)]
    assert silent == []
