"""Writing to a disk so that it stays written. No purpose of its own: bytes in, bytes out.

Used by the file backends. A file is durable when its bytes and the folder that names it are both fsynced;
a file is replaced whole by writing another beside it and renaming. What a killed process leaves half done
is a file whose name holds `.tmp-`, which nobody reads.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from postreel.errors import TransientError

TMP = ".tmp-"


def make_folder(path: Path) -> Path:
    """The folder, made with mode 0700 where it is missing, and named durably by its parent."""
    if not path.is_dir():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        sync_folder(path.parent)
    return path


def sync_folder(path: Path) -> None:
    """Make the names in this folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file(path: Path) -> None:
    """Make the bytes of this file durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte, however many calls it takes."""
    rest = memoryview(data)
    while len(rest):
        rest = rest[os.write(fd, rest) :]


def tmp_beside(path: Path) -> Path:
    """A name in the same folder that no reader looks at."""
    return path.with_name(f"{path.name}{TMP}{secrets.token_hex(6)}")


def write_file(path: Path, data: bytes | memoryview) -> None:
    """Write a file whole with mode 0600 and fsync it. The folder is not fsynced."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, data: bytes | memoryview) -> None:
    """Put these bytes where `path` was: a reader finds the old file or the new one, whole.

    Raises:
        TransientError: the disk refused; the old file stands.
    """
    tmp = tmp_beside(path)
    with refused_by_disk(f"{path.name} was not written; the old one stands"):
        try:
            write_file(tmp, data)
            tmp.replace(path)
        except BaseException:
            tmp.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files and make their absence durable."""
    folders: set[Path] = set()
    for path in paths:
        path.unlink(missing_ok=True)
        folders.add(path.parent)
    for folder in folders:
        sync_folder(folder)


def sweep(folder: Path) -> None:
    """Remove what killed writers left below this folder. Only for who holds the folder's lock."""
    remove_files(p for p in folder.rglob(f"*{TMP}*") if p.is_file())


@contextmanager
def refused_by_disk(what: str) -> Generator[None, None, None]:
    """Turn what a disk refuses (full, read-only, gone) into a TransientError that says what became of it."""
    try:
        yield
    except OSError as e:
        word = errno.errorcode.get(e.errno or 0, "unknown error")
        raise TransientError(f"{what} ({word}); free some space or mend the disk and try again") from e


@contextmanager
def locked(path: Path) -> Generator[None, None, None]:
    """Hold the lock file, waiting for it; between threads and processes alike. Ends with the process."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
