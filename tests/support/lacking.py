"""A test that cannot be shown here: one answer, whatever is missing; in C skip_lacking of lacking.h."""

import sys

SKIPPED = 77


def skip_lacking(need, why=""):
    """`need`: names of tests/hygiene/may_skip ("root", "root or tun"), by which tests/run judges whether
    the machine lacks it; `why`: what was seen."""
    print(f"skipped: this machine lacks {need}" + (f" ({why})" if why else ""), flush=True)
    sys.exit(SKIPPED)
