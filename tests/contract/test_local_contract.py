"""Clock, keys, heads and locks of this machine, as `ports.py` asks for them."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from postreel.backends.local import FileHeads, FileKeys, FileLocks, SystemClock
from postreel.errors import InputError, SettingsError, TransientError
from postreel.ports import Clock, Heads, Keys, Lock


def test_the_clock_is_aware_and_its_monotonic_side_advances():
    clock: Clock = SystemClock()
    before = clock.monotonic_s()
    clock.sleep(0.01)
    clock.sleep(-1)
    assert clock.monotonic_s() >= before + 0.01
    offset = clock.now().utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 0


def test_keys_are_made_once_and_stay(tmp_path: Path):
    first: Keys = FileKeys(tmp_path / "keys")
    again = FileKeys(tmp_path / "keys")
    assert first.secret("tokens") == again.secret("tokens")
    assert first.secret("tokens") != first.secret("journal")
    assert len(first.secret("tokens")) == 32
    assert first.ledger_key() == again.ledger_key()
    Ed25519PrivateKey.from_private_bytes(first.ledger_key())
    rsa = load_pem_private_key(again.dkim_key(), None)
    assert isinstance(rsa, RSAPrivateKey)
    assert rsa.key_size == 2048
    assert first.secret("tokens") != FileKeys(tmp_path / "other").secret("tokens")


def test_keys_are_for_the_owner_alone(tmp_path: Path):
    FileKeys(tmp_path / "keys")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert {f.stat().st_mode & 0o777 for f in (tmp_path / "keys").iterdir()} == {0o600}
    assert sorted(f.name for f in (tmp_path / "keys").iterdir()) == ["dkim.pem", "ledger.key", "root.key"]


@pytest.mark.parametrize("name", ["root.key", "ledger.key", "dkim.pem", ""])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, name: str):
    FileKeys(tmp_path / "keys")
    (tmp_path / "keys" / name).chmod(0o640 if name else 0o755)
    with pytest.raises(SettingsError, match="chmod"):
        FileKeys(tmp_path / "keys")


def test_processes_that_start_together_agree_on_the_keys(tmp_path: Path):
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(FileKeys(tmp_path / "k").ledger_key())) for _ in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_heads_come_back_in_order(tmp_path: Path):
    heads: Heads = FileHeads(tmp_path / "home" / "ledger-heads.ndjson")
    assert heads.lines() == []
    heads.append('{"size":1}')
    heads.append('{"size":2}')
    assert FileHeads(tmp_path / "home" / "ledger-heads.ndjson").lines() == ['{"size":1}', '{"size":2}']
    with pytest.raises(InputError):
        heads.append("two\nlines")


@pytest.mark.parametrize("torn", [b"{", b'{"size":3,"root":"', b"x" * 200_000])
def test_a_torn_head_is_left_out_and_then_repaired(tmp_path: Path, torn: bytes):
    path = tmp_path / "ledger-heads.ndjson"
    heads = FileHeads(path)
    heads.append('{"size":1}')
    with path.open("ab") as f:
        f.write(torn)
    assert heads.lines() == ['{"size":1}']
    heads.append('{"size":2}')
    assert path.read_text() == '{"size":1}\n{"size":2}\n'


def test_a_lock_keeps_others_out_until_it_is_left(tmp_path: Path):
    locks: Lock = FileLocks(tmp_path / "locks")
    with locks.held("train"):
        with (
            pytest.raises(TransientError, match="another process"),
            FileLocks(tmp_path / "locks").held("train"),
        ):
            pass
        with locks.held("send"):
            pass
    with locks.held("train"):
        pass
    with pytest.raises(InputError), locks.held("../out"):
        pass


def test_a_killed_process_leaves_its_lock(tmp_path: Path):
    code = (
        "import sys, time; from pathlib import Path; from postreel.backends.local import FileLocks\n"
        "with FileLocks(Path(sys.argv[1])).held('train'): print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(TransientError), FileLocks(tmp_path).held("train"):
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
    with FileLocks(tmp_path).held("train"):
        pass
