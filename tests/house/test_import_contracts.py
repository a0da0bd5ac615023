"""The import contracts of pyproject.toml hold, and each is seen to close on a planted breach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOWNWARDS = "Imports go downwards, and steps do not import each other"
ONE_PLACE = "Backends are opened in one place"

PLANTED = [
    ("flows/planted.py", "from postreel.backends import planted", ONE_PLACE),
    ("gate/planted.py", "import postreel.backends.planted", ONE_PLACE),
    ("web/planted.py", "def page():\n    from postreel.backends import planted", ONE_PLACE),
    ("recommend/planted.py", "import postreel.compose.planted", DOWNWARDS),
    ("habits/planted.py", "from postreel.gate import planted", DOWNWARDS),
    ("consent/planted.py", "from postreel.habits import planted", DOWNWARDS),
    ("gate/planted.py", "from postreel.flows import planted", DOWNWARDS),
    ("adverts/planted.py", "", "adverts"),
]


def contracts_of(house: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over a copy of the package, under the project's own contracts."""
    linter = Path(sys.executable).parent / "lint-imports"
    return subprocess.run(
        [linter, "--no-logo", "--no-cache"],
        cwd=house,
        env={
            **os.environ,
            "PYTHONPATH": str(house / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package in which every room that a breach needs exists."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    package = tmp_path / "src" / "postreel"
    shutil.copytree(ROOT / "src" / "postreel", package, ignore=shutil.ignore_patterns("__pycache__"))
    for room in ("backends", "flows", "gate", "web", "recommend", "compose", "habits", "consent"):
        (package / room).mkdir(exist_ok=True)
        (package / room / "__init__.py").touch()
        (package / room / "planted.py").write_text('"""Nothing yet."""\n')
    return tmp_path


def test_the_contracts_hold_for_the_house_as_it_stands(house: Path):
    done = contracts_of(house)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("path", "source", "contract"), PLANTED)
def test_a_planted_breach_breaks_the_contract(house: Path, path: str, source: str, contract: str):
    file = house / "src" / "postreel" / path
    file.parent.mkdir(exist_ok=True)
    (file.parent / "__init__.py").touch()
    file.write_text(source + "\n")
    done = contracts_of(house)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert f"{contract} BROKEN" in said if " " in contract else contract in said
    if " " in contract:
        module = "postreel." + path.removesuffix(".py").replace("/", ".")
        assert f"{module} -> postreel." in said
