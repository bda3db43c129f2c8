#include <breakwater/sys/cgroup.h>

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>

#define TOP_PREFIX "breakwater-"
#define DEPTH_MAX  16 /* of what a service may build below its own cgroup */
#define ROUNDS_MAX 8  /* of one KILL, or move, over lists that grow while they are read */

static int open_file(const char *dir, const char *name, int flags)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", dir, name);

    if (length < 0 || (size_t)length >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, flags | O_CLOEXEC);
}

/* ---- where ----------------------------------------------------------------------------------- */

/* The mount point of a mountinfo line of a cgroup2 file system: field 5; the type follows " - "
 * (proc(5)). Mount points with escaped characters are passed over. */
static bool parse_mount(const char *line, char out_point[256])
{
    const char *type = strstr(line, " - ");

    return type != NULL && strncmp(type + 3, "cgroup2 ", 8) == 0 &&
           sscanf(line, "%*s %*s %*s %*s %255s", out_point) == 1 && strchr(out_point, '\\') == NULL;
}

#define LINE_V2      "0::/"
#define LINE_SYSTEMD ":name=systemd:/" /* where version 1 is in use still */

/* The cgroup of a process in a hierarchy, by its line "0::/path". "" when it is the top or not shown. */
static void path_of(const char *process, const char *hierarchy, char out_path[BW_CGROUP_ROOT_BYTES])
{
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(process, "re");

    out_path[0] = '\0';
    if (file == NULL)
        return;
    while (getline(&line, &size, file) > 0) {
        const char *at = strstr(line, hierarchy);

        line[strcspn(line, "\n")] = '\0';
        if (at != NULL && at[strlen(hierarchy)] != '\0') /* too long: then only the top is tried */
            (void)bw_copy_text(out_path, BW_CGROUP_ROOT_BYTES, at + strlen(hierarchy) - 1);
    }
    free(line);
    (void)fclose(file); /* only read from */
}

static enum bw_err make_dir(struct bw_cgroup *cgroup, const char *parent, const char *prefix,
                            const char *name, struct bw_diag *diag)
{
    int length = snprintf(cgroup->path, sizeof cgroup->path, "%s/%s%s", parent, prefix, name);
    enum bw_err err = BW_OK;

    if (length < 0 || (size_t)length >= sizeof cgroup->path)
        err = bw_diag_set(diag, BW_ERR_LIMIT, "cgroup path longer than %zu bytes",
                          sizeof cgroup->path - 1);
    else if (mkdir(cgroup->path, 0755) != 0 && errno != EEXIST)
        err = bw_diag_errno(diag, errno, "create cgroup %s", cgroup->path);
    if (err != BW_OK)
        cgroup->path[0] = '\0';
    return err;
}

static enum bw_err place(struct bw_cgroup *cgroup, const char *point, const char *tag,
                         const char *name, struct bw_diag *diag)
{
    const int length = snprintf(cgroup->path, sizeof cgroup->path, "%s/" TOP_PREFIX "%s/%s", point, tag, name);

    if (length >= 0 && (size_t)length < sizeof cgroup->path)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_LIMIT, "cgroup path longer than %zu bytes", sizeof cgroup->path - 1);
}

static enum bw_err open_in(struct bw_cgroup *cgroup, const char *parent, const char *tag,
                           const char *name, struct bw_diag *diag)
{
    struct bw_cgroup top;
    int door = -1;
    enum bw_err err = make_dir(&top, parent, TOP_PREFIX, tag, diag);

    if (err == BW_OK)
        err = bw_cgroup_open_below(cgroup, &top, name, diag);
    if (err == BW_OK)
        err = bw_cgroup_open_door(cgroup, &door, diag);
    if (err == BW_OK)
        (void)close(door); /* only tried */
    else
        cgroup->path[0] = '\0';
    return err;
}

/* At the top of a mount, or else below our own cgroup in it. */
static enum bw_err make_in(struct bw_cgroup *cgroup, const char *point, const char *tag, const char *name,
                           struct bw_diag *diag)
{
    char own[256], below[512];
    enum bw_err err = open_in(cgroup, point, tag, name, diag);

    if (err == BW_OK)
        return BW_OK;
    path_of("/proc/self/cgroup", LINE_V2, own);
    (void)snprintf(below, sizeof below, "%s%s", point, own); /* fits: 255 + 255 */
    return own[0] != '\0' ? open_in(cgroup, below, tag, name, diag) : err;
}

static enum bw_err find_in(struct bw_cgroup *cgroup, const char *point, const char *tag, const char *name,
                           struct bw_diag *diag)
{
    int door = -1;
    enum bw_err err = place(cgroup, point, tag, name, diag);

    if (err == BW_OK)
        err = bw_cgroup_open_door(cgroup, &door, diag);
    if (err == BW_OK)
        (void)close(door); /* only tried */
    return err;
}

/* In the first mount in which `try` succeeds. BW_ERR_NOT_FOUND: why it did not in the last one. */
static enum bw_err try_mounts(struct bw_cgroup *cgroup, const char *tag, const char *name,
                              enum bw_err (*try)(struct bw_cgroup *, const char *, const char *, const char *,
                                                 struct bw_diag *),
                              struct bw_diag *diag)
{
    char point[256];
    char *line = NULL;
    size_t size = 0;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    enum bw_err err = bw_diag_set(diag, BW_ERR_NOT_FOUND,
                                  "no cgroup2 file system is mounted on this machine");

    cgroup->path[0] = '\0';
    if (mounts == NULL)
        return bw_diag_errno(diag, errno, "open /proc/self/mountinfo");
    while (err != BW_OK && getline(&line, &size, mounts) > 0)
        if (parse_mount(line, point))
            err = try(cgroup, point, tag, name, diag);
    free(line);
    (void)fclose(mounts); /* only read from */
    if (err == BW_OK)
        return BW_OK;
    cgroup->path[0] = '\0';
    return BW_ERR_NOT_FOUND;
}

enum bw_err bw_cgroup_open(struct bw_cgroup *cgroup, const char *tag, const char *name,
                           struct bw_diag *diag)
{
    struct bw_diag why = {0};
    const enum bw_err err = try_mounts(cgroup, tag, name, make_in, &why);

    return err == BW_OK ? BW_OK : bw_diag_set(diag, err, err == BW_ERR_NOT_FOUND ? "no writable cgroup: %s" : "%s", why.text);
}

enum bw_err bw_cgroup_find_made(struct bw_cgroup *cgroup, const char *tag, const char *name,
                                struct bw_diag *diag)
{
    return try_mounts(cgroup, tag, name, find_in, diag);
}

/* Where a mountinfo line mounts the hierarchy that systemd keeps its units in: cgroup2, or the
 * hierarchy of that name where the machine still uses version 1. */
static bool parse_systemd_mount(const char *line, char out_point[256])
{
    return parse_mount(line, out_point) ||
           (strstr(line, " - cgroup ") != NULL && strstr(line, "name=systemd") != NULL &&
            sscanf(line, "%*s %*s %*s %*s %255s", out_point) == 1);
}

enum bw_err bw_cgroup_find(struct bw_cgroup *cgroup, const char *control_group,
                           struct bw_diag *diag)
{
    char point[256];
    char *line = NULL;
    size_t size = 0;
    int fd = -1;
    int os_errno = 0; /* that one could not be opened does not say that there is none */
    FILE *mounts = fopen("/proc/self/mountinfo", "re");

    cgroup->path[0] = '\0';
    if (mounts == NULL)
        return bw_diag_errno(diag, errno, "open /proc/self/mountinfo");
    while (fd < 0 && getline(&line, &size, mounts) > 0) {
        int length = 0;

        if (parse_systemd_mount(line, point))
            length = snprintf(cgroup->path, sizeof cgroup->path, "%s%s", point, control_group);
        if (length > 0 && (size_t)length < sizeof cgroup->path)
            fd = open_file(cgroup->path, "cgroup.procs", O_RDONLY);
        if (length > 0 && fd < 0 && errno != ENOENT)
            os_errno = errno;
    }
    free(line);
    (void)fclose(mounts); /* only read from */
    if (fd < 0) {
        cgroup->path[0] = '\0';
        if (os_errno != 0)
            return bw_diag_errno(diag, os_errno, "open cgroup %s", control_group);
        return bw_diag_set(diag, BW_ERR_NOT_FOUND, "no cgroup %s", control_group);
    }
    (void)close(fd); /* only tried */
    return BW_OK;
}

enum bw_err bw_cgroup_place(struct bw_cgroup *cgroup, const char *control_group,
                            struct bw_diag *diag)
{
    char above[sizeof cgroup->path];
    size_t bytes = strlen(control_group);
    size_t used;
    enum bw_err err = BW_ERR_NOT_FOUND;

    if (!bw_copy_text(above, sizeof above, control_group))
        return bw_diag_set(diag, BW_ERR_LIMIT, "cgroup path longer than %zu bytes", sizeof above - 1);
    for (;;) {
        const char *end;

        err = bw_cgroup_find(cgroup, above, diag);
        end = strrchr(above, '/');
        if (err != BW_ERR_NOT_FOUND || end == NULL)
            break;
        bytes = (size_t)(end - above);
        above[bytes] = '\0';
    }
    if (err != BW_OK)
        return err;
    used = strlen(cgroup->path);
    if (used + strlen(control_group + bytes) >= sizeof cgroup->path)
        return bw_diag_set(diag, BW_ERR_LIMIT, "cgroup path longer than %zu bytes",
                           sizeof cgroup->path - 1);
    memcpy(cgroup->path + used, control_group + bytes, strlen(control_group + bytes) + 1);
    return BW_OK;
}

/* As systemd finds it: the cgroup of the first process, without what it has made for itself. */
void bw_cgroup_manager_root(char out_root[BW_CGROUP_ROOT_BYTES])
{
    static const char own[] = "/init.scope";
    size_t bytes;

    path_of("/proc/1/cgroup", LINE_V2, out_root);
    if (out_root[0] == '\0')
        path_of("/proc/1/cgroup", LINE_SYSTEMD, out_root);
    bytes = strlen(out_root);
    if (bytes >= strlen(own) && strcmp(out_root + bytes - strlen(own), own) == 0)
        out_root[bytes - strlen(own)] = '\0';
}

enum bw_err bw_cgroup_open_below(struct bw_cgroup *cgroup, const struct bw_cgroup *parent,
                                 const char *name, struct bw_diag *diag)
{
    return make_dir(cgroup, parent->path, "", name, diag);
}

bool bw_cgroup_make_again(const struct bw_cgroup *cgroup)
{
    char path[sizeof cgroup->path];
    bool is_there = false;

    memcpy(path, cgroup->path, sizeof path);
    for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(path, 0755); /* most of them are there; the last one tells */
        *at = '/';
    }
    is_there = mkdir(path, 0755) == 0 || errno == EEXIST;
    return is_there;
}

/* `breakwater-<tag>`, once its last group is gone. */
static void remove_top_of(char *path)
{
    char *name = strrchr(path, '/');
    const char *top;

    *name = '\0';
    top = strrchr(path, '/');
    if (top != NULL && strncmp(top + 1, TOP_PREFIX, sizeof TOP_PREFIX - 1) == 0)
        (void)rmdir(path); /* EBUSY, ENOTEMPTY: another group is in it */
}

/* Sub-directories first, as fts gives them after their contents; a populated one refuses. */
void bw_cgroup_remove_if_empty(struct bw_cgroup *cgroup)
{
    char *const paths[] = {cgroup->path, NULL};
    FTS *walk;
    FTSENT *entry;

    if (cgroup->path[0] == '\0')
        return;
    walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    while (walk != NULL && (entry = fts_read(walk)) != NULL) {
        if (entry->fts_info == FTS_D && entry->fts_level > DEPTH_MAX)
            (void)fts_set(walk, entry, FTS_SKIP); /* its parent then stays: an empty cgroup */
        else if (entry->fts_info == FTS_DP)
            (void)rmdir(entry->fts_path); /* EBUSY: something runs in it; it stays */
    }
    if (walk != NULL)
        (void)fts_close(walk); /* only read from */
    remove_top_of(cgroup->path);
    cgroup->path[0] = '\0';
}

/* ---- in and out ------------------------------------------------------------------------------ */

enum bw_err bw_cgroup_open_door(const struct bw_cgroup *cgroup, int *out_fd, struct bw_diag *diag)
{
    int fd = open_file(cgroup->path, "cgroup.procs", O_WRONLY);

    if (fd < 0)
        return bw_diag_errno(diag, errno, "open %s/cgroup.procs", cgroup->path);
    *out_fd = fd;
    return BW_OK;
}

bool bw_cgroup_enter(int door)
{
    return write(door, "0", 1) == 1; /* 0: the process that writes (cgroups(7)) */
}

void bw_cgroup_thaw(const struct bw_cgroup *cgroup)
{
    char state = '0';
    const int fd = open_file(cgroup->path, "cgroup.freeze", O_RDWR);

    if (fd < 0)
        return; /* before Linux 5.2, or gone */
    if (pread(fd, &state, 1, 0) == 1 && state != '0')
        (void)!pwrite(fd, "0", 1, 0); /* refused: who is begun there says that it never came to its script */
    (void)close(fd); /* the kernel acted at the write */
}

struct visit {
    int signal;
    const char *but; /* the path of one that is passed over; NULL: none is */
    const int *door; /* of the cgroup to which each is moved; NULL: none is */
    pid_t *pids;
    size_t pids_max;
    size_t count;
};

static enum bw_err visit_procs(const char *dir, bool is_below, struct visit *visit, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;
    char line[32];
    FILE *file;
    int fd = open_file(dir, "cgroup.procs", O_RDONLY);

    if (fd < 0 && errno == ENOENT)
        return BW_OK; /* removed while we walk: then it was empty */
    file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL) {
        err = bw_diag_errno(diag, errno, "open %s/cgroup.procs", dir);
        if (fd >= 0)
            (void)close(fd); /* only read from */
        return err;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        long pid = strtol(line, NULL, 10);

        if (visit->count < visit->pids_max)
            visit->pids[visit->count] = (pid_t)pid;
        visit->count++;
        /* A pid is reused only after the counter went all the way round: not between the kernel's
         * answer and this line. 0 is a process outside our pid namespace: kill(0) would be us. */
        if (visit->signal != 0 && pid > 0 && kill((pid_t)pid, visit->signal) != 0 && errno != ESRCH)
            err = bw_diag_errno(diag, errno, "signal process %ld", pid);
        if (visit->door != NULL && pid == 0) /* ... and a written 0 moves us */
            err = bw_diag_set(diag, BW_ERR_REFUSED, "%s holds a process of another pid namespace", dir);
        else if (visit->door != NULL && dprintf(*visit->door, "%ld", pid) < 0 && errno != ESRCH)
            err = bw_diag_errno(diag, errno, "move process %ld", pid);
    }
    /* ENODEV: removed while we read; then it was empty. EOPNOTSUPP: a threaded one, whose processes the nearest above it
     * lists that is none (cgroups(7)); where the walk began at that one, it has seen them there. */
    if (ferror(file) && errno != ENODEV && !(is_below && errno == EOPNOTSUPP) && err == BW_OK)
        err = bw_diag_errno(diag, errno, "read %s/cgroup.procs", dir);
    (void)fclose(file); /* only read from */
    return err;
}

/* One that is gone since is empty; one that could not be listed, for want of a descriptor, may not be. */
static bool is_unseen(const FTSENT *entry)
{
    return (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS) &&
           entry->fts_errno != ENOENT && entry->fts_errno != ENODEV;
}

static enum bw_err walk_procs(const struct bw_cgroup *cgroup, struct visit *visit,
                              struct bw_diag *diag)
{
    char *const paths[] = {(char *)cgroup->path, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    enum bw_err first = BW_OK;
    const FTSENT *entry;

    if (walk == NULL)
        return bw_diag_errno(diag, errno, "walk %s", cgroup->path);
    while ((entry = fts_read(walk)) != NULL) {
        enum bw_err err = BW_OK;

        if (entry->fts_info != FTS_D && !is_unseen(entry))
            continue;
        if (visit->but != NULL && strcmp(entry->fts_path, visit->but) == 0) {
            (void)fts_set(walk, (FTSENT *)entry, FTS_SKIP);
            continue;
        }
        if (is_unseen(entry))
            err = bw_diag_errno(diag, entry->fts_errno, "list %s", entry->fts_path);
        else if (entry->fts_level > DEPTH_MAX)
            err = bw_diag_set(diag, BW_ERR_LIMIT, "%s: cgroups nested deeper than %d", cgroup->path,
                              DEPTH_MAX);
        else
            err = visit_procs(entry->fts_path, entry->fts_level > 0, visit, diag);
        if (first == BW_OK)
            first = err;
        if (err == BW_ERR_LIMIT)
            break;
    }
    (void)fts_close(walk); /* only read from */
    return first;
}

enum bw_err bw_cgroup_move(const struct bw_cgroup *cgroup, const struct bw_cgroup *to, struct bw_diag *diag)
{
    struct visit visit = {.count = 1};
    int door = -1;
    enum bw_err err = bw_cgroup_open_door(to, &door, diag);

    for (int round = 0; round < ROUNDS_MAX && err == BW_OK && visit.count > 0; round++) {
        visit = (struct visit){.door = &door};
        err = visit_procs(cgroup->path, false, &visit, diag);
    }
    if (door >= 0)
        (void)close(door); /* the kernel acted at each write */
    if (err == BW_OK && visit.count > 0)
        err = bw_diag_set(diag, BW_ERR_TIMEOUT, "%s: processes are found there after %d rounds", cgroup->path, ROUNDS_MAX);
    return err;
}

bool bw_cgroup_kill_all(const struct bw_cgroup *cgroup)
{
    const int fd = open_file(cgroup->path, "cgroup.kill", O_WRONLY);
    const bool is_done = fd >= 0 && write(fd, "1", 1) == 1;

    if (fd >= 0)
        (void)close(fd); /* the kernel acted at the write */
    return is_done;
}

enum bw_err bw_cgroup_signal(const struct bw_cgroup *cgroup, int signal, struct bw_diag *diag)
{
    struct visit visit = {.signal = signal};

    if (signal == SIGKILL && bw_cgroup_kill_all(cgroup))
        return BW_OK; /* else before Linux 5.14: one by one */
    return walk_procs(cgroup, &visit, diag);
}

void bw_cgroup_kill_listed(const struct bw_cgroup *cgroup)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        struct visit visit = {.signal = SIGKILL};

        (void)walk_procs(cgroup, &visit, NULL); /* what it could not kill another round may */
        if (visit.count == 0)
            return;
    }
}

static enum bw_err list(const struct bw_cgroup *cgroup, struct visit *visit, size_t *out_count,
                        struct bw_diag *diag)
{
    enum bw_err err = walk_procs(cgroup, visit, diag);

    if (err == BW_OK)
        *out_count = visit->count;
    return err;
}

// NOLINTNEXTLINE(readability-non-const-parameter): written to through the visit
enum bw_err bw_cgroup_list(const struct bw_cgroup *cgroup, pid_t *out_pids, size_t pids_max,
                           size_t *out_count, struct bw_diag *diag)
{
    return list(cgroup, &(struct visit){.pids = out_pids, .pids_max = pids_max}, out_count, diag);
}

// NOLINTNEXTLINE(readability-non-const-parameter): written to through the visit
enum bw_err bw_cgroup_list_but(const struct bw_cgroup *cgroup, const struct bw_cgroup *but, pid_t *out_pids,
                               size_t pids_max, size_t *out_count, struct bw_diag *diag)
{
    return list(cgroup, &(struct visit){.but = but->path, .pids = out_pids, .pids_max = pids_max}, out_count, diag);
}

enum bw_err bw_cgroup_is_empty(const struct bw_cgroup *cgroup, bool *out_empty,
                               struct bw_diag *diag)
{
    char text[256];
    const char *line;
    ssize_t got;
    int os_errno;
    int fd = open_file(cgroup->path, "cgroup.events", O_RDONLY);

    if (fd < 0)
        return bw_diag_errno(diag, errno, "open %s/cgroup.events", cgroup->path);
    got = read(fd, text, sizeof text - 1);
    os_errno = errno;
    (void)close(fd); /* only read from */
    if (got < 0)
        return bw_diag_errno(diag, os_errno, "read %s/cgroup.events", cgroup->path);
    text[got] = '\0';
    line = strstr(text, "populated ");
    if (line == NULL || (line[10] != '0' && line[10] != '1'))
        return bw_diag_set(diag, BW_ERR_INVALID, "%s/cgroup.events does not say populated",
                           cgroup->path);
    *out_empty = line[10] == '0';
    return BW_OK;
}
