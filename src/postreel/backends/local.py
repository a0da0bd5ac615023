"""This machine: its clock, and the keys, ledger heads and locks in the home folder.

No purpose of its own: nothing here is a member's. Opened by `app.py`; used by the gate and by the flows.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from postreel.backends.disk import (
    make_folder,
    refused_by_disk,
    sync_folder,
    tmp_beside,
    write_all,
    write_file,
)
from postreel.errors import InputError, SettingsError, TransientError


class SystemClock:
    """The clock of this machine; implements `ports.Clock`."""

    def now(self) -> datetime:
        """Aware UTC wall-clock time."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds since the machine was started: CLOCK_MONOTONIC, one for all processes on Linux."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; a negative time is none."""
        time.sleep(max(seconds, 0.0))


KEY_FILES = ("root.key", "ledger.key", "dkim.pem")


class FileKeys:
    """Keys as files of mode 0600 in a folder of mode 0700; implements `ports.Keys`.

    A missing key is made and linked into place, so that two processes that start together agree on one.
    All secrets are derived from one root secret (HKDF, RFC 5869): a backup of the folder is complete.

    Raises:
        SettingsError: another user of the machine can read the folder's files.
    """

    def __init__(self, path: Path) -> None:
        self._path = make_folder(path)
        _refuse_shared(path)
        for name in KEY_FILES:
            _refuse_shared(path / name)
        self._root = self._key("root.key", lambda: os.urandom(32))
        self._ledger = self._key("ledger.key", _new_ed25519)
        self._dkim = self._key("dkim.pem", _new_rsa)
        if len(self._root) != 32 or len(self._ledger) != 32:
            raise SettingsError("a key file does not hold 32 bytes; put it back from a backup")

    def secret(self, name: str) -> bytes:
        """32 secret bytes for this use, the same every time."""
        return HKDF(hashes.SHA256(), 32, None, b"postreel:" + name.encode()).derive(self._root)

    def ledger_key(self) -> bytes:
        """The Ed25519 private key that signs the ledger's heads, raw 32 bytes."""
        return self._ledger

    def dkim_key(self) -> bytes:
        """The RSA private key of 2048 bits that signs mails, PKCS#8 PEM."""
        return self._dkim

    def _key(self, name: str, new: Callable[[], bytes]) -> bytes:
        path = self._path / name
        if not path.exists():
            tmp = tmp_beside(path)
            with refused_by_disk(f"the key {name} was not made"):
                try:
                    write_file(tmp, new())
                    with suppress(FileExistsError):  # another process made it first: theirs holds
                        path.hardlink_to(tmp)
                finally:
                    tmp.unlink(missing_ok=True)
                sync_folder(self._path)
        return path.read_bytes()


def _new_ed25519() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes_raw()


def _new_rsa() -> bytes:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _refuse_shared(path: Path) -> None:
    if not path.exists():
        return
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        wanted = "700" if path.is_dir() else "600"
        raise SettingsError(
            f"{path.name} has mode {mode:03o}: others on this machine can reach its keys; "
            f"run chmod {wanted} on it, and think about whether they were read"
        )


class FileHeads:
    """The ledger's heads, one a line, in a file outside the database; implements `ports.Heads`.

    A last line without its newline was torn by a kill, before anybody was answered: it is left out when
    reading, and cut off by the next append.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, line: str) -> None:
        """Add a line; fsynced when this returns.

        Raises:
            InputError: the line holds a line end.
            TransientError: the disk refused; the file is as it was.
        """
        if "\n" in line or "\r" in line:
            raise InputError("a head is one line, and this one holds a line end")
        with refused_by_disk("the ledger's head was not written"):
            is_new = not self._path.exists()
            if is_new:
                make_folder(self._path.parent)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                end = _whole_lines(fd)
                os.ftruncate(fd, end)
                os.lseek(fd, end, os.SEEK_SET)
                try:
                    write_all(fd, line.encode() + b"\n")
                    os.fsync(fd)
                except OSError:
                    os.ftruncate(fd, end)
                    raise
            finally:
                os.close(fd)
            if is_new:
                sync_folder(self._path.parent)

    def lines(self) -> list[str]:
        """All whole lines, oldest first."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return []
        # A line that somebody made unreadable is given as it is: whoever checks the heads must see it.
        return data.decode("utf-8", "replace").split("\n")[:-1]


def _whole_lines(fd: int) -> int:
    """The length of the file up to and with its last newline."""
    size = os.fstat(fd).st_size
    end = size
    while end > 0:
        start = max(end - 65536, 0)
        at = os.pread(fd, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class FileLocks:
    """Locks as files that the kernel frees when their holder ends, killed or not; implements `ports.Lock`."""

    def __init__(self, path: Path) -> None:
        self._path = make_folder(path)

    @contextmanager
    def held(self, name: str) -> Generator[None, None, None]:
        """Hold it for the length of a with block; not twice, not even in one process.

        Raises:
            InputError: the name is no file name.
            TransientError: another process holds it.
        """
        if not _NAME.fullmatch(name):
            raise InputError(f"a lock's name is letters, digits, dots and dashes, not {name!r}")
        fd = os.open(self._path / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as e:
                raise TransientError(
                    f"another process holds the lock {name!r}; wait until it ends and try again"
                ) from e
            yield
        finally:
            os.close(fd)
