"""What the benches share: a figure beside its ceiling or baseline, and a home with simulated members."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from postreel.app import App, opened
from postreel.demo import SimulatedMember, film_catalogue, member_rows, simulated_members
from postreel.settings import Settings, checked_settings

SEED = 7
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        what: what was measured, with its unit.
        value: the figure.
        beside: the ceiling or baseline, measured in the same run.
        other: its figure, in the same unit.
    """

    what: str
    value: float
    beside: str
    other: float

    @property
    def ratio(self) -> float:
        """The figure over what it stands beside."""
        return self.value / self.other

    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        return self.what, _short(self.value), self.beside, _short(self.other), f"{self.ratio:.2f}"

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "ratio": self.ratio}


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def best_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The least wall time of a few runs: the machine's other work only ever adds to it."""
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


@contextmanager
def a_sandbox() -> Generator[App, None, None]:
    """An opened sandbox home that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        settings: Settings = checked_settings(
            home=Path(folder),
            sandbox=True,
            sender_address="picks@postreel.example",
            sender_name="Bench",
            postal_address="1 Example Street",
            base_url="https://postreel.example",
            watch_url="https://postreel.example/watch/{title_id}",
        )
        yield opened(settings, "bench")


@contextmanager
def a_service(count: int) -> Generator[tuple[App, list[SimulatedMember], list[bytes]], None, None]:
    """A sandbox with films and so many simulated members, registered; gives their ids as well."""
    with a_sandbox() as app:
        people = simulated_members(count, SEED)
        app.gate.put_titles(film_catalogue(NOW))
        registered = app.gate.register(member_rows(people))
        yield app, people, [member for member in registered.ids if member is not None]


EARLIER = NOW - timedelta(days=90)
