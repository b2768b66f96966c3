"""What leaves the repository: a wheel that carries all it needs, an image without rights, and no trace of a machine."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ferryman import __version__
from tests.architecture.house import ROOT, SRC, text_files

# Put together here, so that this file does not name them itself.
MACHINE = re.compile(
    "|".join(
        [
            *(rf"(?<![\w.])/{folder}/" for folder in ("work", "Users", r"root/\.", r"home/\w+")),
            *(re.escape(host) for host in ("pypi" + ".org", "pythonhosted" + ".org", "registry" + ".npmjs")),
        ]
    )
)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


def dockerfile() -> list[str]:
    """Its instructions, one a line, without comments."""
    text = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [line for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
    return loaded


def test_the_wheel_carries_every_file_of_the_packages(wheel: Path) -> None:
    carried = set(zipfile.ZipFile(wheel).namelist())
    ours = {
        str(path.relative_to(SRC))
        for path in SRC.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert ours - carried == set()
    assert any(re.fullmatch(r"ferryman/migrations/versions/\w+\.py", name) for name in carried)
    assert any(re.fullmatch(r"ferryman/messaging/locales/ru/\w+\.ftl", name) for name in carried)


def test_the_wheel_runs_where_there_is_no_source_tree(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = "import ferryman; from ferryman.faces.cli import app; print(ferryman.__file__); app(['--help'])"
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.startswith(str(tmp_path))
    assert "doctor" in said


def test_the_wheel_names_its_version_and_licence(wheel: Path) -> None:
    metadata = zipfile.ZipFile(wheel).read(f"ferryman-{__version__}.dist-info/METADATA").decode()
    assert f"\nVersion: {__version__}\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata


def test_the_image_runs_without_rights_and_says_when_it_is_ill() -> None:
    last_stage = dockerfile()[max(n for n, line in enumerate(dockerfile()) if line.startswith("FROM ")) :]
    words = [line.split()[0] for line in last_stage]
    assert "USER ferryman" in last_stage
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert "STOPSIGNAL SIGTERM" in last_stage
    assert any(line.startswith("HEALTHCHECK") and "/healthz" in line for line in last_stage)
    assert not any("pip" in line or "apt" in line for line in last_stage), "the last stage installs nothing"


def test_the_image_installs_only_what_is_locked() -> None:
    installs = [part for line in dockerfile() for part in line.split("&&") if " install " in part and "pip" in part]
    assert len(installs) == 3
    assert all("--require-hashes" in part or "--no-deps /dist/" in part for part in installs)


def test_the_health_check_of_the_image_is_a_program() -> None:
    (line,) = (line for line in dockerfile() if line.startswith("HEALTHCHECK"))
    command = yaml.safe_load(line.partition(" CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")


def test_the_image_gets_the_files_that_its_build_copies() -> None:
    allowed = (ROOT / "deploy/Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    for line in dockerfile():
        if line.startswith("COPY") and "--from" not in line:
            for name in line.split()[1:-1]:
                assert (ROOT / name).exists()
                assert f"!{name.split('/')[0]}" in allowed
    readme_and_licence = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {readme_and_licence["readme"], *readme_and_licence["license-files"]} <= {
        path.name for path in ROOT.iterdir()
    }


def test_compose_runs_each_process_of_the_product_and_publishes_on_loopback_only() -> None:
    services = compose()["services"]
    assert services.keys() == {"postgres", "migrate", "web", "bot", "worker"}
    for name in services.keys() - {"postgres"}:
        assert services[name]["command"] == [name]
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["depends_on"]["postgres"] == {"condition": "service_healthy"}
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert "ports" not in services["postgres"]


def test_every_variable_that_compose_asks_for_is_in_the_example() -> None:
    text = (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")
    example = (ROOT / "deploy/env.example").read_text(encoding="utf-8")
    for variable in set(re.findall(r"\$\{(\w+):\?", text)):
        assert re.search(rf"^{variable}=", example, flags=re.MULTILINE)


def test_no_file_knows_a_machine_or_an_index() -> None:
    wrong = [f"{name}: {found.group()}" for name, text in text_files() if (found := MACHINE.search(text)) is not None]
    assert wrong == []
