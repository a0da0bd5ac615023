"""`FileModels`: the model store on a file system. Implements `ports.Models`.

Rests on purpose Training; the gate alone writes and reads here, through `app.py`. What a model holds of members
(the roster) arrives encrypted.

    m-000123/<key>.npy     arrays, mapped by readers; never pickled
    m-000123/<key>.text    texts
    current                the name of the current model, swapped by a rename
    journal                removals since: frames of length, checksum and entry
"""

from __future__ import annotations

import io
import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postreel.backends.disk import (
    TMP,
    locked,
    make_folder,
    refused_by_disk,
    replace_file,
    sync_folder,
    tmp_beside,
    write_all,
    write_file,
)
from postreel.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FRAME = struct.Struct("<II")


class FileModels:
    """Models in a folder; see the module for its layout."""

    def __init__(self, path: Path) -> None:
        self._path = make_folder(path)
        self._journal = path / "journal"

    def publish(self, name: str, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, bytes]) -> None:
        """Write a model whole, fsync it, and make it the current one by a rename.

        Raises:
            InputError: a name that is no file name, an array of Python objects, or a model that is there already.
            TransientError: the disk refused; the current model stays.
        """
        folder = self._folder(name)
        if self.current() == name:
            raise InputError(f"the model {name!r} exists; a published model is never changed")
        files = {self._file(folder, key, "npy").name: _packed(key, a) for key, a in arrays.items()}
        files |= {self._file(folder, key, "text").name: text for key, text in texts.items()}
        with locked(self._path / "lock"):
            tmp = tmp_beside(folder)
            with refused_by_disk(f"the model {name!r} was not published"):
                try:
                    tmp.mkdir(mode=0o700)
                    for file, data in files.items():
                        write_file(tmp / file, data)
                    sync_folder(tmp)
                    if folder.exists():  # written whole by a publisher that was killed before its swap
                        shutil.rmtree(folder.rename(tmp_beside(folder)))
                    tmp.rename(folder)
                    sync_folder(self._path)
                finally:
                    shutil.rmtree(tmp, ignore_errors=True)
            replace_file(self._path / "current", name.encode())

    def current(self) -> str | None:
        """The name of the current model, or None."""
        try:
            return (self._path / "current").read_text()
        except FileNotFoundError:
            return None

    def array(self, name: str, key: str) -> NDArray[Any]:
        """One array of a model, mapped read-only.

        Raises:
            InputError: the model has no such array.
        """
        try:
            return np.load(self._file(self._folder(name), key, "npy"), mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise InputError(f"the model {name!r} has no array {key!r}") from None

    def text(self, name: str, key: str) -> bytes:
        """One text of a model.

        Raises:
            InputError: the model has no such text.
        """
        try:
            return self._file(self._folder(name), key, "text").read_bytes()
        except FileNotFoundError:
            raise InputError(f"the model {name!r} has no text {key!r}") from None

    def prune(self, keep: str) -> None:
        """Remove all models but this one, and what a killed publisher left."""
        with locked(self._path / "lock"):
            for folder in self._path.iterdir():
                if folder.is_dir() and folder.name != keep:
                    # Renamed first, so that a kill halfway never leaves half a model under its name.
                    gone = folder if TMP in folder.name else folder.rename(tmp_beside(folder))
                    shutil.rmtree(gone, ignore_errors=True)
            sync_folder(self._path)

    def journal(self) -> list[bytes]:
        """The entries of the removal journal, oldest first. A torn last entry is left out."""
        try:
            data = self._journal.read_bytes()
        except FileNotFoundError:
            return []
        return [entry for _, entry in _entries(data)]

    def append_journal(self, entry: bytes) -> None:
        """Add an entry; fsynced when this returns. What a kill tore at the end is cut off first.

        Raises:
            TransientError: the disk refused; the journal is as it was.
        """
        with locked(self._path / "journal.lock"), refused_by_disk("the removal was not journalled"):
            is_new = not self._journal.exists()
            fd = os.open(self._journal, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                data = os.pread(fd, os.fstat(fd).st_size, 0)
                end = max((end for end, _ in _entries(data)), default=0)
                os.ftruncate(fd, end)
                os.lseek(fd, end, os.SEEK_SET)
                try:
                    write_all(fd, _FRAME.pack(len(entry), zlib.crc32(entry)) + entry)
                    os.fsync(fd)
                except OSError:
                    os.ftruncate(fd, end)
                    raise
            finally:
                os.close(fd)
            if is_new:
                sync_folder(self._path)

    def trim_journal(self, keep: Callable[[bytes], bool]) -> None:
        """Rewrite the journal with only the entries that `keep` says yes to, atomically.

        Raises:
            TransientError: the disk refused; the journal is as it was.
        """
        with locked(self._path / "journal.lock"):
            kept = [e for e in self.journal() if keep(e)]
            replace_file(self._journal, b"".join(_FRAME.pack(len(e), zlib.crc32(e)) + e for e in kept))

    def _folder(self, name: str) -> Path:
        if not _NAME.fullmatch(name) or TMP in name or name in ("current", "journal", "lock", "journal.lock"):
            raise InputError(f"{name!r} is no name for a model; use letters, digits, dots and dashes")
        return self._path / name

    def _file(self, folder: Path, key: str, ending: str) -> Path:
        if not _NAME.fullmatch(key):
            raise InputError(
                f"{key!r} is no name for a part of a model; use letters, digits, dots and dashes"
            )
        return folder / f"{key}.{ending}"


def _packed(key: str, array: NDArray[Any]) -> memoryview:
    if array.dtype.hasobject:
        raise InputError(f"the array {key!r} holds Python objects; models are read without pickle")
    sink = io.BytesIO()
    np.save(sink, array, allow_pickle=False)
    return sink.getbuffer()


def _entries(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each whole entry and where it ends; the first torn one ends them."""
    at = 0
    while at + _FRAME.size <= len(data):
        size, checksum = _FRAME.unpack_from(data, at)
        entry = data[at + _FRAME.size : at + _FRAME.size + size]
        if len(entry) < size or zlib.crc32(entry) != checksum:
            return
        at += _FRAME.size + size
        yield at, entry
