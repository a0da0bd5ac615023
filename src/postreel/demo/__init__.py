"""The demo: film facts, and simulated members whose players emit real playback events.

Nobody in here is a person: addresses lie on `example.invalid`, no names are invented, and a sandbox home is
the only place where any of it may be loaded. What is planted (tastes, rhythms, fashions) is described in
`docs/explanation/simulation.md`; the model sees none of it, only the events.

Public: `film_catalogue`, `simulated_members`, `SimulatedMember`, `member_rows`, `consents`, `consents_csv`,
`Answer`, `event_batches`.
"""

from postreel.demo.answers import Answer, consents, consents_csv
from postreel.demo.films import film_catalogue
from postreel.demo.members import SimulatedMember, member_rows, simulated_members
from postreel.demo.players import event_batches

__all__ = [
    "Answer",
    "SimulatedMember",
    "consents",
    "consents_csv",
    "event_batches",
    "film_catalogue",
    "member_rows",
    "simulated_members",
]
