#!/usr/bin/env python3
"""Waits, and claims about time, on a machine that may be slow; patience.sh is the same for shell.

A bound is that of an idle machine. When the bound has passed, the wait measures how many times slower the machine
is now than an idle one, and goes on for that many times the bound, at most 8 times. A wait that is over raises
Late: the program then exits with 75 if it has no other failure. A bound that breakwater promises is never
scaled: claim_in_time repeats such a claim if the machine stalled for longer than the claim allows.

    patience.py --slowness    prints how many times slower this machine is now than an idle one
    patience.py --stalls CPU  prints a line; at the end of its input, the longest stall of that core in ns
    patience.py --self-test   each rule is shown, and seen to fail without its protection
"""

import io
import os
import pathlib
import re
import select
import subprocess
import sys
import tempfile
import time
import types

from verdict import Failed, attempt, check

LATE = 75  # EX_TEMPFAIL
SLOWNESS_MAX = 8
MEASUREMENTS = 8  # in the length of the bound, at most
IDLE_S = 0.022  # work() took this at least on an idle machine with two cores of 2.6 GHz
TRIES = 3
NAP_MS = 2  # of the stall probe
PAUSE_S = 0.2  # most conditions run a program


class Late(Failed):
    """A wait is over. This is a failure of the machine, or of what was waited for."""

    status = LATE


def exit_status(failures):
    """0 without a failure, 75 if each failure is Late, else 1."""
    return max((failure.status if isinstance(failure, Failed) else 1 for failure in failures), default=0,
               key=lambda status: status == 1)


def exit_by_status(kind, value, trace, print_it=sys.excepthook):
    """An uncaught Late ends the program with 75, after `finally` and with `atexit`."""
    print_it(kind, value, trace)
    if issubclass(kind, Late):
        raise SystemExit(LATE)


sys.excepthook = exit_by_status

# ---- the machine ------------------------------------------------------------------------------------------------


def work():
    """Some 20 ms of computation, and four programs that do nothing."""
    value = 1
    for _ in range(250_000):
        value = value * 1103515245 + 12345 & 0x7fffffff
    for _ in range(4):
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


def be_ordinary():
    """The services of a test have no priority, even if the test has one."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, max(0, os.getpriority(os.PRIO_PROCESS, 0)))


def own_slowness():
    """How many times longer than on an idle machine the work takes: 1 to 8."""
    begun = time.monotonic()
    work()
    return min(max((time.monotonic() - begun) / IDLE_S, 1.0), float(SLOWNESS_MAX))


def begin_self(*words, **options):
    return subprocess.Popen([sys.executable, "-ESB", __file__, *words], stdout=subprocess.PIPE, text=True, **options)


def measure():
    """own_slowness() of a process of its own: threads of this one would take part of the time."""
    with begin_self("--slowness", stdin=subprocess.DEVNULL) as process:
        return float(process.stdout.read())


def measure_cores():
    """The slowest measure() of as many as there are cores, all at once: cores that share their parts are slow together."""
    processes = [begin_self("--slowness", stdin=subprocess.DEVNULL) for _ in os.sched_getaffinity(0)]
    slowest = max(float(process.stdout.read()) for process in processes)
    for process in processes:
        process.wait()
        process.stdout.close()
    return slowest


def failed_children():
    """Children that ended with another status than 0, or by another signal than KILL and TERM, and were not waited for."""
    failed = []
    for task in pathlib.Path("/proc/self/task").iterdir():
        for pid in map(int, (task / "children").read_text(encoding="ascii").split()):
            try:
                ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                continue
            if ended and ended.si_status not in ((0,) if ended.si_code == os.CLD_EXITED else (9, 15)):
                failed.append(pid)
    return failed


# ---- waits ------------------------------------------------------------------------------------------------------


class Wait:
    """A wait that begins now; `limit_s` is its bound on an idle machine."""

    def __init__(self, limit_s):
        self.limit_s, self.begun = limit_s, time.monotonic()
        self.slowness, self.measured_s = 1.0, None

    def elapsed_s(self):
        return time.monotonic() - self.begun

    def is_over(self):
        elapsed_s = self.elapsed_s()
        if elapsed_s < self.limit_s:
            return False
        if self.measured_s is None or elapsed_s - self.measured_s >= self.limit_s / MEASUREMENTS:
            self.slowness = max(self.slowness, min(measure(), SLOWNESS_MAX))
            elapsed_s = self.measured_s = self.elapsed_s()
        return elapsed_s >= self.limit_s * self.slowness

    def until(self, condition, pause_s=PAUSE_S):
        """What condition() returned last: a true value, or, after the wait, whatever it returned. Looks take at most half of the time."""
        while True:
            begun = time.monotonic()
            if value := condition():
                return value
            took_s = time.monotonic() - begun
            if self.is_over():
                return condition()  # the machine may have stalled since the last look
            time.sleep(max(pause_s, took_s))

    def late(self, what):
        """Late, or a Failed if a child process has failed: that is no slow machine."""
        text = (f"waited in vain: {what} (waited {self.elapsed_s():.1f} s; bound {self.limit_s:g} s, "
                f"machine {self.slowness:.1f} times slower)")
        failed = failed_children()
        return Failed(f"{text}; failed meanwhile: processes {failed}") if failed else Late(text)


def wait_at_most(seconds, condition, pause_s=PAUSE_S):
    """Waits until condition() is true; returns what condition() returned last, true or not."""
    return Wait(seconds).until(condition, pause_s)


def wait_for(what, seconds, condition, pause_s=PAUSE_S):
    """Waits until condition() is true, and returns its value; Late if it does not become true."""
    wait = Wait(seconds)
    value = wait.until(condition, pause_s)
    if not value:
        raise wait.late(what)
    return value


def wait_ended(what, seconds, process):
    """Waits until the process has ended; its return code."""
    wait_for(f"{what} ends", seconds, lambda: process.poll() is not None, pause_s=0.02)
    return process.returncode


def wait_steady(what, limit_s, hold_s, condition):
    """Waits until condition() was true at each look for `hold_s`: by then all witnesses know what one reports."""
    since = None

    def holds():
        nonlocal since
        since = (since or time.monotonic()) if condition() else None
        return since is not None and time.monotonic() - since >= hold_s

    wait_for(what, limit_s, holds)


def run_patient(*command, **options):
    """run() of a program of the tests that waits by these rules: its 75 is Late."""
    done = attempt(*command, **options)
    pass_late(done)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout


def pass_late(done):
    """Raises Late if a program that waits by these rules has ended with 75."""
    if done.returncode == LATE:
        raise Late(done.stdout[-500:] + done.stderr[-1500:])


# ---- claims about time ------------------------------------------------------------------------------------------


def probe_stalls(cpu):
    """Sleeps again and again on that core until its input ends; then prints by how much a sleep was exceeded at most."""
    be_ordinary()
    os.sched_setaffinity(0, {cpu})
    ends = select.poll()
    ends.register(sys.stdin, select.POLLIN | select.POLLHUP)
    last_ns, longest_ns, is_over = time.monotonic_ns(), 0, False
    print("probing", flush=True)  # from here on the claim may begin
    while not is_over:
        is_over = bool(ends.poll(NAP_MS))
        now_ns = time.monotonic_ns()
        longest_ns = max(longest_ns, now_ns - last_ns - NAP_MS * 1_000_000)
        last_ns = now_ns  # the core may stall at any instant of this loop
    print(longest_ns, flush=True)


class Stalls:
    """The longest stall of any core within the `with` block is `longest_s` after it."""

    def __enter__(self):
        self.probes = [begin_self("--stalls", str(cpu), stdin=subprocess.PIPE) for cpu in os.sched_getaffinity(0)]
        for probe in self.probes:
            probe.stdout.readline()
        return self

    def __exit__(self, *_):
        for probe in self.probes:
            probe.stdin.close()
        self.longest_s = max(int(probe.stdout.read()) for probe in self.probes) / 1e9
        for probe in self.probes:
            probe.wait()
            probe.stdout.close()


def claim_in_time(what, slack_s, claim):
    """Checks a claim about time; claim() returns (holds, detail). If the claim does not hold and the machine stalled
    for longer than `slack_s`, which is how late the claim may find the machine, it is made again, 3 times in all."""
    for left in reversed(range(TRIES)):
        with Stalls() as stalls:
            holds, detail = claim()
        if holds or stalls.longest_s <= slack_s:
            check(what, holds, detail)
            return
        stalled = f"the machine stalled for {stalls.longest_s * 1000:.0f} ms, the claim allows {slack_s * 1000:.0f} ms"
        if left:
            print(f"  again: {stalled} ({what}: {detail})", flush=True)
    raise Late(f"{what}: {detail}; {stalled}, {TRIES} times")


# ---- that each rule can fail ------------------------------------------------------------------------------------


class FakeTime:
    """Time passes only by sleeps, and by what the test adds."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class FakeStalls:
    """The next stall of a list."""

    def __init__(self, stalls):
        self.left = list(stalls)
        self.longest_s = 0.0

    def __call__(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.longest_s = self.left.pop(0)


def waited(module, limit_s, slownesses, is_true_at=None, took_s=0.0):
    """(seconds, how often the machine was measured, the text of Late) of a wait whose condition is true from then on;
    the last of `slownesses` stays."""
    clock, left, measured = FakeTime(), list(slownesses), []
    module.time = clock

    def measure_fake():
        measured.append(clock.now - 1000)
        clock.now += took_s
        return left.pop(0) if len(left) > 1 else left[0]

    module.measure = measure_fake
    text = None
    try:
        module.wait_for("a test", limit_s, lambda: is_true_at is not None and clock.now - 1000 >= is_true_at)
    except module.Late as late:
        text = str(late)
    return clock.now - 1000, measured, text


def near(value, wanted, by=0.3):
    assert abs(value - wanted) <= by, (value, wanted)


def an_idle_machine_has_the_bound(module):
    took, measured, text = waited(module, 8, [1.0])
    near(took, 8)
    assert text.startswith("waited in vain: a test (waited 8.") and "; bound 8 s, machine 1.0 times slower)" in text, text


def no_machine_is_measured_before_the_bound(module):
    _, measured, text = waited(module, 8, [1.0], is_true_at=7.5)
    assert measured == [] and text is None, (measured, text)


def a_slow_machine_has_more(module):
    took, measured, text = waited(module, 8, [3.0])
    near(took, 24)
    assert "machine 3.0 times slower" in text, text
    assert waited(module, 8, [3.0], is_true_at=20)[2] is None


def the_slowest_measurement_counts(module):
    near(waited(module, 8, [4.0, 1.0])[0], 32)
    near(waited(module, 8, [2.0, 4.0, 1.0])[0], 32)


def an_eighth_of_the_bound_is_between_measurements(module):
    _, measured, _ = waited(module, 8, [4.0])
    assert len(measured) <= 25 and all(b - a >= 1 for a, b in zip(measured, measured[1:])), measured


def eight_times_the_bound_is_the_end(module):
    near(waited(module, 8, [100.0])[0], 64)


def a_fast_machine_has_the_bound(module):
    near(waited(module, 8, [0.1])[0], 8)


def a_failed_child_is_no_slow_machine(module):
    with subprocess.Popen(["/bin/false"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        late = module.Wait(0).late("a test")
    assert late.status == 1 and str(child.pid) in str(late), late
    assert module.Wait(0).late("a test").status == 75


def looks_take_half_of_the_time(module):
    clock, looks = FakeTime(), []
    module.time = clock

    def look():
        looks.append(clock.now)
        clock.sleep(2)
        return len(looks) == 3
    module.wait_for("a test", 60, look)
    near(clock.now, 1010)


def the_last_look_is_after_the_last_instant(module):
    assert waited(module, 8, [1.0], is_true_at=9, took_s=1.2)[2] is None


def what_is_steady_was_so_at_each_look(module):
    clock = module.time = FakeTime()
    module.measure = lambda: 1.0
    module.wait_steady("a test", 60, 3, lambda: clock.now < 1002 or clock.now > 1004)
    near(clock.now, 1007, 0.5)


def claimed(module, stalls, outcomes):
    """(what was raised, how often the claim was made, what was printed)"""
    module.Stalls = FakeStalls(stalls)
    printed, left, raised = [], list(outcomes), None
    module.print = lambda text, **_: printed.append(text)
    module.check = lambda what, holds, detail: None if holds else (_ for _ in ()).throw(Failed(what))
    try:
        module.claim_in_time("it ends in time", 0.1, lambda: (left.pop(0), "1.2 s"))
    except Failed as failed:
        raised = failed
    return raised, len(outcomes) - len(left), printed


def a_claim_that_holds_is_made_once(module):
    assert claimed(module, [5.0] * 3, [True] * 3) == (None, 1, [])


def a_broken_claim_without_a_stall_fails_at_once(module):
    raised, tries, _ = claimed(module, [0.1] * 3, [False] * 3)
    assert tries == 1 and raised.status == 1, (tries, raised)


def a_broken_claim_with_a_stall_is_made_again(module):
    raised, tries, printed = claimed(module, [0.3] * 3, [False, True, True])
    assert raised is None and tries == 2, (raised, tries)
    assert "again: the machine stalled for 300 ms, the claim allows 100 ms" in printed[0], printed
    raised, tries, _ = claimed(module, [0.3, 0.0, 0.0], [False, False, True])
    assert tries == 2 and raised.status == 1, (raised, tries)


def the_third_stall_is_late(module):
    raised, tries, printed = claimed(module, [0.3] * 9, [False] * 9)
    assert tries == 3 and raised.status == 75 and len(printed) == 2, (raised, tries, printed)


def a_failure_that_is_not_late_counts(module):
    late, failed = module.Late("a wait"), Failed("a check")
    assert module.exit_status([]) == 0 and module.exit_status([late, late]) == 75
    for failures in ([late, failed], [failed, late], [AssertionError(), late], [late, AssertionError()], [failed]):
        assert module.exit_status(failures) == 1, failures


def an_uncaught_wait_ends_with_75(module):
    assert ended(module, "raise Late('a wait')") == (75, "at the end")
    assert ended(module, "raise Failed('a check')") == (1, "at the end")


def ended(module, text):
    """(exit status, output) of a program that has this module and ends so."""
    done = subprocess.run([sys.executable, "-c", f"import atexit, sys\natexit.register(print, 'at the end')\n__name__ = 'patience'\n"
                           f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n{module.source}\n{text}\n"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout.strip()


def a_stall_of_a_core_is_seen(module):
    def begin_and_stop(*words, **options):
        process = begin_self(*words, **options)
        probes.append(process)
        return process
    probes = []
    module.begin_self = begin_and_stop
    with module.Stalls() as stalls:
        probes[-1].send_signal(19)  # SIGSTOP
        time.sleep(0.4)
        probes[-1].send_signal(18)  # SIGCONT
    assert len(probes) == len(os.sched_getaffinity(0)) and stalls.longest_s >= 0.35, (probes, stalls.longest_s)


class FakePoll:
    """Its input ends after so many naps."""

    POLLIN = POLLHUP = 0

    def __init__(self, naps):
        self.left = naps

    def poll(self, *nap_ms):
        if not nap_ms:
            return self
        self.left -= 1
        return self.left == 0

    def register(self, *_):
        pass


def a_stall_at_any_instant_is_seen(module):
    for stalled in range(1, 5):
        printed, reads = [], iter(range(100))
        module.be_ordinary, module.select = lambda: None, FakePoll(5)
        module.os, module.time = types.SimpleNamespace(sched_setaffinity=lambda *_: None), types.SimpleNamespace(
            monotonic_ns=lambda: (number := next(reads)) * 1_000_000 + (400_000_000 if number >= stalled else 0))
        module.print = lambda text, **_: printed.append(text)
        module.probe_stalls(0)
        assert printed[-1] >= 390_000_000, (stalled, printed)


def slower_work_is_a_slower_machine(module):
    clock = module.time = FakeTime()

    def work_fake(seconds):
        clock.now += seconds
    for factor, wanted in ((0.5, 1), (3, 3), (50, 8)):
        module.work = lambda of=factor: work_fake(of * IDLE_S)
        near(module.own_slowness(), wanted, 0.01)


def the_machine_is_measured_by_a_process(module):
    assert 1 <= module.measure() <= 8


def the_slowest_core_is_measured(module):
    answers = iter(["1.20", "3.40"])
    module.begin_self = lambda *_, **__: types.SimpleNamespace(stdout=io.StringIO(next(answers)), wait=lambda: None)
    module.os = types.SimpleNamespace(sched_getaffinity=lambda _: {0, 1})
    assert module.measure_cores() == 3.4


# A test, and what is put in place of what: without the rule the test has to fail.
RULES = (
    (an_idle_machine_has_the_bound, "return elapsed_s >= self.limit_s * self.slowness", "return False if elapsed_s < 99 else True"),
    (no_machine_is_measured_before_the_bound, "if elapsed_s < self.limit_s:\n            return False", "if False:\n            pass"),
    (a_slow_machine_has_more, "self.limit_s * self.slowness\n", "self.limit_s\n"),
    (the_slowest_measurement_counts, "max(self.slowness, min(measure(), SLOWNESS_MAX))", "min(measure(), SLOWNESS_MAX)"),
    (an_eighth_of_the_bound_is_between_measurements, " or elapsed_s - self.measured_s >= self.limit_s / MEASUREMENTS", " or True"),
    (eight_times_the_bound_is_the_end, "min(measure(), SLOWNESS_MAX)", "measure()"),
    (a_fast_machine_has_the_bound, "self.slowness, self.measured_s = 1.0, None", "self.slowness, self.measured_s = 1.5, None"),
    (a_failed_child_is_no_slow_machine, "if failed else Late(text)", "if False else Late(text)"),
    (looks_take_half_of_the_time, "max(pause_s, took_s)", "pause_s"),
    (the_last_look_is_after_the_last_instant, "return condition()  #", "return value  #"),
    (what_is_steady_was_so_at_each_look, "if condition() else None", "if condition() else since"),
    (a_claim_that_holds_is_made_once, "if holds or stalls", "if stalls"),
    (a_broken_claim_without_a_stall_fails_at_once, "stalls.longest_s <= slack_s", "False"),
    (a_broken_claim_with_a_stall_is_made_again, "stalls.longest_s <= slack_s", "True"),
    (the_third_stall_is_late, "\nTRIES = 3", "\nTRIES = 4"),
    (the_third_stall_is_late, "raise Late(f\"{what}: {detail};", "raise Failed(f\"{what}: {detail};"),
    (a_failure_that_is_not_late_counts, "key=lambda status: status == 1)", "key=lambda status: status)"),
    (an_uncaught_wait_ends_with_75, "\nsys.excepthook = exit_by_status", "\n"),
    (a_stall_of_a_core_is_seen, "for probe in self.probes) / 1e9", "for probe in self.probes) / 1e12"),
    (a_stall_at_any_instant_is_seen, "last_ns = now_ns  #", "last_ns = time.monotonic_ns()  #"),
    (slower_work_is_a_slower_machine, "/ IDLE_S, 1.0)", ", 1.0)"),
    (the_slowest_core_is_measured, "max(float(process.stdout.read()) for process in processes)",
     "min(float(process.stdout.read()) for process in processes)"),
    (the_machine_is_measured_by_a_process, "return float(process.stdout.read())", "return float(process.stdout.read()) * 0"),
)


SHELL_FAKES = """
clock=${patience%/*}/clock
echo 100000 >"$clock"
read_uptime() { read -r uptime_cs <"$clock"; }
sleep() { pass 10; }
pass() { read_uptime; echo $((uptime_cs + $1)) >"$clock"; }
slowness() {
    echo measured >&2
    pass "$took"
    local number=$(($(cat "$clock.measured" 2>/dev/null) + 1))
    echo $number >"$clock.measured"
    [ $number -le ${#factors[@]} ] || number=${#factors[@]}
    echo ${factors[number - 1]}
}
is_true() { read_uptime; [ $uptime_cs -ge $((100000 + true_at)) ]; }
answer() { is_true && echo yes || echo no; }
"""


def waited_in_shell(text, factors, true_at="1000000", took="0", ends="await 8 'a test' is_true; verdict"):
    """(exit status, output, how often the machine was measured) of a program that sources patience.sh with this text."""
    with tempfile.TemporaryDirectory(prefix="bw-test-patience-") as folder:
        path = f"{folder}/patience.sh"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run(["bash", "-u", "-o", "pipefail", "-c", f"patience={path} true_at={true_at} took={took}\n"
                               f"factors=({factors})\n. {path}\n{SHELL_FAKES}\n{ends}"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout, done.stderr.count("measured")


def lasts(outcome, wanted_s):
    status, output, _ = outcome
    found = re.search(r"\(waited ([\d.]+) s; bound 8 s, machine [\d.]+ times slower\)", output)
    assert status == 75 and found, outcome
    near(float(found[1]), wanted_s, 0.2)


def shell_an_idle_machine_has_the_bound(text):
    lasts(waited_in_shell(text, "1.00"), 8)
    lasts(waited_in_shell(text, "0.10"), 8)


def shell_no_machine_is_measured_before_the_bound(text):
    assert waited_in_shell(text, "1.00", "750") == (0, "", 0)


def shell_a_slow_machine_has_more(text):
    lasts(waited_in_shell(text, "3.00"), 24)
    assert waited_in_shell(text, "3.00", "2000")[:2] == (0, "")


def shell_the_slowest_measurement_counts(text):
    lasts(waited_in_shell(text, "2.00 4.00 1.00"), 32)


def shell_an_eighth_of_the_bound_is_between_measurements(text):
    assert waited_in_shell(text, "4.00")[2] <= 26


def shell_eight_times_the_bound_is_the_end(text):
    lasts(waited_in_shell(text, "100.00"), 64)


def shell_the_last_look_is_after_the_last_instant(text):
    assert waited_in_shell(text, "1.00", "900", "120")[:2] == (0, "")


def shell_a_failure_that_is_not_late_counts(text):
    for counts, wanted in (("", 0), ("failures=1", 1), ("late=1", 75), ("late=1 failures=1", 1)):
        assert waited_in_shell(text, "1.00", ends=f"{counts}\nverdict")[0] == wanted, counts


def shell_a_wait_says_what_was_printed(text):
    _, output, _ = waited_in_shell(text, "1.00", ends="claimed=it_ends\non_late() { echo the last words; }\n"
                                   "eventually 8 yes answer; verdict")
    assert output.startswith("waited in vain: it_ends: answer: expected 'yes', got 'no' (waited 8.") and \
        output.endswith("the last words\n"), output
    assert waited_in_shell(text, "1.00", "100", ends="eventually 8 yes answer; verdict")[:2] == (0, "")


SHELL_RULES = (
    (shell_an_idle_machine_has_the_bound, "slow_pc=100", "slow_pc=150"),
    (shell_no_machine_is_measured_before_the_bound, "$waited_cs -ge $limit_cs ]", "$waited_cs -ge 0 ]"),
    (shell_a_slow_machine_has_more, "$((limit_cs * slow_pc))", "$((limit_cs * 100))"),
    (shell_the_slowest_measurement_counts, "[ $now_pc -le $slow_pc ] || ", ""),
    (shell_an_eighth_of_the_bound_is_between_measurements, "$((limit_cs / 8))", "0"),
    (shell_eight_times_the_bound_is_the_end, "|| now_pc=800", "|| now_pc=900"),
    (shell_the_last_look_is_after_the_last_instant, '"$@" # the machine', "false # the machine"),
    (shell_a_failure_that_is_not_late_counts, '[ "${failures:-0}" = 0 ] || exit 1', ":"),
    (shell_a_failure_that_is_not_late_counts, "exit 75", "exit 1"),
    (shell_a_wait_says_what_was_printed, '[ "$got" = "$wanted" ]', '[ "$got" != "$wanted" ]'),
)


class Module:
    """This file with one place changed; a test may put what it likes into it."""

    def __init__(self, old="", new=""):
        with open(__file__, encoding="utf-8") as file:
            head, mark, tail = file.read().partition("\n# ---- that each rule can fail")
        assert not old or head.count(old) == 1, f"{head.count(old)} places have: {old}"
        hook, self.__dict__["space"] = sys.excepthook, {"__name__": "patience", "__file__": __file__}
        self.__dict__["source"] = (head.replace(old, new) if old else head).replace("__file__", repr(__file__))
        exec(compile(self.source, __file__, "exec"), self.space)
        sys.excepthook = hook

    def __getattr__(self, name):
        return self.space[name]

    def __setattr__(self, name, value):
        self.space[name] = value


def fails(test, module):
    try:
        test(module)
    except (AssertionError, ValueError):
        return True
    return False


def self_test():
    for test, old, new in RULES:
        test(Module())
        assert fails(test, Module(old, new)), f"{test.__name__} does not fail without its rule: {old}"
        print(f"  ok     {test.__name__}", flush=True)
    with open(f"{os.path.dirname(os.path.abspath(__file__))}/patience.sh", encoding="utf-8") as file:
        text = file.read()
    for test, old, new in SHELL_RULES:
        assert text.count(old) == 1, f"{text.count(old)} places have: {old}"
        test(text)
        assert fails(test, text.replace(old, new)), f"{test.__name__} does not fail without its rule: {old}"
        print(f"  ok     {test.__name__}", flush=True)


def main():
    if sys.argv[1:] == ["--slowness"]:
        be_ordinary()
        print(f"{own_slowness():.2f}")
    elif sys.argv[1:2] == ["--stalls"] and len(sys.argv) == 3:
        probe_stalls(int(sys.argv[2]))
    elif sys.argv[1:] == ["--self-test"]:
        self_test()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
