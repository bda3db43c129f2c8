#include <breakwater/lab/files.h>

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <breakwater/base/instant.h>

#define OPEN_DIRS_MAX 16
#define LINE_BYTES    512
#define TICKS_PER_S   100 /* of /proc/PID/stat: USER_HZ, a constant of the kernel's interface */

/* ---- writing --------------------------------------------------------------------------------- */

enum bw_err bw_lab_path(char out[BW_LAB_PATH_BYTES], const char *dir, const char *name,
                        struct bw_diag *diag)
{
    const size_t dir_size = strlen(dir);
    const size_t name_size = strlen(name) + 1;

    if (dir_size + 1 + name_size > BW_LAB_PATH_BYTES)
        return bw_diag_set(diag, BW_ERR_LIMIT, "path longer than %d bytes: %s/%s",
                           BW_LAB_PATH_BYTES - 1, dir, name);
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the name, copied behind it, ends it */
    memmove(out, dir, dir_size); /* `dir` may be of the same struct as `out` */
    out[dir_size] = '/';
    memcpy(out + dir_size + 1, name, name_size);
    return BW_OK;
}

enum bw_err bw_lab_make_dir(const char *path, struct bw_diag *diag)
{
    return mkdir(path, 0755) == 0 ? BW_OK : bw_diag_errno(diag, errno, "create %s", path);
}

enum bw_err bw_lab_write(const char *path, struct bw_diag *diag, const char *format, ...)
{
    char fresh[BW_LAB_PATH_BYTES + 8];
    va_list values;
    FILE *file;
    bool is_written;

    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    file = fopen(fresh, "we");
    if (file == NULL)
        return bw_diag_errno(diag, errno, "create %s", fresh);
    va_start(values, format);
    is_written = vfprintf(file, format, values) >= 0;
    va_end(values);
    if (fclose(file) != 0 || !is_written || rename(fresh, path) != 0)
        return bw_diag_errno(diag, errno, "write %s", path);
    return BW_OK;
}

enum bw_err bw_lab_write_script(const char *dir, const char *name, const char *head,
                                const char *body, struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(path, dir, name, diag);

    if (err == BW_OK)
        err = bw_lab_write(path, diag, "%s%s", head, body);
    if (err == BW_OK && chmod(path, 0755) != 0)
        err = bw_diag_errno(diag, errno, "chmod %s", path);
    return err;
}

/* ---- reading, removing ----------------------------------------------------------------------- */

uint32_t bw_lab_count_lines(const char *path, const char *word)
{
    FILE *file = fopen(path, "re");
    char line[LINE_BYTES];
    uint32_t count = 0;

    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        count += word == NULL ||
                 (strncmp(line, word, strlen(word)) == 0 && line[strlen(word)] == ' ');
    (void)fclose(file); /* only read from */
    return count;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    (void)remove(path); /* what cannot be removed stays, and its folders with it */
    return 0;
}

void bw_lab_remove_tree(const char *dir)
{
    (void)nftw(dir, remove_one, OPEN_DIRS_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* ---- a service ------------------------------------------------------------------------------- */

/* To the tick, or beside: a shift is no whole number of ticks. */
static bool is_same_start(uint64_t written_ticks, uint64_t our_ticks, int64_t clock_shift_ns)
{
    const int64_t shift_ticks = clock_shift_ns / (int64_t)(BW_NS_PER_S / TICKS_PER_S);
    const int64_t difference = (int64_t)(written_ticks - our_ticks) - shift_ticks;

    return clock_shift_ns == 0 ? difference == 0 : difference >= -1 && difference <= 1;
}

bool bw_lab_read_service(const char *pid_file, int64_t clock_shift_ns,
                         struct bw_process *out_process)
{
    FILE *file = fopen(pid_file, "re");
    struct bw_diag diag = {0};
    char line[64] = "";
    char *rest = NULL;
    long pid;

    if (file == NULL)
        return false;
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0'; /* nothing in it: no process */
    (void)fclose(file); /* only read from */
    pid = strtol(line, &rest, 10);
    return pid > 0 && pid <= INT32_MAX &&
           bw_process_read((pid_t)pid, out_process, &diag) == BW_OK &&
           is_same_start(strtoull(rest, NULL, 10), out_process->start_ticks, clock_shift_ns) &&
           !out_process->is_dead;
}
