"""Child processes that start in milliseconds, so that a test can kill dozens of them.

One process imports everything once; each child is forked from it and then runs the real command line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NURSERY = """
import importlib, json, os, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print("ready", flush=True)
for line in sys.stdin:
    task = json.loads(line)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.dup2(os.open(task["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
            os.dup2(os.open(task["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
            os.close(0)
            sys.argv = ["postreel", *task["words"]]
            module = importlib.import_module(task["module"])
            module.main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
IMPORTED = (
    "postreel.cli.main",
    "postreel.app",
    "postreel.backends.records.sql",
    "postreel.backends.events.files",
    "postreel.backends.models.files",
    "postreel.backends.transports",
    "sqlalchemy.dialects.sqlite",
    "font_source_serif_pro",
)


@dataclass
class Child:
    """One child under way."""

    nursery: Nursery
    pid: int
    code: int | None = None

    def is_running(self) -> bool:
        """Whether it has not ended, to the best of what can be seen from outside."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    def kill(self) -> int:
        """SIGKILL, and its exit code."""
        if self.is_running():
            os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def wait(self) -> int:
        """Its exit code, negative for the signal that ended it."""
        if self.code is None:
            self.code = int(self.nursery.line())
        return self.code

    @property
    def out(self) -> str:
        """What it wrote to stdout."""
        return self.nursery.out.read_text()

    @property
    def said(self) -> str:
        """What it wrote to stderr."""
        return self.nursery.errors.read_text()


@dataclass
class Nursery:
    """Starts children, one at a time.

    Attributes:
        folder: where their output goes.
        modules: further modules to import once, from the folders of tests.
    """

    folder: Path
    modules: tuple[str, ...] = ()
    process: subprocess.Popen[str] = field(init=False)

    def __enter__(self) -> Nursery:
        self.folder.mkdir(parents=True, exist_ok=True)
        here = Path(__file__).parent
        paths = [str(here), str(here / "integration"), *filter(None, [os.environ.get("PYTHONPATH")])]
        env: dict[str, Any] = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(paths),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", NURSERY, json.dumps([*IMPORTED, *self.modules])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        assert self.line() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    @property
    def out(self) -> Path:
        """The file of the child's stdout."""
        return self.folder / "out"

    @property
    def errors(self) -> Path:
        """The file of the child's stderr."""
        return self.folder / "errors"

    def line(self) -> str:
        """The next line that the nursery says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def start(self, *words: str, module: str = "postreel.cli.main") -> Child:
        """A child that runs `main()` of a module with these words on its command line."""
        assert self.process.stdin is not None
        task = {"words": words, "module": module, "out": str(self.out), "said": str(self.errors)}
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        return Child(self, int(self.line()))
