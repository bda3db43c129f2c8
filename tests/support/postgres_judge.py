"""What tests of PostgreSQL judge by: what clients of its servers recorded (tests/e2e/postgres/observer); of other services
`why_two`, with each answer as `writable`.

    postgres_judge.py --self-test    two servers that are writable at once are found, and a handover is none
"""

import sys

from verdict import Failed, check

MS = 1_000_000
# A server takes longer than this to be stopped or demoted, promoted elsewhere and promoted again here.
TOGETHER_NS = 1000 * MS


def site_of(event):
    return event["label"].split("-")[-1]


def why_two(event, site, latest, before):
    """Why this answer `writable` shows two servers that were so at once; None: it does not."""
    others = [writable for other, writable in latest.items() if other != site]
    until = max((writable["received"] for writable in others), default=None)
    if until is not None and event["sent"] <= until:
        return f"{site} at {event['sent']}, another until {until}"
    mine = before.get(site)
    if mine is None or not mine["writable"] or event["sent"] - mine["received"] >= TOGETHER_NS:
        return None
    between = [writable["sent"] for writable in others if writable["sent"] > mine["sent"]]
    return f"{site} at {mine['sent']} and at {event['sent']}, another at {between[0]}" if between else None


def check_never_two(samples, sites, is_moved=True):
    """I1: each answer `writable` was true at some instant between asking and hearing it; those of two servers must
    not overlap or interleave: who was writable, and a moment later still is, was so in between. `is_moved`: at least
    two servers must have been writable."""
    claim, nearest = "never two servers are writable (I1)", None
    before, latest, last = {}, {}, None  # the newest answer of each, the newest `writable` of each, whose was the last
    for event in sorted(samples, key=lambda event: event["sent"]):
        site = site_of(event)
        assert site in sites, event
        if event["writable"]:
            why = why_two(event, site, latest, before)
            if why is not None:
                check(claim, False, why)
            if last not in (None, site):
                gap = event["sent"] - latest[last]["received"]
                nearest = gap if nearest is None else min(nearest, gap)
            latest[site], last = event, site
        before[site] = event
    check(claim, bool(latest) if not is_moved else nearest is not None,
          f"{len(samples)} answers; nearest {'-' if nearest is None else nearest // MS} ms apart")


def rows_of(text):
    """The rows of `SELECT label || ' ' || number`; None where nobody answered."""
    return None if text is None else set(text.splitlines())


def by_row(writes):
    return {f"{event['label']} {event['row']}": event for event in writes}


# ---- that it can fail -----------------------------------------------------------------------------------------

def asked(site, at_ms, until_ms, writable, step_ms=20, took_ms=1):
    """The answers of a server that is asked again and again, as the observer does."""
    return [{"label": f"server-{site}", "sent": at * MS, "received": (at + took_ms) * MS, "writable": writable}
            for at in range(at_ms, until_ms, step_ms)]


def is_fine(samples, **options):
    try:
        check_never_two(samples, ("a", "b", "c"), **options)
    except Failed:
        return False
    return True


def self_test():
    first = asked("a", 0, 1000, True)
    standby = asked("b", 7, 1000, False)
    # Handovers: at once, to and fro, with a standby's answers in between or none at all; and no move.
    assert is_fine(first + standby + asked("a", 1000, 2000, False) + asked("b", 1007, 2000, True))
    assert is_fine(first + asked("b", 1007, 1500, True) + asked("a", 1300, 1500, False) + asked("a", 1510, 2000, True))
    assert is_fine(first + asked("b", 1007, 1900, True) + asked("a", 2100, 3000, True))
    assert is_fine(first + standby, is_moved=False)
    # Nothing was shown.
    assert not is_fine([], is_moved=False) and not is_fine(standby, is_moved=False) and not is_fine(first + standby)
    # Both at once: answers that overlap; that alternate, for 50 ms and for long, seen from either end.
    assert not is_fine(asked("a", 0, 1000, True, took_ms=15) + asked("b", 990, 2000, True))
    assert not is_fine(first + standby + asked("b", 1007, 2000, True) + asked("a", 1010, 2000, True))
    assert not is_fine(first + asked("b", 957, 2000, True))
    assert not is_fine(asked("a", 0, 10000, True) + asked("b", 7, 10000, True))
    assert not is_fine(asked("b", 0, 2000, True) + asked("c", 1007, 1057, True))
    # What the other said last does not hide what it said before.
    assert not is_fine(first + asked("b", 967, 968, True) + asked("b", 974, 975, False))
    print("self-test: two that are writable at once are found")


if __name__ == "__main__":
    if sys.argv[1:] != ["--self-test"]:
        sys.exit(__doc__)
    self_test()
