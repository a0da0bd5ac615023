"""The door `tune`: settings chosen on the service's own past are remembered, and are what `train` learns with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from rooms_of_members import ALL_BUT_DEVICES, LONG_AGO, a_house

from postreel.errors import InputError
from postreel.recommend import RecommendSettings


def test_what_tune_chooses_is_what_the_next_model_is_learned_with(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    assert house.gate.chosen_settings() == (RecommendSettings(), False)
    with pytest.raises(InputError):
        house.gate.tune(10.0)
    assert house.gate.chosen_settings()[1] is False
    for n in range(8):
        member = house.member(f"m{n}", *ALL_BUT_DEVICES)
        for start in range(0, 12, 4):
            films = [(n + i) % 12 for i in range(start, start + 4)]
            house.offer(member, films, at=LONG_AGO + timedelta(days=1 + start * 2 + n / 10))
    house.watch(house.member("last", *ALL_BUT_DEVICES), [1])
    steps: list[int] = []
    tuned = house.gate.tune(60.0, lambda: steps.append(1))
    assert steps
    assert tuned.tests > 0
    assert house.gate.chosen_settings() == (tuned.settings, True)
    learned = house.gate.learn(house.gate.chosen_settings()[0])
    assert learned.model.settings == tuned.settings
    told = house.gate.evaluated("per-member", [], is_tuned=False)
    assert told["settings_from"] == "postreel tune"
    assert told["population"]["members"] == 9
