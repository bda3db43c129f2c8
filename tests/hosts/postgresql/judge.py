"""What both tests beside it judge by: what clients of the servers recorded (tests/e2e/postgres/observer)."""

from verdict import check

MS = 1_000_000


def site_of(event):
    return event["label"].split("-")[-1]


def check_never_two(samples, sites):
    """I1: each answer `writable` was true at some instant between asking and hearing it; those of two servers must
    not overlap or interleave."""
    latest, last, nearest = dict.fromkeys(sites, 0), None, None
    for event in samples:
        if not event["writable"]:
            continue
        site = site_of(event)
        others = max(latest[other] for other in sites if other != site)
        if event["sent"] <= others:
            check("never two servers are writable (I1)", False, f"{site} at {event['sent']}, another until {others}")
        if last not in (None, site):
            nearest = min(nearest or 1 << 62, event["sent"] - others)
        latest[site], last = max(latest[site], event["received"]), site
    check("never two servers are writable (I1)", nearest is not None, f"nearest {(nearest or 0) // MS} ms apart")


def rows_of(text):
    """The rows of `SELECT label || ' ' || number`; None where nobody answered."""
    return None if text is None else set(text.splitlines())


def by_row(writes):
    return {f"{event['label']} {event['row']}": event for event in writes}
