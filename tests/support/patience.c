#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "patience.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

#define NS_PER_MS   UINT64_C(1000000)
#define WORDS       (256u * 1024) /* 1 MiB */
#define ROUNDS      25
#define FORKS       4
#define IDLE_NS     (20.0 * 1000000) /* of the work: an ASan build, two idle cores of 2.6 GHz; least of 100 */
#define CORES_MAX   64
#define SLEEP_NS    (2 * NS_PER_MS)
#define CLAIM_TRIES 3

struct patience_hooks patience_hooks;

/* By the system call: some tests have a clock_gettime of their own. */
static uint64_t now_ns(void)
{
    struct timespec now;

    BW_ASSERT(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 * NS_PER_MS + (uint64_t)now.tv_nsec;
}

/* ---- how slow the machine is ---- */

static bool wait_for_end(pid_t pid)
{
    while (pid > 0 && waitpid(pid, NULL, 0) < 0)
        if (errno != EINTR)
            break; /* ECHILD: it has ended, and this process ignores SIGCHLD */
    return pid > 0;
}

/* In a child: a process of no privilege, as the scripts of a test are. */
static void work(void) __attribute__((noreturn));
static void work(void)
{
    static volatile uint32_t memory[WORDS];
    const struct sched_param none = {0};
    uint32_t mixed = 1;

    (void)sched_setscheduler(0, SCHED_OTHER, &none); /* never refused: downwards */
    (void)signal(SIGCHLD, SIG_DFL);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < WORDS; i++)
            memory[i] = mixed = (mixed ^ memory[i]) * 2654435761u + 1;
    for (int i = 0; i < FORKS; i++) {
        const pid_t pid = fork();

        if (pid == 0)
            _exit(0);
        (void)wait_for_end(pid);
    }
    _exit(0);
}

double patience_measure(void)
{
    const uint64_t begin_ns = now_ns();
    const pid_t pid = fork();

    if (pid == 0)
        work();
    return wait_for_end(pid) ? (double)(now_ns() - begin_ns) / IDLE_NS : 1;
}

/* 1 is what a wait begins with, so that a faster machine gets no less. */
static void measure(struct patience *patience)
{
    double slowness = patience_hooks.slowness > 0 ? patience_hooks.slowness : patience_measure();

    patience_hooks.measured++;
    patience->measured_ns = now_ns();
    if (slowness > PATIENCE_SLOWEST)
        slowness = PATIENCE_SLOWEST;
    if (slowness > patience->slowness)
        patience->slowness = slowness;
}

/* ---- a program that has failed is no slow machine ---- */

static bool has_failed(pid_t pid)
{
    siginfo_t info = {0};

    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != pid)
        return false;
    if (info.si_code == CLD_EXITED)
        return info.si_status != 0;
    return info.si_status != SIGKILL && info.si_status != SIGTERM; /* tests send these */
}

pid_t patience_failed_child(void)
{
    FILE *in = fopen("/proc/thread-self/children", "r");
    pid_t failed = 0;
    int pid;

    while (in != NULL && failed == 0 && fscanf(in, "%d", &pid) == 1)
        if (has_failed(pid))
            failed = pid;
    if (in != NULL)
        (void)fclose(in); /* only read from */
    return failed;
}

/* ---- waits ---- */

static struct patience last; /* that was over; limit_ms 0: none */

struct patience patience_begin(unsigned limit_ms)
{
    return (struct patience){.begin_ns = now_ns(), .limit_ms = limit_ms, .slowness = 1};
}

bool patience_is_over(struct patience *patience)
{
    const uint64_t limit_ns = patience->limit_ms * NS_PER_MS;
    const uint64_t asked_ns = now_ns();

    if (asked_ns - patience->begin_ns < limit_ns)
        return false;
    if (asked_ns - patience->begin_ns < PATIENCE_SLOWEST * limit_ns &&
        (patience->measured_ns == 0 || asked_ns - patience->measured_ns >= limit_ns / 8))
        measure(patience);
    if ((double)(now_ns() - patience->begin_ns) < (double)limit_ns * patience->slowness)
        return false;
    last = *patience;
    return true;
}

void patience_failed(const char *file, int line, const char *format, ...)
{
    char text[4096];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    print_error("waited in vain: %s (waited %.1f s; bound %.1f s, machine %.1f times slower)\n", text,
                (double)(now_ns() - last.begin_ns) / 1e9, last.limit_ms / 1e3, last.slowness);
    if (patience_failed_child() != 0)
        print_error("process %d, which this test started, has failed meanwhile\n", (int)patience_failed_child());
    else
        patience_record();
    _fail(file, line);
    abort(); /* never reached: _fail jumps */
}

/* ---- the stall probe ---- */

static struct probe {
    pthread_t threads[CORES_MAX];
    unsigned count; /* 0: it does not run */
    sem_t begun;
    atomic_bool is_over;
    atomic_uint_fast64_t longest_ns;
} probe;

static void *watch_core(void *user)
{
    const struct timespec pause = {.tv_nsec = SLEEP_NS};
    uint64_t before_ns = now_ns();
    bool has_begun = false;

    (void)user;
    while (!atomic_load(&probe.is_over)) {
        uint64_t woken_ns;
        uint64_t known_ns = atomic_load(&probe.longest_ns);

        if (!has_begun)
            (void)sem_post(&probe.begun);
        has_begun = true;
        (void)nanosleep(&pause, NULL);
        woken_ns = now_ns();
        while (woken_ns - before_ns > SLEEP_NS + known_ns &&
               !atomic_compare_exchange_weak(&probe.longest_ns, &known_ns,
                                             woken_ns - before_ns - SLEEP_NS))
            ;
        before_ns = woken_ns;
    }
    return NULL;
}

static void begin_watching(unsigned core)
{
    const struct sched_param none = {0};
    pthread_attr_t attributes;
    cpu_set_t cores;

    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    BW_ASSERT(pthread_attr_init(&attributes) == 0);
    BW_ASSERT(pthread_attr_setaffinity_np(&attributes, sizeof cores, &cores) == 0);
    BW_ASSERT(pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED) == 0);
    BW_ASSERT(pthread_attr_setschedpolicy(&attributes, SCHED_OTHER) == 0);
    BW_ASSERT(pthread_attr_setschedparam(&attributes, &none) == 0);
    BW_ASSERT(pthread_create(&probe.threads[probe.count], &attributes, watch_core, NULL) == 0);
    BW_ASSERT(pthread_attr_destroy(&attributes) == 0);
    probe.count++;
}

void stall_probe_begin(void)
{
    cpu_set_t cores;

    if (probe.count > 0) /* a claim has left its test */
        (void)stall_probe_end();
    atomic_store(&probe.is_over, false);
    atomic_store(&probe.longest_ns, 0);
    BW_ASSERT(sem_init(&probe.begun, 0, 0) == 0);
    BW_ASSERT(sched_getaffinity(0, sizeof cores, &cores) == 0);
    for (unsigned core = 0; core < CPU_SETSIZE && probe.count < CORES_MAX; core++)
        if (CPU_ISSET(core, &cores))
            begin_watching(core);
    for (unsigned i = 0; i < probe.count; i++)
        while (sem_wait(&probe.begun) != 0)
            BW_ASSERT(errno == EINTR);
}

unsigned stall_probe_end(void)
{
    atomic_store(&probe.is_over, true);
    for (unsigned i = 0; i < probe.count; i++)
        BW_ASSERT(pthread_join(probe.threads[i], NULL) == 0);
    probe.count = 0;
    BW_ASSERT(sem_destroy(&probe.begun) == 0);
    return (unsigned)(atomic_load(&probe.longest_ns) / NS_PER_MS);
}

void patience_claim(const char *file, int line, unsigned slack_ms, bool (*claim)(void *user),
                    void *user)
{
    for (int tries = 1; tries <= CLAIM_TRIES; tries++) {
        bool held;
        unsigned stall_ms;

        stall_probe_begin();
        held = claim(user);
        stall_ms = stall_probe_end();
        if (patience_hooks.stalls_ms != NULL)
            stall_ms = *patience_hooks.stalls_ms++;
        if (held)
            return;
        if (stall_ms <= slack_ms) {
            print_error("not in time: the machine stalled for %u ms, the claim allows %u ms\n", stall_ms,
                        slack_ms);
            _fail(file, line);
        }
        print_message("%s: the machine stalled for %u ms, the claim allows %u ms\n",
                      tries < CLAIM_TRIES ? "again" : "never in time", stall_ms, slack_ms);
    }
    patience_record();
    _fail(file, line);
}
