#!/usr/bin/env python3
"""Did two sites ever serve at once? Recomputed from the services' own records, by other means than
src/lab/judge.c: integers, sets of intervals, no shared code.

    recompute_overlap.py RECORDS_DIR [OVERLAP_MS]     prints the overlap in ms; with OVERLAP_MS it
                                                      must be that, to the microsecond
    recompute_overlap.py --self-test                  planted overlaps must be found

Each file *.beats is one process: lines `SITE EPOCH CLOCK_BOOTTIME_ns`. A beat counts until the next
one of its process, at most 10 ms; the last one 2 ms. A last line without newline was cut by a kill.
"""

import pathlib
import sys
import tempfile

BEAT_MAX_NS = 10_000_000
LAST_BEAT_NS = 2_000_000


def read_process(path):
    """(site, [instants])"""
    text = path.read_text(encoding="ascii")
    lines = text.split("\n")[:-1]
    beats = [line.split(" ") for line in lines]
    sites = {site for site, _, _ in beats}
    assert len(sites) <= 1, f"{path}: beats of {sites}"
    instants = [int(boot_ns) for _, _, boot_ns in beats]
    assert instants == sorted(instants), f"{path}: goes back in time"
    return (sites.pop() if sites else None), instants


def intervals(instants):
    ends = [min(following, at + BEAT_MAX_NS) for at, following in zip(instants, instants[1:])]
    return list(zip(instants, ends + [at + LAST_BEAT_NS for at in instants[-1:]]))


def merge(spans):
    merged = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return merged


def intersect(left, right):
    total = 0
    j = 0
    for begin, end in left:
        while j < len(right) and right[j][1] <= begin:
            j += 1
        k = j
        while k < len(right) and right[k][0] < end:
            total += min(end, right[k][1]) - max(begin, right[k][0])
            k += 1
    return total


def overlap_us(folder):
    by_site = {}
    files = sorted(pathlib.Path(folder).glob("**/*.beats"))
    for path in files:
        site, instants = read_process(path)
        if site:
            by_site.setdefault(site, []).extend(intervals(instants))
    sites = [merge(spans) for _, spans in sorted(by_site.items())]
    assert len(sites) <= 2, "pairs would be counted twice"
    nanoseconds = intersect(*sites) if len(sites) == 2 else 0
    return -(-nanoseconds // 1000), len(files), sorted(by_site)


def self_test():
    alpha = [f"alpha 1 {1_000_000_000 + 2_000_000 * i}\n" for i in range(500)]
    cases = [(["beta 2 1500000000\n"], 2000), (["beta 2 2000000000\n"], 0),
             (["beta 2 1999999999\n"], 1), (["beta 2 1500000000\n", "beta 2 15000"], 2000),
             ([], 0)]
    for beta, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "a.beats").write_text("".join(alpha))
            (pathlib.Path(folder) / "b.beats").write_text("".join(beta))
            found = overlap_us(folder)[0]
            assert found == expected, f"{beta}: found {found} us, expected {expected}"
    print("self-test: planted overlaps are found")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    found, files, sites = overlap_us(sys.argv[1])
    print(f"{found / 1000:.3f} ms of overlap in {files} records of {', '.join(sites)}")
    if len(sys.argv) > 2 and round(float(sys.argv[2]) * 1000) != found:
        print(f"but {sys.argv[2]} ms was reported", file=sys.stderr)
        return 1
    return 0 if files > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
