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
from tests.architecture.house import SRC, Source, product, shipped

# The only places that may catch everything, and how often: the job runner, and the outermost ring of each face.
NETS = {"ferryman.kit.jobs": 1, "ferryman.faces.bot.consumer": 1}
MONEY = re.compile(r"(^|_)(minor|amount|price|fee)$")
# Whom the product itself calls or links to; a node's panel is in nobody's code.
SERVICES = {
    "api-sandbox.coingate.com",
    "api.coingate.com",
    "api.fk.life",
    "api.heleket.com",
    "api.stripe.com",
    "api.telegram.org",
    "api.yookassa.ru",
    "auth.robokassa.ru",
    "merchant.roboxchange.com",
    "pay.crypt.bot",
    "pay.fk.money",
    "t.me",
    "testnet-pay.crypt.bot",
    "yookassa.ru",
}
HOST_OF_A_URL = re.compile(r"https?://([\w.-]+)", re.I)
NODE_FACT = re.compile(r"(^|[_.])(ports?|inbounds?|inbound_ids?|panel_ids?)$", re.I)
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


def foreign_hosts(text: str) -> list[str]:
    """Hosts of the addresses in a text that are neither this machine, nor a service, nor made up for an example."""
    hosts = [host.lower() for host in HOST_OF_A_URL.findall(text)]
    made_up = ("localhost", "127.0.0.1", "host", "example.org", "example.net", "example.com")
    return [host for host in hosts if host not in SERVICES and not host.endswith(made_up) and "." in host]


def node_facts(file: Source) -> list[str]:
    """Numbers written beside a name such as `port` or `inbound_ids`: as an assignment, argument, default, or entry."""
    found = []
    for node in ast.walk(file.tree):
        for name, value in named_values(node):
            numbers = [each for each in ast.walk(value) if isinstance(each, ast.Constant) and type(each.value) is int]
            is_literal = isinstance(value, ast.Constant | ast.Tuple | ast.List | ast.Set)
            if NODE_FACT.search(name) and is_literal and any(each.value for each in numbers):
                found.append(f"{file.module}:{value.lineno}: {name}")
    return found


def named_values(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((ast.unparse(target), value) for target in targets)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield ast.unparse(target), value
        case ast.keyword(arg=str(name), value=value):
            yield name, value
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value
        case ast.Compare(left=left, comparators=[value]):
            yield ast.unparse(left), value
        case ast.arguments(args=args, defaults=defaults, kwonlyargs=kwonly, kw_defaults=kw_defaults):
            yield from (
                (arg.arg, value) for arg, value in zip(args[len(args) - len(defaults) :], defaults, strict=True)
            )
            yield from ((arg.arg, value) for arg, value in zip(kwonly, kw_defaults, strict=True) if value is not None)


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
        if is_foreign_address(text) or NODE_SECRETS.search(text) or foreign_hosts(text)
    ]
    assert wrong == []


def test_no_port_and_no_inbound_is_known_outside_the_database() -> None:
    assert [place for file in product() for place in node_facts(file)] == []


def test_no_node_is_known_to_files_that_are_no_code() -> None:
    """Migrations, texts and templates that are shipped."""
    addresses = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
    wrong = []
    for path in sorted((SRC / "ferryman").rglob("*")):
        if path.suffix in (".sql", ".ftl", ".html", ".css", ".js", ".toml"):
            text = path.read_text(encoding="utf-8")
            found = [one for one in addresses.findall(text) if is_foreign_address(one)] + foreign_hosts(text)
            wrong += [f"{path.name}: {one}" for one in found]
    assert wrong == []


@pytest.mark.parametrize(
    "text", ["'192.0.2.7'", "'https://panel.example:2053/'", "'https://admin:admin@panel.example'"]
)
def test_a_node_in_the_code_would_be_found(text: str) -> None:
    (found,) = (value for _, value in Source("sample", f"url = {text}").strings())
    assert is_foreign_address(found) or NODE_SECRETS.search(found)


@pytest.mark.parametrize(
    "text",
    [
        "PORT = 2053",
        "inbound_id: int = 3",
        "dial(host, port=443)",
        "access = {'inbounds': [1, 3]}",
        "fallback = 1 if node.inbound == 7 else 2",
        "def dial(host, port=8443): ...",
        "def dial(*, inbound_ids=(1,)): ...",
    ],
)
def test_a_port_or_an_inbound_in_the_code_would_be_found(text: str) -> None:
    assert node_facts(Source("sample", text))


@pytest.mark.parametrize("text", ["port = 0", "port = given.port", "inbounds = []", "ports = sorted({one.port})"])
def test_what_is_no_port_of_a_node_is_not_taken_for_one(text: str) -> None:
    assert node_facts(Source("sample", text)) == []


def test_a_panels_host_in_a_text_would_be_found() -> None:
    assert foreign_hosts("look at https://de1.my-vpn.net:2053/base/") == ["de1.my-vpn.net"]
    assert (
        foreign_hosts("https://host:port/base/ http://127.0.0.1/ https://api.telegram.org https://a.example.org") == []
    )


def test_every_package_says_what_it_is_for() -> None:
    silent = [file.module for file in shipped() if not ast.get_docstring(file.tree)]
    assert silent == []
