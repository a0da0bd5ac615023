"""A withdrawal or an erasure killed at any step: the member leaves the model exactly once.

After each kill the job is carried on by `postreel jobs`, perhaps killed again. Then the counts of the model are
bit for bit those of a rebuild without the member, whose part is on no roster and in no journal.
"""

import shutil
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from children import Nursery
from homes import Opened, a_home, opened_home, some_titles, with_members
from removal_child import SETTINGS
from rooms_of_members import LONG_AGO, viewings

from postreel.flows.refresh import refresh_habits
from postreel.purposes import Training
from postreel.recommend import Counts, contributions
from postreel.schema import Plays, Tastes, id_array
from postreel.settings import Settings

MEMBER_COUNT = 14
WHAT = ("training", "history", "erase", "train")


def a_trained_home(path: Path) -> tuple[Settings, list[bytes]]:
    settings = a_home(path)
    home = opened_home(settings)
    home.gate.put_titles(some_titles(9))
    people = with_members(home.gate, MEMBER_COUNT, ["history", "training", "recommendations"], LONG_AGO)
    rng = np.random.default_rng(5)
    for member in people:
        titles = rng.choice(9, size=5, replace=False).tolist()
        home.gate.store(home.gate.admit(viewings(member, titles, home.clock.now()), is_own=True))
    refresh_habits(home.gate)
    home.gate.learn(SETTINGS)
    home.close()
    return settings, people


def rebuilt(home: Opened, counts: Counts) -> Counts:
    """The counts of all who grant `training` now, from their rows."""
    live = home.gate.standing().members(Training)
    fresh = Counts.empty(counts.vocabulary, counts.head, counts.pair_floor)
    fresh.add(contributions(home.core.events.read(Tastes, live), counts.vocabulary))
    return fresh


def assert_gone_exactly_once(settings: Settings, member: bytes, what: str) -> None:
    home = opened_home(settings)
    models = home.core.models
    name = models.current()
    assert name is not None
    counts = Counts.from_parts(partial(models.array, name), partial(models.text, name))
    # A child that died before anything was committed left the member as they were: that is right as well.
    is_out = member not in {bytes(m) for m in home.gate.standing().members(Training)}
    assert counts.member_count == MEMBER_COUNT - is_out
    assert counts.digest() == rebuilt(home, counts).digest()
    key = home.core.member_key(member)
    keys = models.array(name, "roster_keys").tobytes()
    assert (key in [keys[i : i + 32] for i in range(0, len(keys), 32)]) != is_out
    assert not is_out or models.journal() == []
    if is_out and what == "history":
        assert len(home.core.events.read(Plays, id_array([member]))) == 0
    if is_out and what == "erase":
        assert home.gate.verify_erased(member.hex()) == []
    with home.core.records.reading() as tx:
        assert tx.open_jobs() == []
    assert home.gate.verify_ledger().is_ok
    home.close()


@pytest.mark.parametrize(
    ("kill_count", "seed"), [(8, 1), pytest.param(120, 2, marks=pytest.mark.long)], ids=["8 each", "120 each"]
)
@pytest.mark.parametrize("what", WHAT)
def test_a_killed_removal_takes_out_neither_twice_nor_never(
    tmp_path: Path, what: str, kill_count: int, seed: int
):
    rng = np.random.default_rng(seed)
    settings, people = a_trained_home(tmp_path / "trained")
    killed_count = 0
    with Nursery(tmp_path / "children", ("removal_child",)) as nursery:

        def child(folder: Path, what: str, member: bytes, step: int) -> int:
            one = nursery.start(str(folder), what, member.hex(), str(step), module="removal_child")
            code = one.wait()
            assert code in (0, -signal.SIGKILL), one.said
            return code

        for number in range(kill_count + 1):
            folder = tmp_path / f"home-{number}"
            shutil.copytree(settings.home, folder)
            member = people[int(rng.integers(MEMBER_COUNT))]
            if number == 0:  # lives to its end, and tells how many steps there are
                assert child(folder, what, member, 0) == 0
                step_count = int((tmp_path / "children" / "out").read_text())
            else:
                killed_count += child(folder, what, member, 1 + int(rng.integers(step_count))) != 0
                if rng.uniform() < 0.4:
                    child(folder, "jobs", member, 1 + int(rng.integers(step_count)))
                jobs = nursery.start("--home", str(folder), "jobs")
                assert jobs.wait() == 0, jobs.said
            assert_gone_exactly_once(settings.model_copy(update={"home": folder}), member, what)
            shutil.rmtree(folder)
    assert killed_count >= kill_count // 2
