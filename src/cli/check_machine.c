#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/words.h>
#include <breakwater/config/chrony.h>
#include <breakwater/net/address.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/revoked.h>
#include <breakwater/os/durable.h>
#include <breakwater/os/path_owner.h>
#include <breakwater/sys/cgroup.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/units.h>

/* ---- lines ---- */

static BW_WORDS(word_of, enum bw_check_verdict, BW_CHECK_VERDICT_LIST, "FAIL")

void bw_check_line(struct bw_check_lines *lines, enum bw_check_verdict verdict, const char *subject,
                   const char *format, ...)
{
    va_list args;

    lines->failed_count += verdict == BW_CHECK_FAIL;
    lines->warned_count += verdict == BW_CHECK_WARN;
    if (lines->is_quiet && verdict == BW_CHECK_OK)
        return;
    (void)printf("%-7s%-19s ", word_of(verdict), subject); /* a failed write stays in stdout */
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
}

/* ---- the user of a witness ---- */

/* 0: nobody's but root's, or not there. */
static uid_t owner_of(const char *path, gid_t *out_gid)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return 0;
    *out_gid = status.st_gid;
    return status.st_uid;
}

void bw_check_user_find(const char *key_file, const char *data_dir, struct bw_check_user *out_user)
{
    const struct passwd *entry;
    gid_t gid = 0;
    uid_t uid;

    *out_user = (struct bw_check_user){.owns = "key"};
    if (geteuid() != 0)
        return;
    uid = owner_of(key_file, &gid);
    if (uid == 0) {
        uid = owner_of(data_dir, &gid);
        out_user->owns = "data directory";
    }
    if (uid == 0)
        return;
    entry = getpwuid(uid);
    out_user->uid = uid;
    out_user->gid = entry != NULL ? entry->pw_gid : gid;
    if (entry == NULL || !bw_copy_text(out_user->name, sizeof out_user->name, entry->pw_name))
        (void)snprintf(out_user->name, sizeof out_user->name, "%u", (unsigned)uid);
}

bool bw_check_user_enter(const struct bw_check_user *user)
{
    if (user->uid == 0)
        return true;
    if (setgroups(1, &user->gid) == 0 && setegid(user->gid) == 0 && seteuid(user->uid) == 0)
        return true;
    bw_check_user_leave(user);
    return false;
}

void bw_check_user_leave(const struct bw_check_user *user)
{
    const gid_t none = 0;

    if (user->uid == 0)
        return;
    BW_ASSERT(seteuid(0) == 0 && setegid(0) == 0); /* who could become him is root still */
    (void)setgroups(1, &none); /* what is judged next is judged as root, which no group limits */
}

/* ---- the machine ---- */

#define FSYNC_COUNT    20
#define FSYNC_MEDIAN   10 /* of FSYNC_COUNT */
#define FSYNC_BYTES    4096
#define GUARD_UNIT     "breakwater-guard.service"
#define WITNESS_UNIT   "breakwater-witness.service"
#define INTERPRETER_BYTES 256 /* of a #! line the kernel reads no more */
#define BYTES_FREE_MIN (UINT64_C(256) * 1024 * 1024)

/* ---- certificates -------------------------------------------------------------------------- */

static void judge_identity(struct bw_check_lines *lines, const struct bw_credentials *credentials,
                           const struct bw_check_identity *expected)
{
    const struct bw_identity *identity = bw_credentials_identity(credentials);
    const char *cluster = expected->cluster != NULL ? expected->cluster : identity->cluster;
    const struct bw_wall now = bw_clock_wall();
    const int64_t days = bw_credentials_days_left(credentials, now);
    char text[BW_IDENTITY_TEXT_BYTES];
    struct bw_diag diag = {0};

    bw_identity_format(identity, text);
    if (bw_credentials_check(credentials, cluster, expected->roles, now, &diag) != BW_OK)
        /* NOLINTNEXTLINE(bugprone-branch-clone): in the order in which a reader mends them */
        bw_check_line(lines, BW_CHECK_FAIL, "certificate", "%s", diag.text);
    else if (expected->name != NULL && strcmp(expected->name, identity->name) != 0)
        bw_check_line(lines, BW_CHECK_FAIL, "certificate",
                      "is for %s, but the configuration says name: %s", text, expected->name);
    else if (strcmp(expected->site, identity->site) != 0)
        bw_check_line(lines, BW_CHECK_FAIL, "certificate",
                      "is for %s, but the configuration says site: %s", text, expected->site);
    else if (expected->address != NULL &&
             bw_credentials_check_address(credentials, expected->address, &diag) != BW_OK)
        bw_check_line(lines, BW_CHECK_FAIL, "certificate", "%s", diag.text);
    else
        bw_check_line(lines, days < BW_CERTIFICATE_ENDS_DAYS ? BW_CHECK_WARN : BW_CHECK_OK, "certificate",
                      "%s, %" PRId64 " days left", text, days);
}

void bw_check_certificate(struct bw_check_lines *lines, const struct bw_tls_config *tls,
                          const struct bw_check_identity *expected)
{
    struct bw_credentials *credentials = NULL;
    struct bw_diag diag = {0};

    if (bw_credentials_load(tls->ca, tls->identity, &credentials, &diag) == BW_OK &&
        bw_credentials_revoke(credentials, tls->revoked, tls->revoked_count, &diag) == BW_OK)
        judge_identity(lines, credentials, expected);
    else
        bw_check_line(lines, BW_CHECK_FAIL, "certificate", "%s", diag.text);
    bw_credentials_free(credentials);
}

void bw_check_revoked(struct bw_check_lines *lines, const char *subject,
                      const struct bw_tls_config *tls)
{
    struct bw_revoked *revoked = NULL;
    struct bw_diag diag = {0};

    if (bw_revoked_new(tls->revoked, tls->revoked_count, &revoked, &diag) != BW_OK)
        bw_check_line(lines, BW_CHECK_FAIL, subject, "tls.%s", diag.text);
    bw_revoked_free(revoked);
}

void bw_check_owners(struct bw_check_lines *lines, const struct bw_tls_config *tls)
{
    struct bw_diag diag = {0};

    if (bw_credentials_check_owners(tls->ca, tls->identity, &diag) != BW_OK)
        bw_check_line(lines, BW_CHECK_FAIL, "certificate", "%s", diag.text);
}

/* ---- scripts ------------------------------------------------------------------------------- */

void bw_check_script(struct bw_check_lines *lines, const char *subject, const char *path)
{
    char changed[BW_PATH_OWNER_BYTES];
    struct stat status;

    if (stat(path, &status) != 0)
        bw_check_line(lines, BW_CHECK_FAIL, subject, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        bw_check_line(lines, BW_CHECK_FAIL, subject, "%s is no file", path);
    else if (eaccess(path, R_OK) != 0)
        bw_check_line(lines, BW_CHECK_FAIL, subject, "%s cannot be read: %s", path,
                      strerror(errno));
    else if (bw_path_is_writable(path, changed))
        bw_check_line(lines, BW_CHECK_FAIL, subject,
                      "%s can be changed by others than root and this user: it will not be run "
                      "(chown root, chmod go-w)",
                      changed);
}

/* False: it has none, or cannot be run as it is. */
static bool read_interpreter(const char *path, char out_name[INTERPRETER_BYTES])
{
    char line[INTERPRETER_BYTES] = "";
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const ssize_t got = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    const char *name = line + 2;

    if (fd >= 0)
        (void)close(fd); /* only read from */
    if (got < 2 || memcmp(line, "#!", 2) != 0 || eaccess(path, X_OK) != 0)
        return false;
    name += strspn(name, " \t");
    (void)snprintf(out_name, INTERPRETER_BYTES, "%.*s", (int)strcspn(name, " \t\n"), name);
    return true;
}

/* To the kernel a line that was written on Windows names another file, one that ends with a
 * carriage return. */
void bw_check_interpreter(struct bw_check_lines *lines, const char *subject, const char *key,
                          const char *path)
{
    char name[INTERPRETER_BYTES];
    size_t length;

    if (!read_interpreter(path, name))
        return;
    length = strlen(name);
    if (length > 0 && name[length - 1] == '\r')
        bw_check_line(
            lines, BW_CHECK_FAIL, subject,
            "%s: the lines of %s end with a carriage return, its first one as well: it cannot be "
            "run; run  sed -i 's/\\r$//' %s",
            key, path, path);
    else if (eaccess(name, X_OK) != 0)
        bw_check_line(lines, BW_CHECK_FAIL, subject,
                      "%s: %s cannot be run: its #! line names %s: %s", key, path, name,
                      strerror(errno));
}

/* ---- directories --------------------------------------------------------------------------- */

/* Overwrites and syncs one block again and again. False with errno when that fails. */
static bool measure_fsync(int fd, uint64_t out_sorted_ns[FSYNC_COUNT])
{
    char block[FSYNC_BYTES];

    memset(block, 'b', sizeof block);
    for (size_t i = 0; i < FSYNC_COUNT; i++) {
        const struct bw_instant begin = bw_clock_now();

        errno = ENOSPC; /* what a short write means */
        if (pwrite(fd, block, sizeof block, 0) != (ssize_t)sizeof block || fsync(fd) != 0)
            return false;
        out_sorted_ns[i] = bw_instant_elapsed_ns(bw_clock_now(), begin);
    }
    qsort(out_sorted_ns, FSYNC_COUNT, sizeof out_sorted_ns[0], bw_u64_compare);
    return true;
}

static void judge_directory(struct bw_check_lines *lines, const char *subject, const char *path,
                            int fd, uint32_t fsync_ms_max)
{
    uint64_t sorted_ns[FSYNC_COUNT];
    struct statvfs space;
    uint64_t bytes_free;
    double median_ms;
    double worst_ms;

    if (!measure_fsync(fd, sorted_ns) || fstatvfs(fd, &space) != 0) {
        bw_check_line(lines, BW_CHECK_FAIL, subject, "%s: write and fsync: %s", path,
                      strerror(errno));
        return;
    }
    bytes_free = (uint64_t)space.f_bavail * space.f_frsize;
    median_ms = (double)sorted_ns[FSYNC_MEDIAN] / 1e6;
    worst_ms = (double)sorted_ns[FSYNC_COUNT - 1] / 1e6;
    if (bytes_free < BYTES_FREE_MIN)
        bw_check_line(lines, BW_CHECK_WARN, subject, "%s: only %" PRIu64 " MB free", path,
                      bytes_free / 1000000);
    bw_check_line(lines, worst_ms > fsync_ms_max ? BW_CHECK_WARN : BW_CHECK_OK, subject,
                  "%s: fsync %.1f ms, worst of %d %.1f ms (good: up to %" PRIu32
                  " ms), %.1f GB free",
                  path, median_ms, FSYNC_COUNT, worst_ms, fsync_ms_max, (double)bytes_free / 1e9);
}

bool bw_check_kept(struct bw_check_lines *lines, const char *subject, const char *path,
                   const char *below)
{
    struct bw_diag diag = {0};
    char joined[PATH_MAX];

    if (snprintf(joined, sizeof joined, "%s%s", path, below) >= (int)sizeof joined ||
        bw_path_check_dir(joined, &diag) == BW_OK)
        return true;
    bw_check_line(lines, BW_CHECK_FAIL, subject, "%s: %s", joined, diag.text);
    return false;
}

/* Whom it was judged as is this process's user now; whose it is says who is wrong. */
static void say_unwritable(struct bw_check_lines *lines, const char *subject, const char *path,
                           int why)
{
    char owner[BW_PATH_USER_BYTES] = "?";
    char self[BW_PATH_USER_BYTES];
    struct stat status;

    if (stat(path, &status) == 0)
        bw_path_user_name(status.st_uid, owner);
    bw_path_user_name(geteuid(), self);
    bw_check_line(lines, BW_CHECK_FAIL, subject,
                  "%s: cannot be used: %s; it belongs to user %s and is judged as %s: the daemon "
                  "has to run as "
                  "its owner, and so has check, if not root runs it",
                  path, strerror(why), owner, self);
}

/* The shipped units make these before a daemon begins (StateDirectory, RuntimeDirectory). */
static bool is_made_by_a_unit(const char *path)
{
    static const char *const made[] = {"/var/lib/breakwater", "/var/lib/breakwater-agent",
                                       "/run/breakwater"};

    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        if (strcmp(path, made[i]) == 0)
            return true;
    return false;
}

static bool is_missing(const char *path)
{
    struct stat status;

    return stat(path, &status) != 0 && errno == ENOENT && !is_made_by_a_unit(path);
}

bool bw_check_around(struct bw_check_lines *lines, const char *subject, const char *path)
{
    char around[PATH_MAX];
    char *end;

    if (!is_missing(path) || !bw_copy_text(around, sizeof around, path))
        return true; /* what is longer cannot be opened, which is said */
    for (end = strrchr(around, '/'); end != NULL && end > around && end[1] == '\0'; end = strrchr(around, '/'))
        *end = '\0'; /* a slash at the end is nobody's name */
    if (end == NULL || end == around)
        return true;
    *end = '\0';
    if (!is_missing(around))
        return true;
    bw_check_line(lines, BW_CHECK_FAIL, subject, "%s cannot be made: %s is missing, and no daemon makes that; run: mkdir -p %s",
                  path, around, around);
    return false;
}

void bw_check_directory(struct bw_check_lines *lines, const char *subject, const char *path,
                        const char *maker, uint32_t fsync_ms_max)
{
    char name[64];
    const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int why = errno;
    int fd;

    if (directory < 0) {
        if (why != ENOENT)
            say_unwritable(lines, subject, path, why);
        else if (bw_check_around(lines, subject, path))
            bw_check_line(lines, BW_CHECK_WARN, subject, "%s: %s; %s", path, strerror(why), maker);
        return;
    }
    (void)snprintf(name, sizeof name, ".check-%ld", (long)getpid());
    (void)unlinkat(directory, name, 0); /* of one that was killed, with the same number in a container */
    fd = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        say_unwritable(lines, subject, path, errno);
    } else {
        (void)unlinkat(directory, name, 0); /* made just above: nothing is left, however this ends */
        judge_directory(lines, subject, path, fd, fsync_ms_max);
        (void)close(fd); /* of no use to anybody */
    }
    (void)close(directory); /* read only */
}

void bw_check_snapshots(struct bw_check_lines *lines, const char *subject, const char *path)
{
    struct bw_diag diag = {0};

    if (bw_room_try_nameless(path, FSYNC_BYTES, &diag) == BW_ERR_INVALID)
        bw_check_line(lines, BW_CHECK_FAIL, subject, "%s", diag.text);
}

/* ---- timers -------------------------------------------------------------------------------- */

#define STALL_TIMERS 2000

static uint64_t measure_stall_us(void)
{
    const struct timespec timer = {.tv_nsec = BW_NS_PER_MS};
    uint64_t latest_ns = 0;

    for (int i = 0; i < STALL_TIMERS; i++) {
        const struct bw_instant begin = bw_clock_now();
        uint64_t took_ns;

        (void)nanosleep(&timer, NULL); /* a signal shortens it: it is not late then */
        took_ns = bw_instant_elapsed_ns(bw_clock_now(), begin);
        if (took_ns > BW_NS_PER_MS + latest_ns)
            latest_ns = took_ns - BW_NS_PER_MS;
    }
    return latest_ns / 1000;
}

void bw_check_stall_borne(struct bw_check_lines *lines, uint64_t *stall_us, const struct bw_spec *spec, uint32_t election_timeout_ms)
{
    const uint64_t margin_us = 1000 * (uint64_t)spec->margin_ms;
    struct bw_spec needed = *spec;
    char margin[BW_DURATION_TEXT_BYTES];
    char needed_margin[BW_DURATION_TEXT_BYTES];
    char needed_ttl[BW_DURATION_TEXT_BYTES];

    if (spec->lease_ttl_ms >= BW_CHECK_SHORT_LEASE_MS)
        return;
    if (*stall_us == UINT64_MAX)
        *stall_us = measure_stall_us();
    bw_duration_format(spec->margin_ms, margin);
    if (*stall_us <= margin_us) {
        bw_check_line(lines, BW_CHECK_OK, spec->name, "timers are up to %.1f ms late on this machine; lease_margin %s leaves %.1f ms",
                      (double)*stall_us / 1000.0, margin, (double)(margin_us - *stall_us) / 1000.0);
        return;
    }
    needed.margin_ms = (uint32_t)(2 * *stall_us / 1000 + 1);
    bw_duration_format(needed.margin_ms, needed_margin);
    bw_duration_format((uint32_t)bw_spec_lease_ttl_ms_min(&needed, election_timeout_ms), needed_ttl);
    bw_check_line(lines, BW_CHECK_FAIL, spec->name,
                  "timers are up to %.1f ms late on this machine; lease_margin %s allows less. Leases would end although nothing has "
                  "failed. Give this machine less other work, or make lease_margin at least %s and lease_ttl at least %s",
                  (double)*stall_us / 1000.0, margin, needed_margin, needed_ttl);
}

/* ---- load balancers -------------------------------------------------------------------------- */

/* 0, or why not. */
static int try_to_bind(const struct sockaddr_storage *address)
{
    const socklen_t size = address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                         : sizeof(struct sockaddr_in6);
    const int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    int why = 0;

    if (fd < 0)
        return errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, (const struct sockaddr *)address, size) != 0)
        why = errno;
    (void)close(fd); /* it was never listened on */
    return why;
}

void bw_check_health_listen(struct bw_check_lines *lines, const char *address)
{
    struct sockaddr_storage socket_address = {0};
    struct bw_address parsed;
    int why;

    if (bw_address_parse(address, &parsed, NULL) != BW_OK ||
        !bw_address_is_numeric(&parsed, &socket_address))
        return; /* said of the file */
    why = try_to_bind(&socket_address);
    if (why == 0)
        bw_check_line(lines, BW_CHECK_OK, "health_listen", "%s: free", address);
    else if (why == EADDRINUSE)
        bw_check_line(lines, BW_CHECK_OK, "health_listen",
                      "%s: in use: by this agent, if it runs; `ss -ltnp` says by whom", address);
    else
        bw_check_line(lines, BW_CHECK_FAIL, "health_listen",
                      "%s: %s: load balancers would hear nothing", address, strerror(why));
}

/* ---- means to end a service ------------------------------------------------------------------ */

void bw_check_cgroups(struct bw_check_lines *lines)
{
    struct bw_cgroup cgroup;
    struct bw_diag diag = {0};
    char tag[32];

    if (geteuid() != 0)
        return; /* what the guard may is not known */
    (void)snprintf(tag, sizeof tag, "check-%ld", (long)getpid());
    if (bw_cgroup_open(&cgroup, tag, "probe", &diag) != BW_OK) {
        bw_check_line(lines, BW_CHECK_WARN, "cgroup",
                      "%s: what scripts leave is found by its environment instead; a process that "
                      "drops that, and is no child of one that keeps it, is not seen and counts as "
                      "outside of the reach",
                      diag.text);
        return;
    }
    bw_check_line(lines, BW_CHECK_OK, "cgroup", "what scripts leave is found and ended by its cgroup");
    bw_cgroup_remove_if_empty(&cgroup);
}

FILE *bw_check_ask(const char *const *arguments, const char *const *env, pid_t *out_pid)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    *out_pid = fork();
    if (*out_pid == 0) {
        const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        for (size_t i = 0; env != NULL && env[i] != NULL; i++)
            (void)putenv((char *)env[i]); /* of no use to anybody else: this process becomes the program */
        if (dup2(null, 0) >= 0 && dup2(ends[1], 1) >= 0 && dup2(env != NULL ? ends[1] : null, 2) >= 0)
            (void)execvp(arguments[0], (char **)arguments);
        _exit(127);
    }
    (void)close(ends[1]); /* the child's */
    if (*out_pid > 0)
        return fdopen(ends[0], "re");
    (void)close(ends[0]); /* of no use */
    return NULL;
}

/* Keeps the value when the line is KEY=VALUE. */
static void take_property(const char *line, const char *key, char *out_value, size_t size)
{
    const size_t length = strlen(key);

    if (strncmp(line, key, length) == 0 && line[length] == '=' &&
        !bw_copy_text(out_value, size, line + length + 1))
        out_value[0] = '\0'; /* too long for one that we know */
}

struct unit_answer {
    struct bw_unit unit; /* what its lines say of a start by systemd itself */
    char load[32];
    char kill_mode[32];
    char file_state[32];
    char protect_system[32];
    char protect_home[32];
    char private_tmp[32];
    char state_directories[PATH_MAX]; /* below /var/lib */
    char writable[PATH_MAX];
};

static void ask_of_unit(const char *unit, struct unit_answer *out)
{
    static const char properties[] =
        BW_UNIT_PROPERTIES ",KillMode,UnitFileState,ProtectSystem,ProtectHome,PrivateTmp,StateDirectory,"
                           "ReadWritePaths";
    const char *const argv[] = {"timeout", "5", "systemctl", "show", properties, "--", unit, NULL};
    char line[PATH_MAX + 32];
    pid_t pid = -1;
    FILE *answer = bw_check_ask(argv, NULL, &pid);

    memset(out, 0, sizeof *out);
    if (answer == NULL)
        return;
    while (fgets(line, sizeof line, answer) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        bw_unit_take_line(&out->unit, line, strlen(line));
        take_property(line, "LoadState", out->load, sizeof out->load);
        take_property(line, "KillMode", out->kill_mode, sizeof out->kill_mode);
        take_property(line, "UnitFileState", out->file_state, sizeof out->file_state);
        take_property(line, "ProtectSystem", out->protect_system, sizeof out->protect_system);
        take_property(line, "ProtectHome", out->protect_home, sizeof out->protect_home);
        take_property(line, "PrivateTmp", out->private_tmp, sizeof out->private_tmp);
        take_property(line, "StateDirectory", out->state_directories, sizeof out->state_directories);
        take_property(line, "ReadWritePaths", out->writable, sizeof out->writable);
    }
    (void)fclose(answer);          /* only read from */
    (void)waitpid(pid, NULL, 0); /* what it said counts */
}

void bw_check_guard_unit(struct bw_check_lines *lines)
{
    struct unit_answer answer;

    ask_of_unit(GUARD_UNIT, &answer);
    if (strcmp(answer.load, "loaded") != 0)
        return;
    if (strcmp(answer.kill_mode, "process") == 0)
        bw_check_line(lines, BW_CHECK_OK, "unit", GUARD_UNIT ": KillMode=process, its enforcer outlives it");
    else
        bw_check_line(lines, BW_CHECK_WARN, "unit",
                      GUARD_UNIT ": KillMode=%s: systemd ends its enforcer with it, which has to keep the "
                      "deadline while no guard is there; write KillMode=process",
                      answer.kill_mode);
}

/* `list` is systemd's: names with blanks between them, each of which is below `parent`. */
static bool is_below_one(const char *path, const char *parent, const char *list)
{
    while (*(list += strspn(list, " ")) != '\0') {
        const char *name = list + strspn(list, "-+"); /* it need not be there; below the unit's own root */
        size_t length = strcspn(list, " ");
        char above[2 * PATH_MAX];

        (void)snprintf(above, sizeof above, "%s%.*s", parent, (int)(list + length - name), name);
        list += length;
        length = strlen(above);
        while (length > 0 && above[length - 1] == '/')
            length--;
        if (strncmp(path, above, length) == 0 && (path[length] == '/' || path[length] == '\0'))
            return true;
    }
    return false;
}

/* Which of its settings keeps it from what is there: systemd shows it an empty folder in its place, or none. */
static const char *hiding(const struct unit_answer *answer, const char *path)
{
    if (answer->protect_home[0] != '\0' && strcmp(answer->protect_home, "no") != 0 &&
        is_below_one(path, "", "/home /root /run/user"))
        return "ProtectHome";
    if (strcmp(answer->private_tmp, "yes") == 0 && is_below_one(path, "", "/tmp /var/tmp"))
        return "PrivateTmp";
    return NULL;
}

void bw_check_witness_unit(struct bw_check_lines *lines, const char *data_dir)
{
    struct unit_answer answer;
    char real[PATH_MAX];
    const char *path = realpath(data_dir, real) != NULL ? real : data_dir;
    const char *hides;

    ask_of_unit(WITNESS_UNIT, &answer);
    if (strcmp(answer.load, "loaded") != 0)
        return;
    hides = hiding(&answer, path);
    if (hides != NULL)
        bw_check_line(lines, BW_CHECK_WARN, "unit",
                      WITNESS_UNIT ": %s=: it does not see %s; name another data_dir, or run  systemctl edit " WITNESS_UNIT
                                   "  and write [Service] %s=no",
                      hides, path, hides);
    if (strcmp(answer.protect_system, "strict") == 0 && !is_below_one(path, "/var/lib/", answer.state_directories) &&
        !is_below_one(path, "", answer.writable))
        bw_check_line(lines, BW_CHECK_WARN, "unit",
                      WITNESS_UNIT ": ProtectSystem=strict: it may not write to %s; run  systemctl edit " WITNESS_UNIT
                                   "  and write [Service] ReadWritePaths=%s",
                      path, path);
}

void bw_check_service_unit(struct bw_check_lines *lines, const char *group, const char *unit)
{
    struct unit_answer answer;
    const char *again;

    ask_of_unit(unit, &answer);
    again = bw_unit_comes_again(&answer.unit);
    if (strcmp(answer.load, "not-found") == 0)
        bw_check_line(lines, BW_CHECK_WARN, group, "%s: systemd knows no such unit", unit);
    if (again != NULL)
        bw_check_line(lines, BW_CHECK_WARN, group,
                      "%s: %s: systemd starts it again after its end, so it counts as outside of the "
                      "reach and time alone does not hand it over; write Restart=no without "
                      "RestartForceExitStatus=, and mask what triggers or upholds it",
                      unit, again);
    if (strncmp(answer.file_state, "enabled", strlen("enabled")) == 0)
        bw_check_line(lines, BW_CHECK_WARN, group,
                      "%s: is enabled: it starts with the machine, without a lease; run  systemctl "
                      "disable %s",
                      unit, unit);
}

/* ---- clocks -------------------------------------------------------------------------------- */

void bw_check_chrony(struct bw_check_lines *lines, uint32_t drift_ppm_max, bool is_of_groups)
{
    const char *of = is_of_groups ? "" : ", as groups do that do not set it: name their file, too, to have it compared";
    struct bw_diag diag = {0};
    struct bw_chrony_slew slew;
    const enum bw_err err = bw_chrony_slew(BW_CHRONY_FILE, &slew, &diag);

    if (err == BW_ERR_NOT_FOUND && access(BW_CHRONY_FILE, F_OK) != 0)
        return; /* no chrony: nothing to say */
    if (err != BW_OK)
        bw_check_line(lines, BW_CHECK_WARN, "clock", "how fast chrony may turn it is not known: %s", diag.text);
    else if (slew.ppm > drift_ppm_max)
        bw_check_line(lines, BW_CHECK_WARN, "clock",
                      "chrony may turn the clock by %" PRIu32 " ppm, max_clock_drift_ppm allows "
                      "for %" PRIu32 "%s; set \"maxslewrate %" PRIu32 "\" in %s",
                      slew.ppm, drift_ppm_max, of, drift_ppm_max / 2, slew.file[0] != '\0' ? slew.file : BW_CHRONY_FILE);
    else
        bw_check_line(lines, BW_CHECK_OK, "clock",
                      "chrony may turn the clock by %" PRIu32 " ppm, max_clock_drift_ppm allows "
                      "for %" PRIu32 "%s",
                      slew.ppm, drift_ppm_max, of);
}

static void check_container(struct bw_check_lines *lines, const char *group,
                            const struct bw_unit *container)
{
    const char *again = bw_unit_comes_again(container);

    if (again != NULL)
        bw_check_line(lines, BW_CHECK_WARN, group,
                      "%s: %s: it is started again after its end, so it counts as outside of the "
                      "reach and time alone does not hand it over; write  restart: \"no\"  for it "
                      "in the compose file, and start the project again",
                      container->name, again);
    if (container->activity == BW_UNIT_UP && container->cgroup[0] == '\0')
        bw_check_line(lines, BW_CHECK_WARN, group,
                      "%s: runs in no cgroup of its own, where the guard could end it",
                      container->name);
}

/* A project is known by its name alone, which is that of its folder where none is given: two
 * folders of one name are one project to whoever ends it. */
static void check_folders(struct bw_check_lines *lines, const char *group, const char *tool,
                          const char *project)
{
    char label[128];
    char first[1024] = "";
    char line[1024];
    pid_t pid = -1;
    FILE *answer;

    (void)snprintf(label, sizeof label, "label=com.docker.compose.project=%s", project);
    answer = bw_check_ask(
        (const char *const[]){"timeout", "10", tool, "ps", "-a", "--filter", label, "--format",
                              "{{.Label \"com.docker.compose.project.working_dir\"}}", NULL},
        NULL, &pid);
    if (answer == NULL)
        return; /* the look before has said that nothing is known */
    while (fgets(line, sizeof line, answer) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (first[0] == '\0')
            (void)bw_copy_text(first, sizeof first, line); /* of the same size */
        if (strcmp(line, first) == 0 || line[0] == '\0')
            continue;
        bw_check_line(
            lines, BW_CHECK_WARN, group,
            "%s: its containers are of more than one folder, %s and %s: two projects of one "
            "name, and the guard would end both; write  name:  into one of the compose "
            "files, or start it with -p",
            project, first, line);
        break;
    }
    (void)fclose(answer); /* only read from */
    (void)waitpid(pid, NULL, 0);
}

void bw_check_service_containers(struct bw_check_lines *lines, const char *group, const char *tool,
                                 const char *project)
{
    static struct bw_unit seen[BW_UNITS_SEEN_MAX];
    char line[1024];
    size_t count = 0;
    bool is_understood = true;
    int status = -1;
    pid_t pid = -1;
    FILE *answer;

    if (tool == NULL)
        tool = bw_units_find_tool(BW_UNITS_OF_COMPOSE);
    if (tool == NULL) {
        bw_check_line(lines, BW_CHECK_FAIL, group,
                      "stop_method: containers: no docker here, nor podman (which was not tried)");
        return;
    }
    answer = bw_check_ask((const char *const[]){"timeout", "10", "sh", "-c", bw_containers_look,
                                                "look", tool, project, NULL},
                          NULL, &pid);
    while (answer != NULL && fgets(line, sizeof line, answer) != NULL)
        is_understood = bw_container_take_line(seen, BW_UNITS_SEEN_MAX, &count, line,
                                               strcspn(line, "\n")) &&
                        is_understood;
    if (answer != NULL) {
        (void)fclose(answer); /* only read from */
        (void)waitpid(pid, &status, 0);
    }
    if (status != 0)
        bw_check_line(lines, BW_CHECK_FAIL, group,
                      "%s: %s does not say which containers it has: without that the site is not "
                      "eligible. For a dockerd at another socket write container_tool: in site.yaml, the path of a wrapper that sets DOCKER_HOST",
                      project, tool);
    else if (!is_understood)
        bw_check_line(lines, BW_CHECK_FAIL, group,
                      "%s: what %s says of its containers is not understood, or they are more than "
                      "%d",
                      project, tool, BW_UNITS_SEEN_MAX);
    else if (count == 0)
        bw_check_line(lines, BW_CHECK_WARN, group,
                      "%s: %s has no container of this project: if that is not its name (label "
                      "com.docker.compose.project), nothing that serves is inside of the reach",
                      project, tool);
    for (size_t i = 0; status == 0 && i < count; i++)
        check_container(lines, group, &seen[i]);
    if (status == 0 && count > 0)
        check_folders(lines, group, tool, project);
}
