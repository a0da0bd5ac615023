"""What a run leaves out is listed at its end, and fails where everything is required."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
TESTS = """
def test_in_a_browser(chromium): ...
def test_with_real_data(shared_data): ...
def test_with_real_data_too(shared_data): ...
"""


def run_of(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest on a machine with neither a browser, nor apt-get, nor real data."""
    tests = folder / "project" / "tests"
    tests.mkdir(parents=True)
    shutil.copy(CONFTEST, tests)
    (tests / "test_planted.py").write_text(TESTS)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("POSTREEL_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tests, tests],
        cwd=folder,
        env=inherited | {"PATH": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_skip_is_listed_with_its_reason(tmp_path: Path):
    done = run_of(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    tail = done.stdout.partition("Not run here")[2]
    assert "no chromium; install Debian's package `chromium`\n    test_planted.py: 1 test\n" in tail
    assert "no real data: ../shared/data is not beside the repository\n    test_planted.py: 2 tests\n" in tail


def test_a_missing_package_fails_where_everything_is_required_and_missing_data_does_not(tmp_path: Path):
    done = run_of(tmp_path, POSTREEL_REQUIRE_ALL="1")
    assert done.returncode == 1
    assert "POSTREEL_REQUIRE_ALL=1 asks for everything" in done.stdout
    assert "1 error" in done.stdout
    assert "2 skipped" in done.stdout
