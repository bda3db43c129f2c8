"""The shortest lease, 500 ms: how long nobody serves once a site is lost, and whether a lease is lost while nothing happens."""

import time

import idle
import moves
import scale
from rows import row

SETTINGS = {
    "shortest lease": "lease_ttl 500 ms, fence_window 100 ms, renew_interval 30 ms, request_timeout 50 ms, lease_margin 20 ms, "
                      "election_timeout 50 ms, check_interval 150 ms; at rest with check_interval 10 s",
}
GAP_MS_MAX = 550


class Short(idle.Bench):
    def __init__(self, program, folder):
        super().__init__(program, folder)
        self.of_witness = {"election_timeout": "50ms"}
        self.of_group.update(lease_ttl="500ms", fence_window="100ms", renew_interval="30ms", request_timeout="50ms", lease_margin="20ms")

    def group_of(self, site, name):
        return {**super().group_of(site, name), "fence_timeout": "60ms", "kill_grace": "10ms"}


def measure_rest(program, folder, seconds):
    cluster = Short(program, folder / "short-rest")
    try:
        cluster.set_up()
        cluster.start()
        time.sleep(idle.SETTLE_S) # not a condition: what is measured is a stretch of quiet time
        before = cluster.logged(scale.LOST_LEASE)
        time.sleep(seconds)
        return [row(f"lease of 500 ms: leases lost in {seconds:.0f} s at rest", "leases", [cluster.logged(scale.LOST_LEASE) - before], 0)]
    finally:
        cluster.end()


def measure(program, folder, runs, seconds):
    work = folder / "short"
    work.mkdir()
    reports, _ = moves.run_dev(program, work, "kill-site", runs, lease="500ms")
    rows = [row("lease of 500 ms: overlap of services", "ms", moves.overlaps_ms(work, "kill-site", runs), 0, "max")]
    gaps = [run["outage_ms"] for run in reports if run["ok"]]
    assert gaps, "no run ended as it must"
    rows.append(row("lease of 500 ms: kill-site, service gap", "ms", gaps, GAP_MS_MAX))
    return rows + measure_rest(program, folder, seconds)
