"""What is in the repository: locks in step, nothing unfinished, nothing of one machine, nothing large."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LARGEST_BYTES = 1_000_000

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError|unittest\.mock import")
ONE_MACHINE = re.compile(r"(?<![\w.-])/(?:work|root|farm|tmp|Users)/|(?<![\w.-])/home/\w")


def tracked_files() -> list[Path]:
    """The files that git tracks."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout: what is tracked cannot be listed")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [path for name in done.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def others() -> list[Path]:
    """The tracked files but this one, which has to spell what it looks for."""
    return [file for file in tracked_files() if file != Path(__file__)]


def lines_with(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    """Where a pattern stands in these files; what is not text is left out."""
    found = []
    for file in files:
        data = file.read_bytes()
        if b"\0" in data[:8192] or file.name in {"uv.lock", "requirements.lock", "LICENSE"}:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    return found


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (UNFINISHED, "# TODO: later"),
        (UNFINISHED, "raise NotImplementedError"),
        (ONE_MACHINE, "see /work/main/x"),
        (ONE_MACHINE, "'/home/ann/x'"),
        (ONE_MACHINE, '"/tmp/x"'),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], line: str):
    assert pattern.search(line)
    assert not pattern.search("a method in docs/tutorial/work/notes, read by /homepage")


def test_nothing_is_marked_unfinished():
    assert lines_with(UNFINISHED, others()) == []


def test_no_file_names_a_path_of_one_machine():
    assert lines_with(ONE_MACHINE, others()) == []


def test_no_file_is_over_a_megabyte():
    large = [
        f"{f.relative_to(ROOT)}: {f.stat().st_size}"
        for f in tracked_files()
        if f.stat().st_size > LARGEST_BYTES
    ]
    assert large == []


def test_the_lock_names_no_mirror():
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text("utf-8")))
    assert hosts <= {"pypi.org", "files.pythonhosted.org"}
    assert "://" not in (ROOT / "requirements.lock").read_text("utf-8")


def test_requirements_lock_is_what_uv_exports():
    uv = next(
        (p for p in (str(ROOT / ".boot/bin/uv"), shutil.which("uv")) if p and os.access(p, os.X_OK)), None
    )
    if uv is None:
        pytest.skip("no uv, neither in .boot nor on the path: requirements.lock cannot be compared")
    options = ["--frozen", "--no-emit-project", "--no-header", "--no-annotate", "--quiet"]
    done = subprocess.run(
        [uv, "export", *options],
        cwd=ROOT,
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"},
        capture_output=True,
        text=True,
        check=True,
    )
    same = done.stdout == (ROOT / "requirements.lock").read_text("utf-8")
    assert same, f"run: .boot/bin/uv export {' '.join(options)} --output-file requirements.lock"


def test_uv_lock_is_in_step_with_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    (ours,) = (p for p in lock["package"] if p["name"] == "postreel")

    def named(wanted: list[str]) -> set[str]:
        return {re.match(r"[\w.-]+", text).group().lower().replace("_", "-") for text in wanted}

    assert {d["name"] for d in ours["dependencies"]} == named(project["project"]["dependencies"])
    assert {d["name"] for d in ours["dev-dependencies"]["dev"]} == named(project["dependency-groups"]["dev"])


def test_every_dependency_says_why_it_is_here():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    page = (ROOT / "docs/explanation/dependencies.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w.-]+)` \| (.+?) \|$", page, re.MULTILINE)
    assert sorted(name for name, why in rows if len(why) > 20) == sorted(
        re.match(r"[\w.-]+", w).group() for w in wanted
    )
