"""Every room keeps to its list; and each rule is seen to close on a planted breach."""

from __future__ import annotations

from pathlib import Path

import pytest
from rooms import ROOMS, breaches_in, breaches_in_house

HOUSE = Path(__file__).resolve().parents[2] / "src" / "postreel"

PLANTED = [
    # who may use what from outside
    ("habits/x.py", "import os", "outside package"),
    ("habits/x.py", "import time", "outside package"),
    ("habits/x.py", "from time import time", "outside package"),
    ("habits/x.py", "import random", "outside package"),
    ("habits/x.py", "import secrets", "outside package"),
    ("habits/x.py", "import socket", "outside package"),
    ("habits/x.py", "import subprocess", "outside package"),
    ("habits/x.py", "import importlib", "outside package"),
    ("habits/x.py", "from importlib import resources", "outside package"),
    ("habits/x.py", "from pathlib import Path", "outside package"),
    ("habits/x.py", "import uuid", "outside package"),
    ("habits/x.py", "import pickle", "outside package"),
    ("habits/x.py", "import urllib.request", "outside package"),
    ("habits/x.py", "from urllib import request", "outside package"),
    ("habits/x.py", "import msgspec", "outside package"),
    ("habits/x.py", "import babel", "outside package"),
    ("collect/x.py", "import minijinja", "outside package"),
    ("recommend/x.py", "import pandas", "outside package"),
    ("deliver/x.py", "from cryptography.hazmat.primitives import hashes", "outside package"),
    ("deliver/x.py", "import smtplib", "outside package"),
    ("deliver/x.py", "import aiosmtplib", "outside package"),
    ("compose/x.py", "import typer", "outside package"),
    ("measure/x.py", "import email", "outside package"),
    ("schema.py", "import sqlalchemy", "outside package"),
    ("consent/x.py", "import sqlite3", "outside package"),
    ("flows/x.py", "import sqlalchemy", "outside package"),
    ("flows/x.py", "import sqlite3", "outside package"),
    ("flows/x.py", "import smtplib", "outside package"),
    ("flows/x.py", "import http.client", "outside package"),
    ("flows/x.py", "def f():\n    import socket", "outside package", 2),
    ("gate/x.py", "import socket", "outside package"),
    ("gate/x.py", "import starlette", "outside package"),
    ("cli/x.py", "import pickle", "outside package"),
    ("web/x.py", "import sqlalchemy", "outside package"),
    # no files
    ("habits/x.py", "def f(p):\n    return open(p)", "file", 2),
    ("habits/x.py", "read = open", "file"),
    ("habits/x.py", "def f(p):\n    return p.open()", "file", 2),
    ("habits/x.py", "def f(p):\n    return p.read_text()", "file", 2),
    ("habits/x.py", "def f(p):\n    return p.read_bytes()", "file", 2),
    ("habits/x.py", "def f(p):\n    p.write_text('')", "file", 2),
    ("habits/x.py", "def f(p):\n    p.write_bytes(b'')", "file", 2),
    ("habits/x.py", "def f(a, p):\n    a.tofile(p)", "file", 2),
    ("habits/x.py", "import numpy as np\nx = np.load('x')", "file", 2),
    ("habits/x.py", "from numpy import memmap", "file"),
    ("habits/x.py", "import pyarrow.parquet as pq", "file"),
    ("habits/x.py", "from pyarrow import parquet", "file"),
    ("habits/x.py", "from pyarrow.fs import LocalFileSystem", "file"),
    ("habits/x.py", "import pyarrow.dataset", "file"),
    ("habits/x.py", "import pyarrow as pa\nx = pa.memory_map('x')", "file", 2),
    ("habits/x.py", "import io\nx = io.FileIO('x')", "file", 2),
    ("recommend/x.py", "from scipy.io import loadmat", "file"),
    ("words/x.py", "x = __import__('os')", "file"),
    ("words/x.py", "x = eval('1')", "file"),
    # no clock
    ("habits/x.py", "from datetime import datetime\nx = datetime.now()", "clock", 2),
    ("habits/x.py", "from datetime import datetime as dt\nx = dt.utcnow()", "clock", 2),
    ("habits/x.py", "import datetime\nx = datetime.date.today()", "clock", 2),
    ("habits/x.py", "from datetime import datetime\nmake = datetime.now", "clock", 2),
    ("rights/x.py", "def f(clock):\n    return clock.now()", "clock", 2),
    ("compose/x.py", "from email.utils import make_msgid\nx = make_msgid()", "clock", 2),
    ("deliver/x.py", "from email.utils import formatdate\nx = formatdate()", "clock", 2),
    # no hidden randomness
    ("recommend/x.py", "import numpy as np\nx = np.random.default_rng()", "random", 2),
    ("recommend/x.py", "from numpy.random import default_rng\nx = default_rng(None)", "random", 2),
    ("recommend/x.py", "import numpy as np\nx = np.random.rand(3)", "random", 2),
    ("recommend/x.py", "import numpy as np\nx = np.random.RandomState()", "random", 2),
    ("recommend/x.py", "import numpy as np\nnp.random.seed(1)", "random", 2),
    ("consent/x.py", "def f(kind):\n    return kind.generate()", "random", 2),
    # one door
    ("flows/x.py", "from postreel.backends.records import open_records", "backends"),
    ("web/x.py", "from postreel import backends", "backends"),
    ("gate/x.py", "import postreel.backends", "backends"),
    ("demo/x.py", "def f():\n    from postreel.backends.events import FileEvents", "backends", 2),
    ("flows/x.py", "from postreel.consent import Seal", "seal"),
    ("web/x.py", "from postreel.consent.permitted import Seal as Stamp", "seal"),
    ("habits/x.py", "from postreel import consent\nx = consent.Seal()", "seal", 2),
    ("backends/records/x.py", "from postreel.consent import Seal", "seal"),
    ("backends/local.py", "from postreel.consent import Seal", "seal"),
    ("cli/x.py", "from postreel import consent\nx = getattr(consent, 'Seal')", "seal", 2),
    ("flows/x.py", "def f(plays, seal):\n    return plays.unseal(seal)", "unseal", 2),
    ("app.py", "def f(plays, seal):\n    return plays.unseal(seal)", "unseal", 2),
    ("consent/x.py", "def f(plays, seal):\n    return plays.unseal(seal)", "unseal", 2),
    ("flows/x.py", "def f(plays):\n    return plays._Permitted__rows", "mangled name", 2),
    ("flows/x.py", "def f(plays):\n    return getattr(plays, '_Permitted__rows')", "mangled name", 2),
    ("gate/x.py", "def f(plays):\n    return plays._Permitted__seal", "mangled name", 2),
    # a room nobody chose a list for
    ("adverts/__init__.py", "", "new room"),
    ("adverts.py", "", "new room"),
]

WELCOME = [
    (
        "habits/x.py",
        "import numpy as np\nimport pyarrow as pa\nimport pyarrow.compute as pc\nfrom scipy import sparse",
    ),
    ("habits/x.py", "from urllib.parse import urlsplit\nfrom collections.abc import Sequence"),
    ("habits/x.py", "def f(rng, now):\n    later = now\n    return rng.random(3), later"),
    ("recommend/x.py", "import numpy as np\nx = np.random.default_rng(7)\ny: np.random.Generator = x"),
    ("collect/x.py", "import msgspec\nimport csv\nimport io\nx = io.BytesIO(b'')"),
    (
        "compose/x.py",
        "import mjml\nimport minijinja\nfrom PIL import Image\nimport babel.dates\nimport email.message",
    ),
    ("deliver/dkim.py", "from cryptography.hazmat.primitives import hashes"),
    ("deliver/x.py", "from email.utils import formatdate\nx = formatdate(0.0)"),
    ("words/x.py", "from babel.dates import format_date"),
    ("consent/x.py", "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey"),
    ("app.py", "from postreel.consent import Seal\nfrom postreel.backends.events import files"),
    ("gate/x.py", "def f(plays, seal):\n    return plays.unseal(seal)"),
    ("backends/events/x.py", "from postreel.consent import Seal\nimport pyarrow.parquet"),
    ("backends/transports/smtp.py", "import asyncio\nimport ssl\nimport aiosmtplib"),
    ("web/x.py", "import asyncio\nfrom starlette.responses import Response"),
    ("cli/x.py", "import sys\nimport typer\nfrom pathlib import Path\nx = Path('x').read_text()"),
]


def test_every_room_keeps_to_its_list():
    breaches = breaches_in_house(HOUSE)
    assert not breaches, "\n" + "\n".join(map(str, breaches))


@pytest.mark.parametrize("planted", PLANTED, ids=lambda p: f"{p[0]}: {p[1]!r}")
def test_a_planted_breach_is_reported_with_its_line_and_rule(planted):
    path, source, rule, *line = planted
    found = [(b.path, b.line, b.rule) for b in breaches_in(path, source)]
    assert (path, line[0] if line else 1, rule) in found
    assert {r for _, _, r in found} <= {rule, "outside package"}, "and nothing else is"


@pytest.mark.parametrize(("path", "source"), WELCOME, ids=lambda text: repr(text[:40]))
def test_what_a_room_needs_is_not_reported(path: str, source: str):
    assert breaches_in(path, source) == []


def test_a_breach_planted_in_the_house_itself_is_found(tmp_path: Path):
    (tmp_path / "habits").mkdir()
    (tmp_path / "habits" / "late.py").write_text('"""A room that looks at the clock."""\n\nimport time\n')
    assert [str(b).split(": ")[:2] for b in breaches_in_house(tmp_path)] == [
        ["src/postreel/habits/late.py:3", "outside package"]
    ]


def test_a_new_room_is_told_to_choose_its_list():
    (breach,) = breaches_in("adverts/__init__.py", "")
    assert "choose its list" in str(breach)


def test_no_room_outside_backends_and_web_may_use_a_database_mail_or_network_package():
    outward = {
        "sqlalchemy",
        "alembic",
        "sqlite3",
        "aiosmtplib",
        "smtplib",
        "socket",
        "httpx",
        "granian",
        "starlette",
    }
    for name, room in ROOMS.items():
        if name not in {"backends", "web"}:
            assert not outward & room.outside, name
