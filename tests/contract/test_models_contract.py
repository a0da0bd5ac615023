"""What `ports.Models` promises, for every model store."""

import threading
from pathlib import Path

import numpy as np
import pytest

from postreel.backends.models import FileModels
from postreel.errors import InputError
from postreel.ports import Models


@pytest.fixture(params=["file"])
def models(request: pytest.FixtureRequest, tmp_path: Path) -> Models:
    return FileModels(tmp_path / "models")


def test_a_model_is_read_as_it_was_published(models: Models):
    assert models.current() is None
    gram = np.arange(12, dtype=np.int64).reshape(3, 4)
    models.publish("m-1", {"gram": gram, "none": np.empty((0, 2))}, {"titles.json": b'["a"]'})
    assert models.current() == "m-1"
    assert np.array_equal(models.array("m-1", "gram"), gram)
    assert models.array("m-1", "none").shape == (0, 2)
    assert models.text("m-1", "titles.json") == b'["a"]'
    with pytest.raises(ValueError, match="read-only"):
        models.array("m-1", "gram")[0, 0] = 9
    for ask in (models.array, models.text):
        with pytest.raises(InputError):
            ask("m-1", "missing")
        with pytest.raises(InputError):
            ask("m-2", "gram")


def test_the_newest_model_is_current_and_pruning_leaves_it(models: Models):
    models.publish("m-1", {"a": np.ones(2)}, {})
    held = models.array("m-1", "a")
    models.publish("m-2", {"a": np.zeros(2)}, {})
    assert models.current() == "m-2"
    assert models.array("m-1", "a").tolist() == [1, 1]
    models.prune("m-2")
    assert models.array("m-2", "a").tolist() == [0, 0]
    assert held.tolist() == [1, 1]  # a reader's map outlives the file's name
    with pytest.raises(InputError):
        models.array("m-1", "a")


def test_what_cannot_be_a_model_is_refused(models: Models):
    models.publish("m-1", {}, {})
    with pytest.raises(InputError, match="exists"):
        models.publish("m-1", {}, {})
    for name in ("../m", "", "current", ".hidden", "a/b"):
        with pytest.raises(InputError):
            models.publish(name, {}, {})
    with pytest.raises(InputError):
        models.publish("m-2", {"../a": np.ones(1)}, {})
    with pytest.raises(InputError, match="pickle"):
        models.publish("m-2", {"a": np.array([{}], object)}, {})
    assert models.current() == "m-1"


def test_the_journal_keeps_entries_in_order_and_is_trimmed(models: Models):
    assert models.journal() == []
    entries = [b"one", b"", b"three\n\x00", bytes(100_000)]
    for e in entries:
        models.append_journal(e)
    assert models.journal() == entries
    models.trim_journal(lambda e: len(e) < 10)
    assert models.journal() == entries[:3]
    models.append_journal(b"five")
    assert models.journal() == [*entries[:3], b"five"]


def test_threads_journal_side_by_side(models: Models):
    def add(k: int) -> None:
        for i in range(10):
            models.append_journal(bytes([k, i]))

    threads = [threading.Thread(target=add, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(models.journal()) == [bytes([k, i]) for k in range(4) for i in range(10)]


@pytest.mark.parametrize("cut", range(1, 13))
def test_a_torn_journal_entry_is_left_out_and_then_overwritten(tmp_path: Path, cut: int):
    models = FileModels(tmp_path)
    models.append_journal(b"first")
    models.append_journal(b"torn")
    journal = tmp_path / "journal"
    journal.write_bytes(journal.read_bytes()[:-cut])
    assert models.journal() == [b"first"]
    models.append_journal(b"second")
    assert models.journal() == [b"first", b"second"]


def test_model_files_are_for_the_owner_alone(tmp_path: Path):
    models = FileModels(tmp_path / "models")
    models.publish("m-1", {"a": np.ones(2)}, {"b": b""})
    models.append_journal(b"x")
    for path in (tmp_path / "models").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path.name


def test_a_model_written_but_not_made_current_can_be_published_again(tmp_path: Path):
    models = FileModels(tmp_path)
    models.publish("m-1", {"a": np.zeros(1)}, {})
    (tmp_path / "current").unlink()  # as if killed before the swap
    models.publish("m-1", {"a": np.ones(1)}, {})
    assert models.current() == "m-1"
    assert models.array("m-1", "a").tolist() == [1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["current", "lock", "m-1"]
