#include <breakwater/sys/heartbeat.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/notify.h>

#define BEATS_PER_PERIOD 4
#define US_PER_MS        1000

/* Digits and nothing else. */
static bool parse(const char *text, uint64_t *out_number)
{
    char *end;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out_number = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

uint64_t bw_heartbeat_take_period_ms(void)
{
    const char *pid_text = getenv("WATCHDOG_PID");
    uint64_t period_us = 0;
    uint64_t pid = (uint64_t)getpid();
    const bool is_ours = parse(getenv("WATCHDOG_USEC"), &period_us) &&
                         (pid_text == NULL || parse(pid_text, &pid)) && pid == (uint64_t)getpid();

    (void)unsetenv("WATCHDOG_USEC"); /* cannot fail with these names */
    (void)unsetenv("WATCHDOG_PID");
    return is_ours ? period_us / US_PER_MS : 0;
}

static void on_beat(uv_timer_t *timer)
{
    const struct bw_heartbeat *heartbeat = timer->data;

    if (heartbeat->is_well == NULL || heartbeat->is_well(heartbeat->user))
        (void)!bw_notify("WATCHDOG=1", NULL); /* again in a moment; who hears none of them acts */
}

void bw_heartbeat_open(struct bw_heartbeat *heartbeat, uv_loop_t *loop, bw_heartbeat_is_well is_well,
                       void *user)
{
    const uint64_t period_ms = bw_heartbeat_take_period_ms();
    const uint64_t pause_ms = period_ms < BEATS_PER_PERIOD ? 1 : period_ms / BEATS_PER_PERIOD;

    if (period_ms == 0)
        return;
    heartbeat->is_well = is_well;
    heartbeat->user = user;
    BW_ASSERT(uv_timer_init(loop, &heartbeat->timer) == 0); /* cannot fail */
    heartbeat->timer.data = heartbeat;
    heartbeat->is_open = true;
    BW_ASSERT(uv_timer_start(&heartbeat->timer, on_beat, 0, pause_ms) == 0); /* it has a callback */
}

void bw_heartbeat_close(struct bw_heartbeat *heartbeat)
{
    if (!heartbeat->is_open)
        return;
    heartbeat->is_open = false;
    uv_close((uv_handle_t *)&heartbeat->timer, NULL);
}
