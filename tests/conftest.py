"""What every test may ask for: shared data, a browser, settings of Hypothesis; and the list of what was not run.

A test that lacks something skips with a reason, and every reason is listed at the end of the run, so that a
green run never hides what it left out. With `POSTREEL_REQUIRE_ALL=1` a missing system package is a failure;
missing shared data stays a skip, since not everyone who has the source has the data.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"

# A deadline measures the machine, not the code; and CI draws the same examples every time, so that no test
# depends on luck. `make test` at home keeps drawing new ones.
settings.register_profile("home", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("home"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "home")


def is_everything_required() -> bool:
    """Whether a missing system package is a failure: in CI, or where `POSTREEL_REQUIRE_ALL=1` says so."""
    return os.environ.get("POSTREEL_REQUIRE_ALL") == "1"


def lacks(what: str) -> None:
    """Skip this test for want of a system package; fail it where everything is required."""
    if is_everything_required():
        pytest.fail(f"{what}, and POSTREEL_REQUIRE_ALL=1 asks for everything", pytrace=False)
    pytest.skip(what)


@cache
def system_program(package: str, *programs: str) -> str | None:
    """The path of the first of these programs, from a Debian package that is fetched once where root allows."""
    found = next((path for name in programs if (path := shutil.which(name))), None)
    if found or os.geteuid() != 0 or not shutil.which("apt-get"):
        return found
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package],
    ):
        done = subprocess.run(command, env=quiet, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            return None
    return next((path for name in programs if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium, for the tests in tests/browser."""
    path = os.environ.get("POSTREEL_CHROMIUM") or system_program("chromium", "chromium", "chromium-browser")
    if path is None:
        lacks("no chromium; install Debian's package `chromium`")
    return str(path)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository, which is not part of it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data: ../shared/data is not beside the repository")
    return SHARED_DATA


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List each skip with its reason: the tests under it, or their number where they are many."""
    reasons: dict[str, Counter[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        where = report.nodeid.split("::")[0]
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons.setdefault(why.removeprefix("Skipped: "), Counter())[where] += 1
    if not reasons:
        return
    terminalreporter.section("Not run here")
    for why, files in sorted(reasons.items()):
        terminalreporter.line(why)
        for where, count in sorted(files.items()):
            terminalreporter.line(f"    {where}: {count} test{'s' if count > 1 else ''}")
