"""A maildir on a real disk: nothing twice, nothing torn, whoever was killed when."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from postreel.backends.local import SystemClock
from postreel.backends.transports import MaildirTransport
from postreel.backends.transports.maildir import file_name
from postreel.consent import Permitted, Seal, Warrant
from postreel.errors import TransientError
from postreel.purposes import MailPicks
from postreel.schema import Messages, id_array, unique_ids

SEAL = Seal()
BODY = b"Subject: picks\r\n\r\n" + b"x" * 20_000


def batch(start: int, count: int) -> Permitted:
    numbers = range(start, start + count)
    rows = Messages.of(
        member=id_array([n.to_bytes(15, "big") + b"\x01" for n in numbers]),
        message_id=pa.array([f"<{n}@example.org>" for n in numbers]),
        address=pa.array(["a@example.org"] * count),
        raw=pa.array([BODY] * count, pa.large_binary()),
    )
    ids = unique_ids(rows.members)
    return Permitted(SEAL, rows, Warrant(MailPicks, 1, ids, np.zeros(count, np.int64)))


class SteppingClock(SystemClock):
    """Each look at the clock moves it on by a second."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        self.now_s += 1.0
        return self.now_s


def test_a_mail_is_put_there_once_whatever_a_reader_did_with_it(tmp_path: Path):
    box = MaildirTransport(tmp_path, SEAL, SystemClock())
    assert box.send(batch(0, 2), deadline_s=1e12).column("reply").tolist() == ["stored", "stored"]
    first = file_name("<0@example.org>")
    (tmp_path / "new" / first).rename(tmp_path / "cur" / f"{first}:2,RS")
    again = MaildirTransport(tmp_path, SEAL, SystemClock()).send(batch(0, 3), deadline_s=1e12)
    assert again.column("outcome").tolist() == ["accepted"] * 3
    assert again.column("reply").tolist() == ["already there", "already there", "stored"]
    assert len(list(tmp_path.rglob("*/*"))) == 3
    assert box.delivered([f"<{n}@example.org>" for n in range(5)]) == {f"<{n}@example.org>" for n in range(3)}


def test_files_are_for_the_owner_alone(tmp_path: Path):
    MaildirTransport(tmp_path / "box", SEAL, SystemClock()).send(batch(0, 1), deadline_s=1e12)
    for path in (tmp_path / "box").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


def test_the_deadline_is_looked_at_again_just_before_the_link(tmp_path: Path):
    box = MaildirTransport(tmp_path, SEAL, SteppingClock())
    got = box.send(batch(0, 3), deadline_s=4.0)  # looks at 1 and 2 for the first, 3 and 4 for the second
    assert got.column("outcome").tolist() == ["accepted", "returned", "returned"]
    assert [p.name for p in tmp_path.rglob("*/*")] == [file_name("<0@example.org>")]


def test_a_vanished_folder_takes_nothing(tmp_path: Path):
    box = MaildirTransport(tmp_path, SEAL, SystemClock())
    (tmp_path / "tmp").rmdir()
    with pytest.raises(TransientError):
        box.send(batch(0, 1), deadline_s=1e12)


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_maildir import SEAL, SystemClock, MaildirTransport, batch
box = MaildirTransport(Path(sys.argv[2]), SEAL, SystemClock())
print("up", flush=True)
for start in range(0, 160, 16):
    got = box.send(batch(start, 16), deadline_s=1e12)
    assert set(got.column("outcome")) == {"accepted"}
    print(start, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_sender_leaves_whole_mails_and_the_next_adds_the_rest(tmp_path: Path, seed: int):
    rng = np.random.default_rng(seed)
    box = tmp_path / "box"
    args = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(box)]
    child = subprocess.Popen(args, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        for _ in range(1 + int(rng.integers(0, 4))):
            child.stdout.readline()
        SystemClock().sleep(float(rng.uniform(0, 0.01)))
        child.send_signal(signal.SIGKILL)
        acked = [int(line) for line in child.stdout.read().split()]
        child.wait()
    there = {p.name for p in (box / "new").iterdir()}
    assert all(file_name(f"<{n}@example.org>") in there for s in acked for n in range(s, s + 16))
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL)
    mails = list((box / "new").iterdir())
    assert len(mails) == 160
    assert all(p.read_bytes() == BODY for p in mails)
    assert list((box / "tmp").iterdir()) == []
