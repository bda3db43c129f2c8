/* life_reboot.h - the machine of a site is restarted: what ran there is gone, and its processes see another boot. For
 * tests on real processes; include it after cluster_life.h, where real_can_fake_boot() is true. */
#ifndef LIFE_REBOOT_H
#define LIFE_REBOOT_H

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "janitor.h"
#include "patience.h"

/* Ends all of its session, as a boot does: what is still there would be left of a start (3.2.4). */
static inline void end_session(pid_t leader)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);

    assert_int_equal(kill(-leader, SIGKILL), 0);
    while (kill(-leader, 0) == 0 || errno != ESRCH) {
        if (patience_is_over(&patience))
            patience_fail("the session of %ld ends", (long)leader);
        (void)usleep(10000);
    }
}

/* Its power is cut: at once, as far as anybody could tell: an agent could give back, or fence without its guard. */
static inline void lose_power(int number)
{
    struct real_site *site = &cluster.sites[number];
    const pid_t service = real_service(&cluster, number);

    (void)real_end(&site->agent, SIGKILL);
    (void)real_end(&site->guard, SIGKILL);
    janitor_end_enforcers(site->name);
    assert_true(service > 0);
    end_session(service);
    real_clear_run(&cluster, number);
}

static inline void boot(int number, bool starts_service_at_boot)
{
    struct real_site *site = &cluster.sites[number];

    real_put(&cluster, number, "boot_id", "0f0f0f0f-1111-4222-8333-444444444444\n");
    (void)strcpy(site->boot_id, "0f0f0f0f-1111-4222-8333-444444444444");
    real_put(&cluster, number, "journal", "");
    if (starts_service_at_boot)
        real_start_by_hand(&cluster, number);
    real_start_guard(&cluster, number);
    real_start_agent(&cluster, number);
}

static inline void reboot(int number, bool starts_service_at_boot)
{
    lose_power(number);
    boot(number, starts_service_at_boot);
}

#endif
