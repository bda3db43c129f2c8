/* heartbeat.h - tells the service manager, from the loop, that the loop still turns: systemd's WatchdogSec=,
 * sd_watchdog_enabled(3). A process that stands still is then killed and started again; at a site its
 * enforcer keeps the deadlines meanwhile (design 3.4). */
#ifndef BW_SYS_HEARTBEAT_H
#define BW_SYS_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

/* Whether all is as it should be: false keeps one beat back. */
typedef bool (*bw_heartbeat_is_well)(void *user);

/* In the caller's memory; zero at first, the loop's from open until its loop has ended after close. */
struct bw_heartbeat {
    uv_timer_t timer;
    bool is_open;
    bw_heartbeat_is_well is_well;
    void *user;
};

/* How often the manager wants to hear "WATCHDOG=1" at the least, in ms; 0: it does not, or what it says is
 * no number or is meant for another process. Scripts do not inherit it: the first call takes it out of the
 * environment, and is the only one that finds it. */
uint64_t bw_heartbeat_take_period_ms(void);

/* Beats four times as often as the manager wants, from the next turn of the loop on; without one that does,
 * never. `is_well` may be NULL. Loop rule: all calls on the loop's thread. */
void bw_heartbeat_open(struct bw_heartbeat *heartbeat, uv_loop_t *loop, bw_heartbeat_is_well is_well,
                       void *user);
/* In any state. */
void bw_heartbeat_close(struct bw_heartbeat *heartbeat);

#endif
