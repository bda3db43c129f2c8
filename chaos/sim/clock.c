/* clock.c - a machine's pair of clocks: each runs at its own rate, stops and starts. Design 1. */
#include "queue.h"

#define PPM 1000000

/* floor(passed * rate / PPM), without a wide division: it is asked for in every event. */
static int64_t error_of(uint64_t passed_ns, int64_t rate_ppm)
{
    const int64_t rest = (int64_t)(passed_ns % PPM) * rate_ppm;
    const int64_t whole = (int64_t)(passed_ns / PPM) * rate_ppm;

    return whole + (rest >= 0 ? rest / PPM : -((PPM - 1 - rest) / PPM));
}

static uint64_t shown(const struct sim_clock *clock, uint64_t now_ns)
{
    const uint64_t passed_ns = now_ns - clock->since_ns;

    if (clock->is_stopped)
        return clock->shown_ns;
    return clock->shown_ns + passed_ns + (uint64_t)error_of(passed_ns, clock->rate_ppm);
}

/* The first true time at which it shows `target`. */
static uint64_t reaches(const struct sim_clock *clock, uint64_t target, uint64_t now_ns)
{
    const uint64_t rate = (uint64_t)(PPM + clock->rate_ppm);
    __int128 needed;

    if (shown(clock, now_ns) >= target)
        return now_ns;
    if (clock->is_stopped)
        return UINT64_MAX;
    needed = ((__int128)(target - clock->shown_ns) * PPM + rate - 1) / rate;
    if (needed > INT64_MAX)
        return UINT64_MAX;
    return clock->since_ns + (uint64_t)needed;
}

struct bw_instant sim_clock_now(const struct sim_host *host)
{
    struct sim_host *asked = (struct sim_host *)(uintptr_t)
        host; /* only what it has shown is kept */
    const uint64_t now_ns = host->world->now_ns;

    if (asked->shown_at_ns != now_ns) {
        asked->shown = (struct bw_instant){shown(&host->boot, now_ns), shown(&host->raw, now_ns)};
        asked->shown_at_ns = now_ns;
    }
    return asked->shown;
}

uint64_t sim_clock_reaches(const struct sim_host *host, struct bw_instant at)
{
    const uint64_t boot = reaches(&host->boot, at.boot_ns, host->world->now_ns);
    const uint64_t raw = reaches(&host->raw, at.raw_ns, host->world->now_ns);

    return boot < raw ? boot : raw;
}

/* CLOCK_BOOTTIME may be slewed by any rate, CLOCK_MONOTONIC_RAW not: as long as that is within the
 * drift and runs, so is the pair (1). */
static bool strays(const struct sim_host *host)
{
    const int64_t drift_ppm = host->world->setting.terms.drift_ppm;

    return host->raw.is_stopped || host->raw.rate_ppm > drift_ppm ||
           host->raw.rate_ppm < -drift_ppm;
}

static void note_straying(struct sim_host *host)
{
    if (!strays(host))
        return;
    host->has_strayed = true;
    host->strayed_ns = host->world->now_ns;
}

bool sim_clock_is_steady(const struct sim_host *host, uint64_t within_ns)
{
    return !strays(host) &&
           (!host->has_strayed || host->world->now_ns - host->strayed_ns > within_ns);
}

/* What it shows goes on from here. */
static void hold(struct sim_clock *clock, uint64_t now_ns)
{
    clock->shown_ns = shown(clock, now_ns);
    clock->since_ns = now_ns;
}

void sim_clock_set_rates(struct sim_host *host, int32_t boot_ppm, int32_t raw_ppm)
{
    note_straying(host);
    hold(&host->boot, host->world->now_ns);
    hold(&host->raw, host->world->now_ns);
    host->boot.rate_ppm = boot_ppm;
    host->raw.rate_ppm = raw_ppm;
    for (uint32_t i = 0; i < host->world->process_count; i++) {
        struct sim_process *process = host->world->processes[i];

        if (process->host == host && process->health != SIM_DEAD)
            sim_wake_at(process, process->wake_at); /* true time of it has changed */
    }
}

void sim_clock_sleep(struct sim_host *host, bool is_asleep)
{
    note_straying(host);
    hold(&host->raw, host->world->now_ns);
    host->raw.is_stopped = is_asleep;
}

void sim_clock_boot(struct sim_host *host, uint64_t shown_ns)
{
    host->boot = (struct sim_clock){.shown_ns = shown_ns,
                                    .since_ns = host->world->now_ns,
                                    .rate_ppm = host->boot.rate_ppm};
    host->raw = (struct sim_clock){.shown_ns = shown_ns,
                                   .since_ns = host->world->now_ns,
                                   .rate_ppm = host->raw.rate_ppm};
    host->shown_at_ns = 0;
}
