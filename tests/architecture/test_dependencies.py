"""What the code imports is declared, what is declared is imported, and what is locked fits both."""

import re
import sys
from importlib.metadata import packages_distributions

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.architecture.house import ROOT, pyproject, shipped

LOCKS = ("runtime", "dev", "tools")


def pins(lock: str) -> dict[str, str]:
    """Name → version of every line of a lock whose marker is true here."""
    found: dict[str, str] = {}
    environment = {str(name): str(value) for name, value in default_environment().items()}
    for line in (ROOT / f"requirements/{lock}.txt").read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum():
            wanted = Requirement(line.rstrip("\\ "))
            if wanted.marker is None or wanted.marker.evaluate(environment):
                (pin,) = wanted.specifier
                assert pin.operator == "=="
                found[canonicalize_name(wanted.name)] = pin.version
    return found


def declared() -> dict[str, Requirement]:
    return {canonicalize_name(r.name): r for r in map(Requirement, pyproject()["project"]["dependencies"])}


def imported() -> set[str]:
    """Distributions that the shipped code imports from."""
    known = packages_distributions()
    roots = {name.partition(".")[0] for file in shipped() for name in file.imported()}
    outside = roots - sys.stdlib_module_names - {"ferryman", "ferryman_sandbox"}
    return {canonicalize_name(known[root][0]) for root in outside}


def test_the_code_imports_what_is_declared_and_nothing_else() -> None:
    assert imported() - declared().keys() == set(), "imported, not declared in pyproject.toml"
    assert declared().keys() - imported() == set(), "declared in pyproject.toml, imported nowhere"


def test_the_locks_fit_what_is_declared() -> None:
    groups = pyproject()["dependency-groups"]
    wanted = {
        "runtime": list(declared().values()),
        "dev": [*declared().values(), *map(Requirement, groups["dev"])],
        "tools": [Requirement(line) for line in groups["tools"]],
    }
    for lock in LOCKS:
        pinned = pins(lock)
        for one in wanted[lock]:
            assert Version(pinned[canonicalize_name(one.name)]) in one.specifier, (
                f"{one} in {lock}.txt: run `make lock`"
            )


def test_what_is_tested_is_what_is_shipped() -> None:
    runtime, dev = pins("runtime"), pins("dev")
    assert {name: dev.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_names_no_index(lock: str) -> None:
    text = (ROOT / f"requirements/{lock}.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|file:", text)
    for block in re.split(r"\n(?=[a-z0-9])", text.partition("\n")[2]):
        if "==" in block:
            assert "--hash=sha256:" in block, block.splitlines()[0]
