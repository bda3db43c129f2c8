"""Do the numbers that people are shown agree with what the services wrote down? Records and screens meet on
the clock that all machines share here."""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from patience import wait_at_most  # noqa: E402
from verdict import now_ns  # noqa: E402

S = 1_000_000_000
NEAR_NS = 50_000_000   # wall clocks are read in whole ms, and beside the other one
SLOW_NS = 3 * S        # what a slow machine may take from an instant to its place in an answer
REST_S = 30            # an election, at most
UNTOLD = ("start_failed",)  # an epoch whose service may never have beaten


class Numbers:
    """What the screens said, with the instant at which they did."""

    def __init__(self, lab):
        self.lab = lab
        self.seen = []  # (instant before it was asked for, instant at which it was there, what was shown)
        self.spoken_ns = None  # when a person first said something new, which voids what was foretold
        self.near_ns = NEAR_NS
        self.is_unseen = False  # nobody sees when the service ends

    def add(self, text, begun_ns):
        self.seen.append((begun_ns, now_ns(), text))

    def on_spoken(self):
        self.spoken_ns = self.spoken_ns or now_ns()

    def disagreements(self):
        """In words, one a line; "": all agree."""
        entries = wait_at_most(REST_S, self.lab.history)
        self.near_ns = NEAR_NS + self.lab.wall_moved_ns()
        wrong = [] if entries else ["no history is told"]
        for entry in entries:
            wrong += self.of_epoch(entry)
        for begun_ns, at_ns, text in self.seen:
            wrong += [*self.of_silence(begun_ns, at_ns, text),
                      *self.of_next(begun_ns, at_ns, text, entries), *self.of_lease(text)]
        return "".join(f"{line}\n" for line in wrong)

    def of_epoch(self, entry):
        """Its service served after it was granted and not after its end, where history says it did; and
        not longer than a lease after the renewal that history calls the last."""
        granted_ns = self.lab.boot_ns(entry["time"])
        ended = entry["ended"] and self.lab.boot_ns(entry["ended"]["time"])
        for site, epoch, first_ns, last_ns in self.lab.beats():
            if epoch != entry["epoch"]:
                continue
            if site != entry["site"]:
                yield f"epoch {epoch}: {site} served, history says {entry['site']}"
            if first_ns < granted_ns - self.near_ns:
                yield f"epoch {epoch}: served {(granted_ns - first_ns) / S:.3f} s before its grant"
            if ended is not None and last_ns > ended + self.near_ns:
                yield f"epoch {epoch}: served {(last_ns - ended) / S:.3f} s after its end"
        yield from self.of_gap(entry, granted_ns)
        yield from self.of_outage(entry)
        yield from self.of_restarts(entry)

    def of_outage(self, entry):
        """Nobody served for as long as it says; and that is no longer than since the last renewal, or since the
        stop of a move was ordered, but for a look: a holder whose agent stands serves on unseen, and nobody looks
        beside a stop."""
        moments = {each["phase"]: each["at_ms"] for each in entry["timeline"]}
        first_ns = [beat[2] for beat in self.lab.beats() if beat[1] == entry["epoch"]]
        last_ns = [beat[3] for beat in self.lab.beats() if beat[1] == entry["epoch"] - 1]
        if entry["outage_ms"] is None or not first_ns or not last_ns or "verified" not in moments:
            return
        truly_s = (min(first_ns) - max(last_ns)) / S
        begun = min((moments[each] for each in ("told_to_stop", "last_renewal") if each in moments),
                    default=moments["verified"])
        most_s = (moments["verified"] - begun) / 1000 + SLOW_NS / S
        most_s = max(most_s, truly_s + SLOW_NS / S)  # of a renewal before the quorum was lost nobody knows
        if self.is_unseen:  # it is counted from when it was seen to serve last, and nobody saw when it ended
            most_s = entry["outage_ms"] / 1000
        if entry["outage_least_ms"] is not None and entry["outage_least_ms"] / 1000 > truly_s + self.near_ns / S:
            yield f"epoch {entry['epoch']}: at least {entry['outage_least_ms'] / 1000} s without service by the record, " \
                  f"{truly_s:.3f} s by the services"
        if "last_served" not in moments or moments["verified"] - moments["last_served"] != entry["outage_ms"]:
            yield f"epoch {entry['epoch']}: the time line is not as long as the outage: {moments}"
        if not truly_s - 0.5 <= entry["outage_ms"] / 1000 <= most_s:
            yield f"epoch {entry['epoch']}: {entry['outage_ms'] / 1000} s without service by the record, " \
                  f"{truly_s:.3f} s by the services"

    def of_restarts(self, entry):
        """Each start at its site beyond the first is another process, but for one that the story began by
        hand; the last one began before the record has it."""
        begun_ns = sorted(beat[2] for beat in self.lab.beats() if beat[1] == entry["epoch"])
        truly = max(len(begun_ns) - 1 - self.lab.by_hand.count(entry["epoch"]), 0)
        noted = entry["restarts"] or {"count": 0}
        if noted["count"] != truly:
            yield f"epoch {entry['epoch']}: started again {noted['count']} times by the record, {truly} by the services"
        elif truly and not -self.near_ns <= self.lab.boot_ns(noted["last"]) - begun_ns[-1] <= SLOW_NS:
            yield f"epoch {entry['epoch']}: last started again at {noted['last']}, which is not so"

    def of_gap(self, entry, granted_ns):
        moments = {each["phase"]: each["at_ms"] for each in entry["timeline"]}
        before = [beat for beat in self.lab.beats() if beat[1] == entry["epoch"] - 1]
        if "last_renewal" not in moments or not before or entry["reason"] != "site_lost":
            return
        renewed_ns = granted_ns - (moments["grant"] - moments["last_renewal"]) * 1_000_000
        last_ns = max(beat[3] for beat in before)
        if not renewed_ns - SLOW_NS <= last_ns:
            yield f"epoch {entry['epoch']}: the service before it ended " \
                  f"{(renewed_ns - last_ns) / S:.3f} s before its last renewal, as history has it"
        if last_ns > granted_ns + self.near_ns:
            yield f"epoch {entry['epoch']}: granted while the one before it served"

    def of_silence(self, begun_ns, at_ns, text):
        """Since when a site is silent."""
        for site, seconds in re.findall(r"! (\S+): not connected, last report (\d+) s ago", text):
            lost_ns = self.lab.lost_ns.get(self.lab.sites[site])
            if lost_ns is None or not (begun_ns - lost_ns - SLOW_NS) / S <= int(seconds) <= \
                    (at_ns - lost_ns + SLOW_NS) / S:
                truly = f"for {(at_ns - lost_ns) / S} s" if lost_ns else "not at all"
                yield f"{site} is said to be silent for {seconds} s, and is {truly}"

    def of_next(self, begun_ns, at_ns, text, entries):
        """What was foretold with its instant happened then."""
        for what, seconds in re.findall(r"^Next: \S+ (lease expires|becomes primary) in (\d+\.\d+) s", text,
                                        re.MULTILINE):
            is_grant = what == "becomes primary"
            stated_ns = [each_ns + float(seconds) * S for each_ns in (begun_ns, at_ns)]
            when = [self.lab.boot_ns(entry["time"] if is_grant else entry["ended"]["time"])
                    for entry in entries if is_grant or entry["ended"]]
            if self.spoken_ns and begun_ns < self.spoken_ns < stated_ns[1]:
                continue
            if not any(stated_ns[0] - SLOW_NS < each_ns < stated_ns[1] + SLOW_NS for each_ns in when):
                yield f"`{what} in {seconds} s` was not so"

    def of_lease(self, text):
        for seconds in re.findall(r"(\d+\.\d) s left", text):
            if float(seconds) > self.lab.ttl_s:
                yield f"a lease of {seconds} s is longer than it can be"
