"""What `ports.Engine` promises, for every engine."""

import os

import numpy as np
import pytest

from postreel.backends.engines import LocalEngine, PoolEngine
from postreel.errors import InputError, SettingsError, TransientError
from postreel.ports import Engine
from postreel.schema import unique_ids


def refuse(part: int) -> int:
    raise InputError(f"part {part} is wrong")


def die(part: int) -> int:
    os._exit(1)


@pytest.fixture(params=["local", "pool"], scope="module")
def engine(request: pytest.FixtureRequest) -> Engine:
    return LocalEngine() if request.param == "local" else PoolEngine(2)


def test_results_come_in_the_order_of_the_parts(engine: Engine):
    parts = [np.array([b"b", b"a", b"b"], "S16"), np.array([b"z"], "S16"), np.empty(0, "S16")]
    got = list(engine.map(unique_ids, parts))
    assert [g.tolist() for g in got] == [[b"a", b"b"], [b"z"], []]
    assert list(engine.map(unique_ids, [])) == []


def test_an_error_in_a_step_arrives(engine: Engine):
    with pytest.raises(InputError, match="part 7"):
        list(engine.map(refuse, [7]))


def test_a_dead_process_can_be_tried_again():
    with pytest.raises(TransientError):
        list(PoolEngine(1).map(die, [1]))
    with pytest.raises(SettingsError):
        PoolEngine(0)
