/* proved.h - a site whose scripts a trial has proved, without the trial: of services that their guard's kill ends, as it
 * does those of the labs (design 3.4). Before its guard runs. After cmocka.h. */
#ifndef BW_TEST_PROVED_H
#define BW_TEST_PROVED_H

#include <unistd.h>

#include <breakwater/config/site_config.h>
#include <breakwater/os/dir_lock.h>
#include <breakwater/os/state_dir.h>
#include <breakwater/sys/clock.h>

#include "../../src/guard/proof.h"

static inline void prove_site(const char *config_path)
{
    struct bw_guard_proof_owner owner = {0};
    struct bw_site_config *config;
    struct bw_problems problems;
    char dir[512];
    int fd;
    int lock;

    bw_problems_init(&problems);
    assert_int_equal(bw_site_config_load(config_path, BW_CONFIG_HERE, &config, &problems), BW_OK);
    bw_problems_deinit(&problems);
    owner.cluster = config->cluster;
    owner.site = config->site;
    owner.group = config->groups[0].name;
    assert_int_equal(bw_clock_machine_id(&owner.machine_id, NULL), BW_OK);
    assert_int_equal(bw_state_dir_open(config->state_dir, "guard", dir, sizeof dir, &fd, &lock, NULL), BW_OK);
    assert_int_equal(bw_guard_proof_write(fd, &owner, config->groups[0].digest, NULL), BW_OK);
    (void)close(fd); /* what was saved is on the disk */
    bw_dir_unlock(lock);
    bw_site_config_free(config);
}

#endif
