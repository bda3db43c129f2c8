/* elsewhere_world.h - two sites whose services no signal of a guard reaches, as those of a container daemon or of
 * another machine: somebody else starts them, and only a script ends them. Include it after cmocka.h. */
#ifndef ELSEWHERE_WORLD_H
#define ELSEWHERE_WORLD_H

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster_life.h"

static pid_t daemons[2];

/* What starts the services in place of the guards. */
static inline void start_daemon(int site)
{
    char path[REAL_PATH_BYTES];

    (void)snprintf(path, sizeof path, "%s/elsewhere.sh", cluster.sites[site].dir);
    real_put(&cluster, site, "elsewhere", "");
    daemons[site] = fork();
    assert_true(daemons[site] >= 0);
    if (daemons[site] == 0) {
        (void)execl(path, path, (char *)NULL);
        _exit(127);
    }
}

static inline int set_up_daemons(void **state)
{
    assert_int_equal(set_up(state), 0);
    for (int site = 0; site < 2; site++)
        start_daemon(site);
    return 0;
}

static inline int tear_down_daemons(void **state)
{
    for (int site = 0; site < 2; site++) {
        (void)kill(daemons[site], SIGKILL);
        (void)waitpid(daemons[site], NULL, 0);
        if (real_service(&cluster, site) > 0)
            real_kill_service(&cluster, site);
    }
    return tear_down(state);
}

static inline bool is_seen_outside(struct real_cluster *of, int site)
{
    const char *seen =
        json_string_value(json_object_get(real_site_json(of, site), "reach_seen"));

    return seen != NULL && strcmp(seen, "outside") == 0 &&
           real_site_lists(of, site, "alarms", "cannot_stop_service");
}

static inline bool stays_in_its_epoch(struct real_cluster *of, int site)
{
    (void)site;
    return real_number(of, "epoch") == 1;
}

static inline bool serves_later(struct real_cluster *of, int site)
{
    return real_number(of, "epoch") > 1 && real_some_site_serves(of, site);
}

/* What its scripts speak to answers nobody. */
static inline void lose_api(int site)
{
    real_put(&cluster, site, "refuses", "");
    real_put(&cluster, site, "say", "unknown\n");
}

static inline void get_api_back(int site)
{
    real_drop(&cluster, site, "say");
    real_drop(&cluster, site, "refuses");
}

/* `breakwater prove harbor -c FILE MORE` at the site's machine. */
static inline int prove(int site, const char *more, char *out, size_t size)
{
    char file[REAL_PATH_BYTES];
    char *argv[] = {NULL, (char[]){"prove"}, (char[]){"harbor"}, (char[]){"-c"}, file, (char *)(uintptr_t)more, NULL};

    (void)snprintf(file, sizeof file, "%s/site.yaml", cluster.sites[site].dir);
    return trio_run(&cluster.trio, argv, out, size);
}

static inline void serve_outside(void)
{
    real_serve(&cluster);
    real_until(&cluster, is_seen_outside, 0, "its site sees that it is outside");
}

#endif
