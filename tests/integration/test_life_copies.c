/* A site's state directory that is copied, with a second pair of guard and agent beside the first: one kernel, two run
 * directories. Design 3.4, 3.5, 3.7, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster_life.h"
#include "janitor.h"
#include "lacking.h"
#include "patience.h"
#include "real_files.h"

#define COPY   2 /* what is copied of site 0, judged as a site of its own */
#define COPIES 3

/* $1 the site, $2 the copy: its state, its file and scripts, and a run_dir that is empty. */
static const char make_copy[] =
    "mkdir -p '%2$s' && cp -a '%1$s/state' '%2$s/state' && mkdir -m 700 '%2$s/run' && "
    "for file in '%1$s'/site.yaml '%1$s'/*.sh; do "
    "sed -e 's#%1$s/#%2$s/#g' -e \"s#'%1$s'#'%2$s'#g\" -e 's#^OWNER=.*#OWNER=1#' -e 's#max_local_restarts: 0#max_local_restarts: 3#' \"$file\" "
    ">'%2$s'/\"${file##*/}\" || exit 1; done; chmod 700 '%2$s'/*.sh";

static void copy_site(void)
{
    struct real_site *copy = &cluster.sites[COPY];
    const char *const from = cluster.sites[0].dir;
    char command[2048];

    (void)memcpy(copy->name, cluster.sites[0].name, sizeof copy->name);
    (void)snprintf(copy->dir, sizeof copy->dir, "%s/copy", cluster.dir);
    (void)snprintf(command, sizeof command, make_copy, from, copy->dir);
    assert_int_equal(system(command), 0);
    cluster.site_count = COPIES;
}

static bool can_be_alone(void)
{
    return system("unshare --mount --pid --net --fork --mount-proc true 2>/dev/null") == 0;
}

/* As the daemons of a container: they see neither the processes nor the cgroups of the first ones, and the guard not their
 * network. They die with the process whose pid is returned. */
static pid_t start_alone(void)
{
    static const char text[] =
        "mount -t tmpfs -o ro none /sys/fs/cgroup 2>/dev/null; cd \"$0\"; "
        "unshare --net \"$1\" guard -c \"$0/site.yaml\" >guard.log 2>&1 & "
        "until [ -S guard.sock ]; do sleep 0.05; done; "
        "\"$1\" agent -c \"$0/site.yaml\" >agent.log 2>&1 & wait";
    char program[512];
    pid_t pid;

    (void)snprintf(program, sizeof program, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execlp("unshare", "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c",
                     text, cluster.sites[COPY].dir, program, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static bool two_agents_speak(struct real_cluster *of, int site)
{
    return real_site_flag(of, site, "several_agents");
}

/* 3.5, 3.7: it has another run_dir, so it is in another boot, and neither renews nor ends what the original holds. */
static void a_copy_beside_the_original_serves_nothing(void **state)
{
    bool is_kept;
    pid_t copy;

    (void)state;
    if (!can_be_alone())
        skip_lacking("mounts");
    real_serve(&cluster);
    copy_site();
    copy = start_alone();
    real_until(&cluster, two_agents_speak, 0, "the copy speaks for the site");

    is_kept = real_for_a_lease(&cluster, real_keeps_epoch_1, 0);
    (void)real_end(&copy, SIGKILL);
    real_assert_no_overlap(&cluster);
    assert_int_equal(real_runs(&cluster, COPY, "start "), 0);
    assert_true(is_kept);
}

#define CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_copy_beside_the_original_serves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
