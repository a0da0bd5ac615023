"""The lock of types: tests/typing holds as it stands, and goes red when a misuse would begin to type-check."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MISUSE = ROOT / "tests" / "typing" / "misuse_of_permitted.py"


def complaints(folder: Path, source: str) -> list[tuple[int, str]]:
    """Line and rule of each error that pyright finds in this source, under the project's own settings."""
    (folder / "planted.py").write_text(source)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pyright"]
    settings |= {"include": ["planted.py"], "extraPaths": [str(ROOT / "src")]}
    settings |= {"venvPath": str(ROOT), "venv": ".venv"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [Path(sys.executable).parent / "pyright", "--outputjson"],
        cwd=folder,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    return [(d["range"]["start"]["line"] + 1, d.get("rule", "")) for d in found if d["severity"] == "error"]


def test_each_misuse_is_refused_by_the_rule_it_names(tmp_path: Path):
    source = MISUSE.read_text("utf-8")
    marked = re.compile(r"  # pyright: ignore\[(.*?)\]")
    expected = [
        (number, rule)
        for number, line in enumerate(source.splitlines(), 1)
        for rule in (marked.search(line).group(1).split(", ") if marked.search(line) else [])
    ]
    assert len(expected) > 20
    assert sorted(complaints(tmp_path, marked.sub("", source))) == sorted(expected)


@pytest.mark.parametrize(
    ("use", "line"),
    [
        ("events.append(plays)  # pyright: ignore[reportArgumentType]", 7),
        ("train(fit)  # pyright: ignore[reportArgumentType]", 7),
    ],
)
def test_a_misuse_that_began_to_type_check_would_be_reported(tmp_path: Path, use: str, line: int):
    planted = (
        "from postreel.consent import Permitted\n"
        "from postreel.ports import Events\n"
        "from postreel.purposes import History, Training\n"
        "from postreel.schema import Plays, Tastes\n"
        "def train(tastes: Permitted[Tastes, Training]) -> None: ...\n"
        "def f(events: Events, plays: Permitted[Plays, History], fit: Permitted[Tastes, Training]) -> None:\n"
        f"    {use}\n"
    )
    assert complaints(tmp_path, planted) == [(line, "reportUnnecessaryTypeIgnoreComment")]
