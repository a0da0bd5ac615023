"""`Permitted` gives nothing out but through a named ground-floor function or the seal it was made with."""

from __future__ import annotations

import numpy as np
import pytest

from postreel.consent import Permitted, Seal, Warrant
from postreel.errors import ConsentError
from postreel.purposes import BIT, History, MailPicks, Purpose
from postreel.schema import Plays, Sessions, id_array, unique_ids

ANN, BOB, EVE = (bytes([n]) * 16 for n in (1, 2, 3))
SEAL = Seal()


def plays_of(*members: bytes) -> Plays:
    ids = id_array(members)
    return Plays.of(member=ids, title_id=[f"title {i}" for i in range(len(ids))])


def warrant_for(*members: bytes, purpose: type[Purpose] = History) -> Warrant:
    ids = unique_ids(id_array(members))
    return Warrant(purpose, 7, ids, np.full(len(ids), BIT[purpose.key], np.int64))


def permitted(*members: bytes) -> Permitted[Plays, History]:
    return Permitted(SEAL, plays_of(*members), warrant_for(*members))


def as_ground_floor(step):
    """The function, as though a ground-floor room had defined it at its top."""
    step.__module__ = "postreel.habits.sample"
    step.__qualname__ = step.__name__
    return step


@as_ground_floor
def sessions_with(plays: Plays, source: str) -> Sessions:
    return Sessions.of(member=plays.members, source=[source] * len(plays))


@as_ground_floor
def sessions_of_eve(plays: Plays) -> Sessions:
    return Sessions.of(member=id_array([EVE] * len(plays)))


@as_ground_floor
def row_count(plays: Plays) -> int:
    return len(plays)


def test_a_named_ground_floor_function_is_mapped_under_the_same_warrant():
    plays = permitted(ANN, ANN, BOB)
    sessions = plays.map(sessions_with, source="a")
    assert sessions.warrant is plays.warrant
    assert sessions.unseal(SEAL).column("source").tolist() == ["a", "a", "a"]


def test_a_lambda_is_refused():
    with pytest.raises(ConsentError, match="only a named function"):
        permitted(ANN).map(lambda plays: plays)


def test_a_lambda_written_in_a_ground_floor_room_is_refused():
    step = lambda plays: plays  # noqa: E731 - the point of this test
    step.__module__ = "postreel.habits.sample"
    with pytest.raises(ConsentError, match="only a named function"):
        permitted(ANN).map(step)


def test_a_local_function_is_refused():
    def step(plays: Plays) -> Plays:
        return plays

    step.__module__ = "postreel.habits.sample"
    with pytest.raises(ConsentError, match="only a named function"):
        permitted(ANN).map(step)


@pytest.mark.parametrize(
    "module",
    ["postreel.flows.refresh", "postreel.web.pages", "postreel.backends.events", "builtins", "habits"],
)
def test_a_function_of_another_room_is_refused(module: str):
    def step(plays: Plays) -> Plays:
        return plays

    step.__qualname__, step.__module__ = "step", module
    with pytest.raises(ConsentError, match=f"not {module}.step"):
        permitted(ANN).map(step)


@pytest.mark.parametrize("step", [list.append, print, [].append, str.upper])
def test_a_builtin_or_bound_method_is_refused(step):
    with pytest.raises(ConsentError, match="only a named function"):
        permitted(ANN).map(step)


def test_a_refused_step_is_not_run():
    seen: list[Plays] = []
    with pytest.raises(ConsentError):
        permitted(ANN).map(lambda plays: seen.append(plays))
    assert seen == []


def test_another_gates_seal_opens_nothing():
    with pytest.raises(ConsentError, match="sealed by another gate"):
        permitted(ANN).unseal(Seal())


def test_rows_of_a_member_outside_the_warrant_cannot_be_wrapped():
    with pytest.raises(ConsentError, match=r"2 rows of members without a live 'history' basis"):
        Permitted(SEAL, plays_of(ANN, EVE, EVE), warrant_for(ANN, BOB))


def test_nothing_can_be_wrapped_under_a_warrant_for_nobody():
    with pytest.raises(ConsentError, match="1 rows"):
        Permitted(SEAL, plays_of(ANN), warrant_for())


def test_a_step_that_returns_another_member_is_caught_after_it_ran():
    with pytest.raises(ConsentError, match="2 rows"):
        permitted(ANN, BOB).map(sessions_of_eve)


def test_what_is_no_table_stays_wrapped_too():
    count = permitted(ANN, BOB).map(row_count)
    assert isinstance(count, Permitted)
    assert count.unseal(SEAL) == 2


def test_narrowing_keeps_order_and_warrant():
    plays = permitted(ANN, BOB, ANN)
    kept = plays.where(np.array([True, False, True]))
    assert kept.warrant is plays.warrant
    assert kept.unseal(SEAL).column("title_id").tolist() == ["title 0", "title 2"]
    assert len(kept) == 2


def test_what_has_no_rows_cannot_be_narrowed():
    with pytest.raises(ConsentError, match="cannot be narrowed"):
        permitted(ANN).map(row_count).where(np.array([True]))


def test_what_is_printed_of_it_names_nobody_and_nothing_watched():
    text = repr(permitted(ANN))
    assert text == "Permitted(Plays, history, at 7)"


def test_it_holds_no_attribute_but_its_warrant():
    with pytest.raises(AttributeError):
        permitted(ANN).rows  # noqa: B018
    with pytest.raises(AttributeError):
        permitted(ANN).anything = 1


def test_the_purposes_each_row_used_come_back_in_the_rows_order():
    ids = unique_ids(id_array([ANN, BOB]))
    warrant = Warrant(MailPicks, 1, ids, np.array([16, 20], np.int64))
    assert warrant.used_by(id_array([BOB, ANN, BOB])).tolist() == [20, 16, 20]
    assert warrant.used_by(id_array([])).tolist() == []
    with pytest.raises(ConsentError, match="outside the warrant"):
        warrant.used_by(id_array([EVE]))
