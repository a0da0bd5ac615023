"""The child of test_removal_kills.py: does one thing to one member, and kills itself at a chosen step of its ports.

Words: the home, what to do, the member's id in hexadecimal, and the step (0: live to the end and tell how many).
"""

import os
import signal
import sys
from pathlib import Path

from homes import opened_home
from interrupted import InterruptedPort, InterruptedRecords, Interruption

from postreel.errors import ConsentError
from postreel.flows.refresh import refresh_habits
from postreel.recommend import RecommendSettings
from postreel.settings import read_settings

SETTINGS = RecommendSettings(pair_floor=2)


def kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    folder, what, member, step = sys.argv[1:]
    around = Interruption()
    home = opened_home(
        read_settings(Path(folder)),
        around_records=lambda it: InterruptedRecords(it, around),
        around_events=lambda it: InterruptedPort(it, around),
        around_models=lambda it: InterruptedPort(it, around),
        around_heads=lambda it: InterruptedPort(it, around),
    )
    around.arm(int(step) or None, kill_myself)
    try:
        do(home.gate, what, bytes.fromhex(member))
    except ConsentError:
        sys.stderr.write("gone\n")
    sys.stdout.write(f"{around.count}\n")


def do(gate, what, member) -> None:
    if what == "jobs":
        gate.run_jobs()
    elif what == "erase":
        gate.rights(member).erase()
    elif what == "train":
        # Answered, but the job is left: the model is built anew in between.
        gate.rights(member).refuse(["training"], "test")
        refresh_habits(gate)
        gate.learn(SETTINGS)
        gate.run_jobs()
    else:
        gate.rights(member).refuse([what], "test")
        gate.rights(member).finish()
