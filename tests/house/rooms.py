"""What each room of the house may use, and a checker that reads the source for what the rules do not allow.

Import contracts do not see `open()` or `datetime.now()`, nor a name that is passed along. This reads the syntax
tree of every module, and reports file, line and rule. It stops mistakes, not somebody set on getting round it.

To add a room, give it a line in `ROOMS`; to let a room use another package, add it to the room's line, and say
in the commit why. Both are decisions about the house, so both are meant to show up in a review.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARRAYS = frozenset({"numpy", "scipy", "pyarrow"})

PURE = _words(
    """
    __future__ abc array base64 binascii bisect calendar collections colorsys contextlib copy csv dataclasses
    datetime decimal difflib enum fractions functools graphlib hashlib heapq hmac html io ipaddress itertools json
    keyword math numbers operator quopri re statistics string struct textwrap tomllib types typing unicodedata
    urllib.parse warnings weakref xml.sax.saxutils zlib zoneinfo
    """
)
"""Standard modules that neither read nor write anything outside the process."""

NETWORK = _words(
    """
    asyncio dbm ftplib http imaplib nntplib poplib select selectors smtplib socket socketserver sqlite3 ssl
    telnetlib urllib.request wsgiref xmlrpc
    """
)
"""Standard modules for databases, mail and networks: for backends and web."""

ANY_STANDARD = frozenset(sys.stdlib_module_names) - {
    "urllib",
    "xml",
    "unittest",
    "pickle",
    "shelve",
    "marshal",
} | {
    "urllib.parse",
    "xml.sax.saxutils",
}
"""The standard library for the rooms that act, without what executes what it reads."""


@dataclass(frozen=True)
class Room:
    """One room and what it may import from outside the house."""

    outside: frozenset[str]
    is_pure: bool = False  # on the ground floor or under it: no I/O, no clock, no hidden randomness


def _pure(*packages: str) -> Room:
    return Room(ARRAYS | PURE | set(packages), is_pure=True)


def _acting(*packages: str) -> Room:
    return Room((ANY_STANDARD - NETWORK) | {"numpy"} | set(packages))


def _outward(*packages: str) -> Room:
    return Room(ANY_STANDARD | NETWORK | ARRAYS | {"urllib", "xml"} | set(packages))


ROOMS: dict[str, Room] = {
    # the ways in
    "__main__": _acting(),
    "cli": _acting("typer", "rich", "click"),
    "web": _outward("starlette", "granian", "minijinja", "msgspec", "multipart", "python_multipart", "anyio"),
    "app": _acting("platformdirs", "font_source_serif_pro"),
    "demo": _acting("scipy", "pyarrow", "rich"),
    # things that act
    "flows": _acting("pyarrow"),
    "gate": _acting("pyarrow", "cryptography"),
    "backends": _outward("sqlalchemy", "alembic", "cryptography", "aiosmtplib", "msgspec"),
    "settings": _acting("pydantic", "pydantic_settings", "platformdirs"),
    "ports": _pure(),
    # ground floor
    "collect": _pure("msgspec"),
    "habits": _pure(),
    "recommend": _pure(),
    "compose": _pure("mjml", "minijinja", "PIL", "babel", "email"),
    "deliver": _pure("email"),
    "measure": _pure(),
    "rights": _pure(),
    # shared rooms
    "members": _pure(),
    "catalogue": _pure(),
    "words": _pure("babel"),
    "tokens": _pure(),
    "plots": _pure(),
    "consent": _pure("cryptography"),
    "schema": _pure(),
    "purposes": _pure(),
    "errors": _pure(),
    "__init__": _pure(),
}

FILE_EXTRAS: dict[str, frozenset[str]] = {"deliver/dkim.py": frozenset({"cryptography"})}
"""What one file may import beyond its room's list."""

SINKS = ("backends/events/*", "backends/transports/*", "backends/models/*")
"""The modules that store or hand over permitted rows, and so have to open them."""
MAY_NAME_SEAL = ("consent/*", "gate/*", "app.py", *SINKS)
MAY_UNSEAL = ("consent/permitted.py", "gate/*", *SINKS)

READS_FILES = _words(
    """
    pyarrow.parquet pyarrow.fs pyarrow.dataset pyarrow.csv pyarrow.json pyarrow.feather pyarrow.orc pyarrow.ipc
    pyarrow.flight pyarrow.substrait pyarrow.cuda pyarrow.memory_map pyarrow.create_memory_map pyarrow.OSFile
    pyarrow.input_stream pyarrow.output_stream pyarrow.MemoryMappedFile
    numpy.load numpy.save numpy.savez numpy.savez_compressed numpy.fromfile numpy.loadtxt numpy.savetxt
    numpy.genfromtxt numpy.memmap numpy.lib.format numpy.lib.npyio scipy.io scipy.datasets
    scipy.sparse.load_npz scipy.sparse.save_npz io.open io.open_code io.FileIO
    """
)
FILE_METHODS = _words(
    "open read_text read_bytes write_text write_bytes tofile open_code environ getenv urandom"
)
BUILTINS = _words("open eval exec compile input __import__ breakpoint")
CLOCKS = _words("now today utcnow")
CLOCK_NAMES = ("email.utils.localtime", "email.utils.make_msgid")
SEEDED = _words(
    "Generator default_rng BitGenerator PCG64 PCG64DXSM Philox SFC64 MT19937 SeedSequence RandomState"
)
DRAWS_KEYS = _words("generate generate_private_key generate_parameters generate_key")
MANGLED = "_Permitted__"


@dataclass(frozen=True, order=True)
class Breach:
    """A place where the house's rules are broken."""

    path: str  # below src/postreel
    line: int
    rule: str
    what: str

    def __str__(self) -> str:
        return f"src/postreel/{self.path}:{self.line}: {self.rule}: {self.what}"


def breaches_in_house(root: Path) -> list[Breach]:
    """Every breach in the package at `root`, by file and line."""
    return sorted(
        breach
        for file in sorted(root.rglob("*.py"))
        for breach in breaches_in(file.relative_to(root).as_posix(), file.read_text("utf-8"))
    )


def breaches_in(path: str, source: str) -> list[Breach]:
    """Every breach in one module, whose path is given from src/postreel."""
    name = path.split("/")[0].removesuffix(".py")
    room = ROOMS.get(name)
    if room is None:
        return [
            Breach(
                path, 1, "new room", f"{name!r} has no line in ROOMS of tests/house/rooms.py; choose its list"
            )
        ]
    tree = ast.parse(source)
    names = _Names(tree)
    found = list(_outside(tree, path, room)) + list(_seals(tree, path))
    if not _is_any(path, ("app.py", "backends/*")):
        found += _backends(tree, path)
    if room.is_pure:
        found += _impure(tree, names, path)
    return sorted(set(found))


def _is_any(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def _imports(tree: ast.AST) -> Iterator[tuple[int, str, str | None]]:
    """Line, module and name of each import; a relative one stays inside the house and is left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)


def _covers(names: frozenset[str], dotted: str) -> bool:
    parts = dotted.split(".")
    return any(".".join(parts[:count]) in names for count in range(1, len(parts) + 1))


def _outside(tree: ast.AST, path: str, room: Room) -> Iterator[Breach]:
    allowed = room.outside | FILE_EXTRAS.get(path, frozenset())
    for line, module, name in _imports(tree):
        whole = f"{module}.{name}" if name else module
        is_ours = module == "postreel" or module.startswith("postreel.")
        is_network = _covers(NETWORK, whole) and not allowed >= NETWORK
        if not is_ours and (is_network or not _covers(allowed, whole)):
            yield Breach(path, line, "outside package", f"{whole} is not on the list of this room")


def _backends(tree: ast.AST, path: str) -> Iterator[Breach]:
    for line, module, name in _imports(tree):
        if _covers(frozenset({"postreel.backends"}), f"{module}.{name}" if name else module):
            yield Breach(
                path, line, "backends", "backends are opened in app.py alone; take a port or the gate"
            )


def _seals(tree: ast.AST, path: str) -> Iterator[Breach]:
    may_name, may_unseal = _is_any(path, MAY_NAME_SEAL), _is_any(path, MAY_UNSEAL)
    for line, _, name in _imports(tree):
        if name == "Seal" and not may_name:
            yield Breach(path, line, "seal", "Seal is named only by consent, the gate, app.py and the sinks")
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 1)
        word = _word(node)
        if word == "Seal" and not may_name:
            yield Breach(path, line, "seal", "Seal is named only by consent, the gate, app.py and the sinks")
        if word == "unseal" and not may_unseal:
            yield Breach(path, line, "unseal", "permitted rows are opened only by the gate and the sinks")
        if MANGLED in word:
            yield Breach(
                path, line, "mangled name", f"{word} reaches into Permitted; map a named function instead"
            )


def _word(node: ast.AST) -> str:
    """The name that a node spells, strings included, since `getattr` takes those."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value if node.value.isidentifier() else ""
    return ""


class _Names:
    """What local names stand for, so that `np.load` and `from numpy import load` read the same."""

    def __init__(self, tree: ast.AST) -> None:
        self.known: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.known[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                for alias in node.names:
                    self.known[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def dotted(self, node: ast.AST) -> str:
        """The full name of what a name or an attribute refers to; empty where it is not an import."""
        if isinstance(node, ast.Name):
            return self.known.get(node.id, "")
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return f"{base}.{node.attr}" if base else ""
        return ""


def _impure(tree: ast.AST, names: _Names, path: str) -> Iterator[Breach]:
    for line, module, name in _imports(tree):
        whole = f"{module}.{name}" if name else module
        if _covers(READS_FILES, whole):
            yield Breach(
                path, line, "file", f"{whole} reads or writes files; take and return bytes or arrays"
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield from _impure_name(node, names, path)
        elif isinstance(node, ast.Call):
            yield from _impure_call(node, names, path)


def _impure_name(node: ast.Name | ast.Attribute, names: _Names, path: str) -> Iterator[Breach]:
    whole, word = names.dotted(node), _word(node)
    if isinstance(node, ast.Name) and word in BUILTINS and word not in names.known:
        yield Breach(path, node.lineno, "file", f"{word} has no place here; take and return bytes or arrays")
    if isinstance(node, ast.Attribute) and word in FILE_METHODS:
        yield Breach(path, node.lineno, "file", f".{word} has no place here; take and return bytes or arrays")
    if _covers(READS_FILES, whole):
        yield Breach(
            path, node.lineno, "file", f"{whole} reads or writes files; take and return bytes or arrays"
        )
    if whole in CLOCK_NAMES or (whole.startswith("datetime.") and word in CLOCKS):
        yield Breach(path, node.lineno, "clock", f"{whole} looks at the clock; take the time as an argument")
    if whole.startswith("numpy.random.") and whole.split(".")[2] not in SEEDED:
        yield Breach(
            path, node.lineno, "random", f"{whole} draws from hidden state; take an np.random.Generator"
        )


def _impure_call(node: ast.Call, names: _Names, path: str) -> Iterator[Breach]:
    word, is_method = _word(node.func), isinstance(node.func, ast.Attribute)
    whole = names.dotted(node.func)
    has_none = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value is None
    is_bare = not node.keywords and (not node.args or has_none)
    if is_method and word in CLOCKS:
        yield Breach(
            path, node.lineno, "clock", f".{word}() looks at the clock; take the time as an argument"
        )
    if whole == "email.utils.formatdate" and is_bare:
        yield Breach(path, node.lineno, "clock", "formatdate() looks at the clock; give it the time")
    if (
        word in {"default_rng", "SeedSequence", "PCG64", "Philox", "SFC64", "MT19937", "RandomState"}
        and is_bare
    ):
        yield Breach(path, node.lineno, "random", f"{word}() without a seed; take an np.random.Generator")
    if word in DRAWS_KEYS and (is_method or whole.startswith("cryptography.")):
        yield Breach(path, node.lineno, "random", f"{word}() draws a key; take it as an argument")
