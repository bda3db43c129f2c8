#include "real_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/config/site_config.h>
#include <breakwater/lab/process.h>
#include <breakwater/os/state_dir.h>
#include <breakwater/sys/clock.h>

#include "janitor.h"
#include "patience.h"
#include "real_files.h"

#include "../../src/guard/proof.h"

#define LOOK_US       20000
#define BOOT_ID_FILE  "/proc/sys/kernel/random/boot_id"
#define SYSTEMCTL     "/usr/bin/systemctl" /* where breakwater looks first */

/* ---- making and unmaking ---- */

static void drop_line(char *text, const char *key)
{
    char *at = strstr(text, key);
    const char *end;

    assert_non_null(at);
    end = strchr(at, '\n');
    assert_non_null(end);
    while (at > text && at[-1] == ' ')
        at--;
    memmove(at, end + 1, strlen(end + 1) + 1);
}

static void write_config(const struct real_cluster *cluster, const struct real_site *site,
                         const char *file, const char *state)
{
    struct bw_lab_plan plan = trio_plan(&cluster->trio);
    char path[REAL_PATH_BYTES];
    char state_dir[REAL_PATH_BYTES];
    char identity[64];
    char more[512];
    char groups[2048];
    char more_site[128] = "";
    const struct bw_lab_group group = {.name = "harbor", .scripts = site->dir, .more = more};
    const struct bw_lab_site own = {.name = site->name,
                                    .dir = site->dir,
                                    .state_dir = state_dir,
                                    .identity = identity,
                                    .groups = groups,
                                    .more = more_site};

    real_path(site, file, path);
    real_path(site, state, state_dir);
    (void)snprintf(identity, sizeof identity, "%s.pem", site->name);
    (void)snprintf(more, sizeof more,
                   "    stop_method: %s\n    script_timeout: 20s\n    stop_timeout: 20s\n"
                   "    max_local_restarts: 0\n%s%s%s",
                   site->has_units ? "units\n    units: [harbor.service]" : "cgroup",
                   cluster->has_readiness ? "    readiness_script: readiness.sh\n" : "",
                   site->has_loop ? "    started_by: external\n    external_start_delay: 1s\n" : "",
                   site->has_remote_fence ? "    remote_fence_script: remote_fence.sh\n" : "");
    if (site->second_port.number != 0)
        (void)snprintf(more_site, sizeof more_site,
                       "second_enforcer: {listen: 127.0.0.1:%u, agent: 127.0.0.1:%u}\n",
                       site->second_port.number, site->second_port.number);
    /* A lag counts for three of them (4): longer than a stall of the machine. */
    plan.timings.check_interval_ms = cluster->has_readiness ? 1000 : 300;
    plan.timings.fence_script_ms = 1300;
    plan.timings.kill_grace_ms = 200;
    assert_true(bw_lab_print_group(&plan, &group, groups, sizeof groups) < sizeof groups);
    if (site->has_loop)
        drop_line(groups, "start_script:");
    assert_int_equal(bw_lab_write_site(&plan, &own, path, NULL), BW_OK);
}

static void make_site(struct real_cluster *cluster, int number)
{
    static unsigned serial; /* a guard's cgroup is named by its site */
    struct real_site *site = &cluster->sites[number];
    char path[REAL_PATH_BYTES];
    char file[64];
    char uri[128];

    (void)snprintf(site->name, sizeof site->name, "%c%ld-%u", 'a' + number, (long)getpid(),
                   serial++);
    janitor_add_cgroups(site->name);
    (void)snprintf(site->dir, sizeof site->dir, "%s/%c", cluster->dir, 'a' + number);
    assert_int_equal(mkdir(site->dir, 0700), 0);
    real_path(site, "run", path);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(file, sizeof file, "%s.pem", site->name);
    (void)snprintf(uri, sizeof uri, "breakwater://prod/agent/%s/agent", site->name);
    test_pki_issue_uri(&cluster->trio.pki, file, uri, path);
    write_config(cluster, site, "site.yaml", "state");
    write_config(cluster, site, "second.yaml", "second");
    real_write_scripts(site);
}

static json_t *make_spec(const struct real_cluster *cluster)
{
    json_t *sites = json_array();

    for (int i = 0; i < cluster->site_count; i++)
        assert_int_equal(json_array_append_new(sites, json_pack("{s:s, s:i}", "name",
                                                                cluster->sites[i].name,
                                                                "priority", 100 - 10 * i)),
                         0);
    return json_pack(
        "{s:s, s:o, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i}", "name", "harbor", "sites", sites,
        "mode", "auto", "on_lag", cluster->has_readiness ? "refuse" : "allow", "lease_ttl_ms",
        REAL_TTL_MS, "fence_timeout_ms", REAL_FENCE_MS, "renew_interval_ms", REAL_RENEW_MS,
        "request_timeout_ms", REAL_REQUEST_MS, "margin_ms", 50, "retry_backoff_ms", 500);
}

void real_cluster_init(struct real_cluster *cluster, int site_count, bool has_readiness)
{
    char path[TEST_PKI_PATH_BYTES];

    memset(cluster, 0, sizeof *cluster);
    (void)signal(SIGPIPE, SIG_IGN);
    trio_init(&cluster->trio);
    (void)strcpy(cluster->dir, "/tmp/bw-life-XXXXXX");
    assert_non_null(mkdtemp(cluster->dir));
    janitor_add_dir(cluster->dir);
    cluster->site_count = site_count;
    cluster->has_readiness = has_readiness;
    for (int i = 0; i < site_count; i++)
        make_site(cluster, i);
    test_pki_issue_uri(&cluster->trio.pki, "operator.pem", "breakwater://prod/operator/ada", path);
    assert_int_equal(bw_credentials_load(cluster->trio.pki.ca_path, path, &cluster->operator, NULL),
                     BW_OK);
    cluster->spec = make_spec(cluster);
    assert_non_null(cluster->spec);
    trio_start_all(&cluster->trio, TRIO_EXECUTED);
}

/* What was killed leaves its cgroup a moment later. */
static void remove_unit(struct real_site *site)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);
    bool is_empty = false;

    while (!is_empty && bw_cgroup_is_empty(&site->unit, &is_empty, NULL) == BW_OK &&
           !patience_is_over(&patience))
        (void)usleep(LOOK_US);
    bw_cgroup_remove_if_empty(&site->unit);
}

static void end_site(const struct real_cluster *cluster, int number)
{
    struct real_site site = cluster->sites[number];

    if (site.agent > 0)
        (void)real_end(&site.agent, SIGKILL);
    if (site.second_agent > 0)
        (void)real_end(&site.second_agent, SIGKILL);
    if (site.guard > 0)
        (void)real_end(&site.guard, SIGKILL);
    if (site.enforcer > 0)
        (void)real_end(&site.enforcer, SIGKILL);
    if (site.loop > 0)
        (void)real_end(&site.loop, SIGKILL);
    if (site.systemd > 0) /* it could start the service again */
        (void)real_end(&site.systemd, SIGKILL);
    if (real_service(cluster, number) > 0)
        (void)kill(real_service(cluster, number), SIGKILL);
    if (site.has_units)
        remove_unit(&site);
    test_port_release(&site.second_port);
    janitor_clear_cgroups(site.name); /* a guard that was killed leaves them */
    janitor_forget(site.name);
}

/* The directories with all logs, beside where they were. */
static void keep_logs(const struct real_cluster *cluster)
{
    char command[512];

    (void)snprintf(command, sizeof command, "mkdir %s.kept && cp -r %s %s %s.kept", cluster->dir,
                   cluster->dir, cluster->trio.pki.dir, cluster->dir);
    print_message("%s: %s\n", system(command) == 0 ? "kept" : "cannot keep", cluster->dir);
}

void real_cluster_deinit(struct real_cluster *cluster)
{
    for (int i = 0; i < cluster->site_count; i++)
        end_site(cluster, i);
    bw_credentials_free(cluster->operator);
    json_decref(cluster->spec);
    json_decref(cluster->group);
    if (getenv("BREAKWATER_KEEP") != NULL) /* a copy: the rest is freed as ever */
        keep_logs(cluster);
    trio_deinit(&cluster->trio);
    janitor_remove_dir(cluster->dir);
    janitor_forget(cluster->dir);
}

/* ---- processes ---- */

/* In a child: what it mounts, nobody else sees. */
static bool enter_mounts(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* In the child: a machine that has booted another time, or whose systemctl is a script of ours. */
static bool enter_machine(void *user)
{
    const struct real_site *site = user;
    char boot_id[REAL_PATH_BYTES];
    char systemctl[REAL_PATH_BYTES];

    real_path(site, "boot_id", boot_id);
    real_path(site, "systemctl", systemctl);
    if (site->boot_id[0] == '\0' && !site->has_units)
        return true;
    return enter_mounts() &&
           (site->boot_id[0] == '\0' || mount(boot_id, BOOT_ID_FILE, NULL, MS_BIND, NULL) == 0) &&
           (!site->has_units || mount(systemctl, SYSTEMCTL, NULL, MS_BIND, NULL) == 0);
}

static pid_t start(struct real_site *site, enum bw_lab_role role, const char *config,
                   const char *log)
{
    char program[512];
    char config_path[REAL_PATH_BYTES];
    char log_path[REAL_PATH_BYTES];
    const struct bw_lab_daemon daemon = {.program = program,
                                         .role = role,
                                         .config = config_path,
                                         .log = log_path,
                                         .enter = enter_machine,
                                         .user = site};
    pid_t pid;

    (void)snprintf(program, sizeof program, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    real_path(site, config, config_path);
    real_path(site, log, log_path);
    assert_int_equal(bw_lab_spawn(&daemon, &pid, NULL), BW_OK);
    return pid;
}

/* A proof without its trial: a trial costs 0.2 s of processor and a start at each site of some 90 cases, and is refused where a
 * service runs already, or a script is broken on purpose. test_end_to_end, test_life_prove and the labs make real ones. */
static void write_proof(const char *config_path)
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

void real_prove(struct real_cluster *cluster, int site)
{
    char path[REAL_PATH_BYTES];

    cluster->sites[site].is_proved = true;
    real_path(&cluster->sites[site], "site.yaml", path);
    write_proof(path);
}

/* Once: what has been edited since was not tried. No kill by its guard ends what is elsewhere. */
static void prove(struct real_cluster *cluster, int site)
{
    char path[REAL_PATH_BYTES];

    real_path(&cluster->sites[site], "elsewhere", path);
    if (access(path, F_OK) != 0)
        real_prove(cluster, site);
    cluster->sites[site].is_proved = true;
}

void real_start_guard(struct real_cluster *cluster, int site)
{
    assert_int_equal(cluster->sites[site].guard, 0);
    if (!cluster->sites[site].is_proved)
        prove(cluster, site);
    cluster->sites[site].guard = start(&cluster->sites[site], BW_LAB_GUARD, "site.yaml", "guard.log");
}

void real_start_agent(struct real_cluster *cluster, int site)
{
    assert_int_equal(cluster->sites[site].agent, 0);
    cluster->sites[site].agent = start(&cluster->sites[site], BW_LAB_AGENT, "site.yaml", "agent.log");
}

void real_start_second_agent(struct real_cluster *cluster, int site)
{
    assert_int_equal(cluster->sites[site].second_agent, 0);
    cluster->sites[site].second_agent =
        start(&cluster->sites[site], BW_LAB_AGENT, "second.yaml", "second.log");
}

void real_start_sites(struct real_cluster *cluster)
{
    for (int i = 0; i < cluster->site_count; i++) {
        real_start_guard(cluster, i);
        real_start_agent(cluster, i);
        if (cluster->sites[i].has_loop)
            real_start_loop(cluster, i);
    }
}

int real_end(pid_t *pid, int signal)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);
    int status = 0;
    pid_t ended;

    assert_true(*pid > 0);
    if (signal != 0)
        assert_int_equal(kill(*pid, signal), 0);
    while ((ended = waitpid(*pid, &status, WNOHANG)) == 0) {
        if (patience_is_over(&patience))
            patience_fail("process %d ends by signal %d", (int)*pid, signal);
        (void)usleep(LOOK_US);
    }
    assert_int_equal(ended, *pid);
    *pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Something can be mounted over `path`, which exists. */
static bool can_cover(const char *path)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(enter_mounts() && mount("/etc/hostname", path, NULL, MS_BIND, NULL) == 0 ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status == 0;
}

bool real_can_fake_boot(void)
{
    if (access("/etc/machine-id", R_OK) != 0 && access("/var/lib/dbus/machine-id", R_OK) != 0)
        return false; /* after a boot nobody could tell this machine from another */
    return can_cover(BOOT_ID_FILE);
}

/* ---- the played systemd ---- */

/* In a child: starts the service whenever start.sh asks for it, each time in a cgroup that is made for it. It dies
 * with the test. */
static void play_systemd(const struct real_site *site, pid_t parent)
{
    char wanted[REAL_PATH_BYTES];
    char held[REAL_PATH_BYTES];
    char service[REAL_PATH_BYTES];
    int door;

    real_path(site, "unit_wanted", wanted);
    real_path(site, "held", held);
    real_path(site, "service.sh", service);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
    while (getppid() == parent) {
        if (access(held, F_OK) != 0 && unlink(wanted) == 0 && fork() == 0) {
            (void)rmdir(site->unit.path); /* of one that has ended */
            if (mkdir(site->unit.path, 0755) == 0 &&
                bw_cgroup_open_door(&site->unit, &door, NULL) == BW_OK && bw_cgroup_enter(door) && setsid() > 0)
                (void)execl("/bin/sh", "sh", service, (char *)NULL);
            _exit(1);
        }
        (void)usleep(LOOK_US);
    }
    _exit(0);
}

bool real_play_systemd(struct real_cluster *cluster, int number)
{
    struct real_site *site = &cluster->sites[number];
    const char *control_group;
    struct bw_diag diag = {0};
    char tag[40];
    const pid_t parent = getpid();

    (void)snprintf(tag, sizeof tag, "unit-%s", site->name);
    janitor_add_cgroups(tag);
    if (access(SYSTEMCTL, X_OK) != 0 || !can_cover(SYSTEMCTL) ||
        bw_cgroup_open(&site->unit, tag, "unit", &diag) != BW_OK) {
        print_message("no systemd can be played here: no %s, or nothing can be put over it; %s\n",
                      SYSTEMCTL, diag.text);
        return false;
    }
    (void)rmdir(site->unit.path); /* it was tried */
    control_group = site->unit.path + strlen("/sys/fs/cgroup");
    if (strncmp(control_group, "/unified/", strlen("/unified/")) == 0)
        control_group += strlen("/unified");
    real_put(cluster, number, "unit_cgroup", control_group);
    site->has_units = true;
    write_config(cluster, site, "site.yaml", "state");
    real_write_scripts(site);
    site->systemd = fork();
    assert_true(site->systemd >= 0);
    if (site->systemd == 0)
        play_systemd(site, parent);
    return true;
}

void real_use_loop(struct real_cluster *cluster, int number)
{
    struct real_site *site = &cluster->sites[number];

    assert_true(site->has_units);
    site->has_loop = true;
    write_config(cluster, site, "site.yaml", "state");
}

void real_use_remote_fence(struct real_cluster *cluster, int number)
{
    cluster->sites[number].has_remote_fence = true;
    write_config(cluster, &cluster->sites[number], "site.yaml", "state");
}

void real_use_second_enforcer(struct real_cluster *cluster, int number)
{
    struct real_site *site = &cluster->sites[number];

    test_port_take(&site->second_port);
    write_config(cluster, site, "site.yaml", "state");
    write_config(cluster, site, "enforcer.yaml", "enforcer");
}

void real_start_second_enforcer(struct real_cluster *cluster, int number, bool elsewhere)
{
    struct real_site *site = &cluster->sites[number];
    struct real_site there = *site;

    assert_int_equal(site->enforcer, 0);
    if (elsewhere) {
        real_put(cluster, number, "boot_id", "0e0e0e0e-1111-4222-8333-444444444444\n");
        (void)strcpy(there.boot_id, "0e0e0e0e-1111-4222-8333-444444444444");
    }
    site->enforcer = start(&there, BW_LAB_SECOND, "enforcer.yaml", "enforcer.log");
}

void real_start_loop(struct real_cluster *cluster, int number)
{
    struct real_site *site = &cluster->sites[number];
    char script[REAL_PATH_BYTES];

    assert_int_equal(site->loop, 0);
    real_path(site, "loop.sh", script);
    site->loop = fork();
    assert_true(site->loop >= 0);
    if (site->loop != 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execl("/bin/sh", "sh", script, (char *)NULL);
    _exit(127);
}

void real_lose_agent_state(struct real_cluster *cluster, int site)
{
    char path[REAL_PATH_BYTES];

    real_path(&cluster->sites[site], "state/agent", path);
    assert_int_equal(access(path, F_OK), 0);
    janitor_remove_dir(path);
}

void real_clear_run(struct real_cluster *cluster, int site)
{
    char path[REAL_PATH_BYTES];

    real_path(&cluster->sites[site], "run", path);
    janitor_remove_dir(path);
    assert_int_equal(mkdir(path, 0700), 0);
}
