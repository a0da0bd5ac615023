"""`make bench`: each figure beside a ceiling or a baseline that is measured in the same run.

    python -m bench [NAME …]     all, or some of: events scoring mails consent ledger

Prints a table and writes it as JSON under bench/results/. Read the ratios: the absolute rates are this machine's.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import consent, events, ledger, mails, scoring
from bench.measuring import Figure

BENCHES = {
    "events": events.run,
    "scoring": scoring.run,
    "mails": mails.run,
    "consent": consent.run,
    "ledger": ledger.run,
}


def main() -> int:
    """Run the benches that were named, or all."""
    console = Console(soft_wrap=True)
    names = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        console.print(f"no bench is called {unknown[0]}; there are {', '.join(BENCHES)}")
        return 2
    figures: list[Figure] = []
    for name in names:
        console.print(f"{name} …", style="dim")
        figures += BENCHES[name]()
    table = Table(box=None, pad_edge=False)
    for column, justify in (
        ("what", "left"),
        ("figure", "right"),
        ("beside", "left"),
        ("it", "right"),
        ("ratio", "right"),
    ):
        table.add_column(column, justify=justify)
    for figure in figures:
        table.add_row(*figure.cells())
    console.print(table)
    path = Path(__file__).with_name("results") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()}
    path.write_text(
        json.dumps({"machine": machine, "figures": [f.facts() for f in figures]}, indent=1) + "\n"
    )
    console.print(f"written to {path.relative_to(Path.cwd())}")
    return 0


sys.exit(main())
