"""Habits: from playback events to sessions, tastes and one member's profile. Pure; purpose History.

Public: `sessions_of` (sittings) and `tastes_of` (what they say of each title), both over whole batches of members,
and `habits_of` (one member, as people read it; `profile_of` is the same from events alone). All fit `Permitted.map`.
Every rule is defined in docs/reference/habits.md.
"""

from postreel.habits.profile import Habits, habits_of, profile_of
from postreel.habits.sessions import sessions_of
from postreel.habits.tastes import rating_weight, tastes_of, viewing_weight

__all__ = [
    "Habits",
    "habits_of",
    "profile_of",
    "rating_weight",
    "sessions_of",
    "tastes_of",
    "viewing_weight",
]
