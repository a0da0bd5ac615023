"""The project sets itself up from a fresh clone, with nothing but Python and make, with uv and without."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.long


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """What is committed, in a folder of its own, with nothing built."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout: nothing to clone")
    subprocess.run(
        ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(tmp_path / "clone")], check=True
    )
    yield tmp_path / "clone"
    # Two environments of a gigabyte each: not kept for later, as pytest would.
    shutil.rmtree(tmp_path / "clone")


def make(folder: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    """Run make with an environment that holds a path, a home and a language only."""
    return subprocess.run(
        ["make", *targets],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", str(folder)), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=1500,
    )


def can_import(folder: Path, *modules: str) -> bool:
    """Whether the clone's own environment has these modules, and the project from the clone itself."""
    code = f"import {', '.join(modules)}, postreel; print(postreel.__file__)"
    done = subprocess.run(
        [".venv/bin/python", "-c", code], cwd=folder, capture_output=True, text=True, env={}, check=False
    )
    return done.returncode == 0 and done.stdout.startswith(str(folder))


def test_a_fresh_clone_sets_itself_up_and_a_second_run_is_instant(clone: Path):
    first = make(clone, ".venv/.ready-dev")
    assert first.returncode == 0, first.stdout + first.stderr
    assert can_import(clone, "pytest", "pyarrow")
    again = make(clone, ".venv/.ready-dev")
    assert "up to date" in again.stdout
    (clone / "uv.lock").touch()
    assert "installing" in make(clone, ".venv/.ready-dev").stdout, "a changed lock is taken up"


def test_running_needs_no_development_tools_and_takes_none_away(clone: Path):
    assert make(clone, ".venv/.ready-run").returncode == 0
    assert can_import(clone, "pyarrow")
    assert not can_import(clone, "hypothesis")
    assert make(clone, ".venv/.ready-dev").returncode == 0
    (clone / "uv.lock").touch()
    assert make(clone, ".venv/.ready-run").returncode == 0
    assert can_import(clone, "hypothesis")


def test_where_uv_cannot_be_had_pip_installs_the_same(clone: Path):
    done = make(clone, ".venv/.ready-dev", "UV_VERSION=0.0.0.dev999")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "with pip instead" in done.stdout
    assert not (clone / ".boot/bin/uv").exists()
    assert can_import(clone, "pytest", "pyarrow")


def test_an_old_python_is_refused_in_plain_words(clone: Path):
    old = clone / "python-of-old"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit\nexit 1\n')
    old.chmod(0o755)
    done = make(clone, ".venv/.ready-dev", f"PYTHON={old}")
    assert done.returncode != 0
    assert "needs Python 3.11 or later" in done.stderr
    assert "Python 3.9.2" in done.stderr
