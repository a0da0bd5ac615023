"""What goes on behind an answer: jobs of a withdrawal, mails that were asked for. A fault is logged by its kind."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec

from starlette.background import BackgroundTask

from postreel.errors import PostreelError

P = ParamSpec("P")
log = logging.getLogger("postreel.web")


def behind(job: Callable[P, object], *args: P.args, **named: P.kwargs) -> BackgroundTask:
    """A job for after the answer. It is durable or may fail; either way the answer stands."""

    def run() -> None:
        try:
            job(*args, **named)
        except PostreelError as fault:
            # The message may be about one member; its kind is enough to look further.
            log.warning("a job behind an answer failed: %s", type(fault).__name__)

    return BackgroundTask(run)
