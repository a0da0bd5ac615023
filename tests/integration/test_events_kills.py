"""An acknowledged event survives kill -9 at any moment, and stands in Parquet exactly once.

A child appends batches, prints their numbers once `append` has returned, and compacts in between; it is killed at
seeded random moments. Whatever it printed must be there after a restart and a compaction.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from postreel.backends.events import FileEvents
from postreel.backends.local import SystemClock
from postreel.consent import Permitted, Seal, Warrant
from postreel.purposes import History
from postreel.schema import Plays, id_array, unique_ids

SEAL = Seal()
ROWS = 20
MEMBERS = unique_ids(id_array([bytes([m]) * 15 + b"\x01" for m in range(1, 9)]))


def batch(number: int) -> Permitted:
    """Batch n holds the events n * ROWS to n * ROWS + ROWS - 1."""
    n = np.arange(number * ROWS, (number + 1) * ROWS)
    wide = np.zeros((ROWS, 2), ">u8")
    wide[:, 1] = n
    at = pa.array(1_790_000_000_000_000 + n * 3_600_000_000).cast(Plays.SCHEMA.field("at").type)
    rows = Plays.of(member=MEMBERS[n % 8], event_id=np.frombuffer(wide.tobytes(), "S16"), at=at, arrived=at)
    return Permitted(SEAL, rows, Warrant(History, 1, MEMBERS, np.zeros(8, np.int64)))


def admit_all(plays: Plays) -> Plays:
    return plays


def child(folder: str, first: int, seed: int) -> None:
    """Append and compact until killed; every fourth batch is sent again, as players do."""
    events = FileEvents(Path(folder), SEAL, 2)
    rng = np.random.default_rng(seed)
    say(f"up {os.getpid()}")
    number = first
    while True:
        events.append(batch(number))
        say(f"{number}")
        if number % 4 == 3:
            events.append(batch(number - 1))
        if rng.random() < 0.4:
            events.compact(admit_all)
        number += 1


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def nursery() -> None:
    """Fork a child for every line asked for: starting a Python each time would take most of the test."""
    for line in sys.stdin:
        folder, first, seed = line.rstrip("\n").split("\t")
        pid = os.fork()
        if pid == 0:
            child(folder, int(first), int(seed))
        os.waitpid(pid, 0)
        say("ended")


NURSERY = "import sys; sys.path.insert(0, sys.argv[1]); from test_events_kills import nursery; nursery()"


@contextmanager
def nursing() -> Iterator[subprocess.Popen[str]]:
    args = [sys.executable, "-c", NURSERY, str(Path(__file__).parent)]
    with subprocess.Popen(
        args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def run_and_kill(nurse: subprocess.Popen[str], folder: Path, first: int, seed: int) -> list[int]:
    """The numbers that the child acknowledged before it was killed."""
    rng = np.random.default_rng(seed)
    assert nurse.stdin is not None
    assert nurse.stdout is not None
    nurse.stdin.write(f"{folder}\t{first}\t{seed}\n")
    nurse.stdin.flush()
    word, pid = nurse.stdout.readline().split()
    assert word == "up"
    SystemClock().sleep(float(rng.uniform(0.0, 0.15)))
    os.kill(int(pid), signal.SIGKILL)
    return [int(line) for line in iter(nurse.stdout.readline, "ended\n")]


def kill_often(folder: Path, kill_count: int) -> None:
    acked: set[int] = set()
    with nursing() as nurse:
        for seed in range(kill_count):
            acked |= set(run_and_kill(nurse, folder, max(acked, default=-1) + 2, seed))
            if seed % 5 == 4 or seed == kill_count - 1:
                check(folder, acked)
    assert len(acked) > kill_count  # the kills did not all come before the first answer


def check(folder: Path, acked: set[int]) -> None:
    events = FileEvents(folder, SEAL, 2)
    wanted = np.concatenate([batch(n).unseal(SEAL).column("event_id") for n in sorted(acked)]).astype("S16")
    assert events.known(wanted).all()
    events.compact(admit_all)
    stored = Plays.concat(events.stream(Plays, MEMBERS)).column("event_id").astype("S16")
    assert len(np.unique(stored)) == len(stored) == events.count(Plays)
    assert np.isin(wanted, stored).all()
    assert events.known(wanted).all()
    assert list((folder / "spool").iterdir()) == []
    assert unique_ids(np.concatenate([MEMBERS[:0], events.stale()])).tolist() == MEMBERS.tolist()


def test_acknowledged_events_survive_twenty_kills_each_once(tmp_path: Path):
    kill_often(tmp_path / "events", 20)


@pytest.mark.long
def test_acknowledged_events_survive_two_hundred_kills_each_once(tmp_path: Path):
    kill_often(tmp_path / "events", 200)


def test_a_torn_tail_of_any_length_costs_only_itself(tmp_path: Path):
    whole = FileEvents(tmp_path / "whole", SEAL, 2)
    whole.append(batch(0))
    whole.append(batch(1))
    (segment,) = (tmp_path / "whole" / "spool").iterdir()
    data = segment.read_bytes()
    second = data.index(b'{"rows"', 1)
    rng = np.random.default_rng(7)
    for i, cut in enumerate(
        [second, second + 1, len(data) - 1, *rng.integers(second, len(data), 12).tolist()]
    ):
        events = FileEvents(tmp_path / f"torn{i}", SEAL, 2)
        (tmp_path / f"torn{i}" / "spool" / segment.name).write_bytes(data[:cut])
        assert events.count(Plays) == ROWS
        events.append(batch(1))
        assert events.compact(admit_all) == 2 * ROWS


def test_a_torn_block_of_zeroes_is_passed_over(tmp_path: Path):
    events = FileEvents(tmp_path, SEAL, 2)
    for n in range(3):
        events.append(batch(n))
    (segment,) = (tmp_path / "spool").iterdir()
    data = bytearray(segment.read_bytes())
    second = data.index(b'{"rows"', 1)
    data[second + 60 : second + 500] = bytes(440)  # a page that never reached the disk
    segment.write_bytes(bytes(data))
    assert FileEvents(tmp_path, SEAL, 2).compact(admit_all) == 2 * ROWS


def test_a_full_disk_stores_nothing_and_later_appends_go_on(tmp_path: Path):
    """A limit on file sizes stands in for the full disk: writing past it fails as ENOSPC does, partly written."""
    code = (
        "import resource, signal, sys; sys.path.insert(0, sys.argv[1]); from test_events_kills import *\n"
        "from postreel.errors import TransientError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "events = FileEvents(Path(sys.argv[2]), SEAL, 2); events.append(batch(0))\n"
        "size = next(iter((Path(sys.argv[2]) / 'spool').iterdir())).stat().st_size\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + size // 2, hard))\n"
        "try:\n"
        "    events.append(batch(1)); sys.exit('stored beyond the limit')\n"
        "except TransientError: pass\n"
        "assert events.count(Plays) == ROWS, events.count(Plays)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "events.append(batch(2)); assert events.count(Plays) == 2 * ROWS\n"
        "assert events.compact(admit_all) == 2 * ROWS\n"
    )
    args = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path / "events")]
    subprocess.run(args, check=True)
