"""How long a takeover took beyond what it waits for: the scripts, by the guards' logs, and the lease, by its spec."""

import datetime
import time

from verdict import check

OWN_PART_S = 2  # that a takeover may take of breakwater's own


def line_of(text):
    return dict(word.split("=", 1) for word in text.split(" ") if "=" in word)


def boot_ms(timestamp):
    """A log line's time of day as CLOCK_BOOTTIME: both are of this machine."""
    instant = datetime.datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()
    offset = time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_BOOTTIME)
    return (instant - offset) * 1000


def script_spans(log):
    """[(action, begin, end)] of all scripts that a guard has run; end is None for one that it did
    not see end."""
    open_runs, spans = {}, []
    for text in log.read_text(encoding="utf-8").splitlines():
        line = line_of(text)
        if line.get("event") == "run.begun":
            open_runs[line["action"], line["run"]] = boot_ms(line["ts"])
        elif line.get("event") == "run.ended":
            begin = open_runs.pop((line["action"], line["run"]), None)
            if begin is not None:
                spans.append((line["action"], begin, boot_ms(line["ts"])))
    return spans + [(action, begin, None) for (action, _), begin in open_runs.items()]


def covered_ms(spans, begin, end):
    """How much of [begin, end) lies in one of the spans."""
    cut = sorted((max(first, begin), end if last is None else min(last, end))
                 for _, first, last in spans)
    total, reached = 0.0, begin
    for first, last in cut:
        total += max(0.0, last - max(first, reached))
        reached = max(reached, last)
    return total


def own_part_s(epoch, lease_wait_ms, old_log, new_log):
    """Prints and returns it. `epoch`: that of `breakwater report -o json`. A guard runs one script at a time, so what runs at the site whose turn
    it is, is waited for: at the old one until the epoch before has ended, at the new one from then on; of a loss at the new
    one from the end of the wait for the lease (3.3) on."""
    moments = [(entry["phase"], entry["at_ms"]) for entry in epoch["timeline"] if entry["phase"] != "last_served"]
    moments = [(phase, ms - moments[0][1]) for phase, ms in moments]  # since the last renewal, or the order to stop
    at = dict(moments)
    origin = boot_ms(epoch["time"]) - at["grant"]
    waited_ms, turn = (0, at["ended"]) if epoch["planned"] else (lease_wait_ms, lease_wait_ms)
    old = script_spans(old_log) if epoch["planned"] else []
    new, own, scripts = script_spans(new_log), {}, 0

    for (_, begin), (phase, end) in zip(moments, moments[1:]):
        begin = max(begin, waited_ms)
        if end <= begin:
            continue
        middle = min(max(turn, begin), end)
        covered = covered_ms(old, origin + begin, origin + middle) + covered_ms(new, origin + middle, origin + end)
        own[phase], scripts = (end - begin - covered) / 1000, scripts + covered / 1000
    total = sum(own.values())
    print(f"  breakwater's own part: {total:.2f} s of {moments[-1][1] / 1000:.1f}; scripts {scripts:.1f}, the wait for the lease "
          f"{waited_ms / 1000:.1f}; until " + ", ".join(f"{phase} {took:.2f}" for phase, took in own.items()), flush=True)
    return total


def check_own_part(found):
    """Of losses. A busy machine only adds to it, so the least of several is what is breakwater's."""
    check("breakwater's own part is under two seconds beyond the wait for the lease", min(found) < OWN_PART_S,
          f"{' '.join(f'{each:.2f}' for each in found)} s")


def lease_wait_ms(ttl_ms, margin_ms):
    """3.3, with the default drift."""
    return ttl_ms * 1.002 + margin_ms
