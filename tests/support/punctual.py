"""Real-time priority for what keeps instants."""

import contextlib
import os


def be_punctual():
    """This process, and all that it starts, before all else that this machine does (a script that a guard or an
    agent starts is ordinary again). Where that is refused, the best that is allowed."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -20)
