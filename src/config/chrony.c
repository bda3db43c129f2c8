#include <breakwater/config/chrony.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#define LINE_BYTES 1024 /* chrony's own limit is lower; the rest of a longer line is another line  \
                         */
#define SLEW_PPM_MAX   1000000.0 /* at which a clock could stand still */
#define LEVELS_MAX     10        /* of files that include each other: chrony's own, too */
#define DIRS_MAX       10        /* of one confdir, likewise */
#define FILES_MAX      256
#define LINES_MAX      100000 /* of all: a file of /proc may have no end */
#define FILE_BYTES_MAX (1 << 20)
#define SPACE          " \t\r\n"

/* One file that is read, and what its newest line includes. */
struct level {
    FILE *in;
    char path[BW_CHRONY_PATH_BYTES];
    glob_t found;
    size_t next;      /* `include`: of `found` */
    const char *last; /* `confdir`: the name of that which was read last; NULL: none yet */
    bool is_including;
    bool is_confdir;
};

struct reading {
    struct level levels[LEVELS_MAX];
    unsigned depth;
    unsigned files;
    unsigned lines;
    struct bw_chrony_slew slew;
    struct bw_diag *diag;
};

/* `DIRECTIVE VALUE` with any white space. False: a line about something else. */
static bool is_line(const char *line, const char *directive, const char **out_value)
{
    const size_t length = strlen(directive);

    line += strspn(line, " \t");
    if (strncasecmp(line, directive, length) != 0 || strchr(" \t", line[length]) == NULL)
        return false;
    *out_value = line + length + strspn(line + length, " \t");
    return true;
}

static enum bw_err read_value(struct reading *reading, const char *file, const char *value)
{
    struct bw_chrony_slew *slew = &reading->slew;
    char *end;
    const double ppm = strtod(value, &end);

    if (end == value || end[strspn(end, SPACE)] != '\0' || !(ppm >= 0 && ppm <= SLEW_PPM_MAX))
        return bw_diag_set(reading->diag, BW_ERR_INVALID, "%s: maxslewrate is not 0 to 1000000 ppm", file);
    slew->ppm = (uint32_t)ppm;
    if ((double)slew->ppm < ppm)
        slew->ppm++;
    BW_ASSERT(bw_copy_text(slew->file, sizeof slew->file, file));
    return BW_OK;
}

/* ---- what a line includes -------------------------------------------------------------------- */

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* As chrony: a pattern that meets nothing includes nothing. */
static enum bw_err look_for(struct reading *reading, const char *pattern, bool is_more)
{
    struct level *level = &reading->levels[reading->depth - 1];
    const int rv = glob(pattern, is_more ? GLOB_APPEND : 0, NULL, &level->found);

    if (rv == 0 || rv == GLOB_NOMATCH)
        return BW_OK;
    return bw_diag_set(reading->diag, BW_ERR_NOMEM, "%s: list %s", level->path, pattern);
}

static enum bw_err begin_include(struct reading *reading, char *value)
{
    struct level *level = &reading->levels[reading->depth - 1];

    value[strcspn(value, SPACE)] = '\0';
    level->is_including = true;
    level->is_confdir = false;
    level->next = 0;
    return look_for(reading, value, false);
}

/* In the order of its folders: of files of one name the first counts (next_of_confdir). */
static enum bw_err begin_confdir(struct reading *reading, char *value)
{
    struct level *level = &reading->levels[reading->depth - 1];
    char pattern[LINE_BYTES + sizeof "/*.conf"];
    enum bw_err err = BW_OK;
    char *rest = NULL;
    unsigned count = 0;

    for (const char *dir = strtok_r(value, SPACE, &rest); dir != NULL && err == BW_OK; dir = strtok_r(NULL, SPACE, &rest)) {
        if (count == DIRS_MAX)
            return bw_diag_set(reading->diag, BW_ERR_LIMIT, "%s: a confdir of more than %d folders", level->path,
                               DIRS_MAX);
        if (access(dir, R_OK | X_OK) != 0 && errno == EACCES)
            return bw_diag_errno(reading->diag, errno, "%s: list %s", level->path, dir); /* glob would say that it is empty */
        (void)snprintf(pattern, sizeof pattern, "%s/*.conf", dir);
        err = look_for(reading, pattern, count > 0);
        level->is_including = true;
        count++;
    }
    level->is_confdir = true;
    level->last = NULL;
    return err;
}

/* By their names alone, whatever folder they are in; of one name the first that was found. */
static const char *next_of_confdir(struct level *level)
{
    const char *next = NULL;

    for (size_t i = 0; i < level->found.gl_pathc; i++) {
        const char *path = level->found.gl_pathv[i];

        if ((level->last == NULL || strcmp(name_of(path), level->last) > 0) &&
            (next == NULL || strcmp(name_of(path), name_of(next)) < 0))
            next = path;
    }
    if (next != NULL)
        level->last = name_of(next);
    return next;
}

/* NULL: all were read, and the file goes on. */
static const char *next_included(struct level *level)
{
    const char *next = NULL;

    if (level->is_confdir)
        next = next_of_confdir(level);
    else if (level->next < level->found.gl_pathc)
        next = level->found.gl_pathv[level->next++];
    if (next == NULL) {
        globfree(&level->found);
        level->found = (glob_t){0};
        level->is_including = false;
    }
    return next;
}

/* ---- files ------------------------------------------------------------------------------------ */

/* Another kind than a file could hold this up for ever. */
static enum bw_err open_file(const char *path, FILE **out_file, struct bw_diag *diag)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum bw_err err = BW_OK;
    struct stat look;

    if (fd < 0)
        return bw_diag_errno(diag, errno, "read %s", path);
    if (fstat(fd, &look) != 0)
        err = bw_diag_errno(diag, errno, "look at %s", path);
    else if (!S_ISREG(look.st_mode) || look.st_size > FILE_BYTES_MAX)
        err = bw_diag_set(diag, BW_ERR_INVALID, "%s is no file, or longer than %d bytes", path, FILE_BYTES_MAX);
    if (err == BW_OK) {
        *out_file = fdopen(fd, "r");
        if (*out_file == NULL)
            err = bw_diag_errno(diag, errno, "read %s", path);
    }
    if (err != BW_OK)
        (void)close(fd); /* nothing was done with it */
    return err;
}

static enum bw_err push(struct reading *reading, const char *path)
{
    struct level *level = &reading->levels[reading->depth];
    enum bw_err err;

    if (reading->depth == LEVELS_MAX || reading->files == FILES_MAX)
        return bw_diag_set(reading->diag, BW_ERR_LIMIT, "%s includes more than %d files, or more than %d in each other",
                           reading->levels[0].path, FILES_MAX, LEVELS_MAX);
    *level = (struct level){0};
    if (!bw_copy_text(level->path, sizeof level->path, path))
        return bw_diag_set(reading->diag, BW_ERR_LIMIT, "the name of %.64s... is too long", path);
    err = open_file(path, &level->in, reading->diag);
    if (err == BW_OK) {
        reading->depth++;
        reading->files++;
    }
    return err;
}

static void pop(struct reading *reading)
{
    struct level *level = &reading->levels[--reading->depth];

    if (level->is_including)
        globfree(&level->found);
    (void)fclose(level->in); /* read only: nothing is left that closing could lose */
}

/* The next line of the innermost file, or the next file that its last one includes. */
static enum bw_err step(struct reading *reading)
{
    struct level *level = &reading->levels[reading->depth - 1];
    const char *path = level->is_including ? next_included(level) : NULL;
    char line[LINE_BYTES];
    const char *value;

    if (path != NULL)
        return push(reading, path);
    if (fgets(line, sizeof line, level->in) == NULL) {
        if (ferror(level->in))
            return bw_diag_errno(reading->diag, EIO, "read %s", level->path);
        pop(reading);
        return BW_OK;
    }
    if (++reading->lines > LINES_MAX)
        return bw_diag_set(reading->diag, BW_ERR_LIMIT, "%s: more than %d lines, with what is included", level->path,
                           LINES_MAX);
    if (is_line(line, "maxslewrate", &value))
        return read_value(reading, level->path, value);
    if (is_line(line, "include", &value))
        return begin_include(reading, line + (value - line));
    if (is_line(line, "confdir", &value))
        return begin_confdir(reading, line + (value - line));
    return BW_OK; /* `sourcedir` too: its files may have no other directive than those of sources */
}

enum bw_err bw_chrony_slew(const char *file, struct bw_chrony_slew *out_slew, struct bw_diag *diag)
{
    struct reading *reading = calloc(1, sizeof *reading);
    enum bw_err err;

    if (reading == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "read %s", file);
    reading->diag = diag;
    reading->slew.ppm = BW_CHRONY_SLEW_PPM_ABSENT;
    err = push(reading, file);
    while (err == BW_OK && reading->depth > 0)
        err = step(reading);
    while (reading->depth > 0)
        pop(reading);
    if (err == BW_OK)
        *out_slew = reading->slew;
    free(reading);
    return err;
}
