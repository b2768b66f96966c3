"""The documents are true: every link leads somewhere, every setting, command and route is described, and no more."""

import re
from pathlib import Path

import pytest
import typer.main
from scripts.settings_page import PAGE, page

from ferryman import __version__
from ferryman.faces.cli import app
from tests.architecture.house import ROOT, product, project_files, pyproject

PAGES = [path for path in project_files() if path.suffix == ".md"]
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
SECTIONS = ["Context", "Decision", "Price", "What enforces it"]
# Files are named in backticks: `src/ferryman/flows/buying.py`, or `kit/db.py` for short inside the product.
NAMED_FILE = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|toml|yaml|md|ftl|txt|example)|(?:[\w.-]+/)+)`")
MADE_BY_THE_READER = {"ferryman.toml", "data/", "secret.key"}


def anchor(heading: str) -> str:
    """As GitHub makes it from a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def links(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def commands() -> set[str]:
    return set(typer.main.get_group(app).commands)


def routes() -> set[tuple[str, str]]:
    """Method and path of every `Route("…", methods=[…])` in the faces, read from the code."""
    pattern = re.compile(r"Route\(\s*\"([^\"]+)\",.*?methods=\[([^\]]+)\]", re.DOTALL)
    return {
        (method.strip("\"' "), path)
        for file in product()
        if file.module.startswith("ferryman.faces")
        for path, methods in pattern.findall(file.text)
        for method in methods.split(",")
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if "://" in link:
            continue
        name, _, fragment = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} is not there"
        if fragment:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert fragment in [anchor(heading) for heading in headings], f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(page: Path) -> None:
    for name in NAMED_FILE.findall(page.read_text(encoding="utf-8")):
        if name not in MADE_BY_THE_READER and "NAME" not in name:
            places = [ROOT / name, ROOT / "src/ferryman" / name, ROOT / "src" / name, page.parent / name]
            assert any(place.exists() for place in places), f"`{name}` is named and is not there"


def test_the_page_of_settings_is_what_the_settings_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_setting_says_what_it_means() -> None:
    assert "| None |" not in page()


def test_every_command_is_described() -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `ferryman ([\w-]+)", text, flags=re.MULTILINE))
    assert described == commands()


def test_every_route_is_described() -> None:
    text = (ROOT / "docs/http.md").read_text(encoding="utf-8")
    described = {
        (method, path)
        for methods, path in re.findall(r"^## `([A-Z, ]+) (/\S*)`$", text, flags=re.MULTILINE)
        for method in methods.split(", ")
    }
    assert len(described) >= 5
    assert described == routes()


def test_make_lists_every_command_it_has() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", text, flags=re.MULTILINE)
    listed = set(re.findall(r'@echo "  make ([a-z]+)', text))
    assert set(phony.split()) - {"help", "setup"} == listed
    assert set(re.findall(r"^([a-z]+):", text, flags=re.MULTILINE)) == set(phony.split())


def test_make_commands_in_the_documents_exist() -> None:
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for page_ in PAGES:
        used = re.findall(r"(?:^|`)make ([a-z]+)", page_.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert set(used) <= known, page_


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_four_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == SECTIONS
    assert text.startswith(f"# {int(page.name[:4])}. ")


def test_decisions_are_numbered_and_listed() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    listed = links(ROOT / "docs/decisions/README.md")
    assert [link for link in listed if link[:1].isdigit()] == [page.name for page in DECISIONS]


def test_every_case_of_the_payment_services_names_tests_that_exist() -> None:
    page_ = (ROOT / "docs/testing.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| .+ \| (`.+`) \|$", page_, flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 46))
    for number, proofs in rows:
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", proofs)
        assert named, f"{number} is proved by nothing"
        for file, name in named:
            text = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert re.search(rf"^(async )?def {name}\(", text, flags=re.MULTILINE), (
                f"{number}: {file}::{name} is not there"
            )


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (\S+)", text, flags=re.MULTILINE)
    assert versions[0] == __version__
    assert set(re.findall(r"^### (\w+)", text, flags=re.MULTILINE)) <= {"Added", "Changed", "Fixed", "Removed"}


def test_the_two_readmes_have_the_same_parts() -> None:
    def shape(name: str) -> tuple[list[str], list[str]]:
        text = (ROOT / name).read_text(encoding="utf-8")
        fences = [re.sub(r"#.*", "", block) for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)]
        return re.findall(r"^(#+) ", text, flags=re.MULTILINE), [" ".join(block.split()) for block in fences]

    assert shape("README.md") == shape("README.ru.md")


def test_the_licence_is_the_one_that_is_declared() -> None:
    assert pyproject()["project"]["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
