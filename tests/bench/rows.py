"""A row of the table: what was measured, and what it is judged by."""

import os
import statistics


def row(what, unit, values, target=None, judges="median"):
    """`judges` is min, median or max: which of the three the target is for."""
    values = sorted(values)
    figures = {"min": values[0], "median": statistics.median(values), "max": values[-1]}
    return {"what": f"{what}, {unit}", "unit": unit, "n": len(values), **figures, "values": values,
            "target": target, "judges": judges, "judged": figures[judges],
            "load": os.getloadavg()[0], "note": ""}


def absent(what, note):
    return {"what": what, "n": 0, "note": note, "target": None}
