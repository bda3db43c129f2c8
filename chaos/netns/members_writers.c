/* members_writers.c - people who apply specs, each writing down what was acknowledged; and looking for
 * all of it. An entry's number is the lease of a group that is only observed, in milliseconds above a
 * base. */
#include "members.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include <breakwater/base/instant.h>

#define BASE_MS      60000 /* a lease that keeps the inequality of design 4 with all defaults */
#define APPLY_MS     15000
#define APPLY_WAIT   "10s" /* given up before that */
#define PAUSE_MS     10    /* between two writes; twice as long after one that failed */
#define ASK_MS       5000
#define LOOK_TRIES   60
#define AGAIN_TRIES  3 /* what is missing is looked for so often */
#define AGAIN_MS     1000
#define TURN_MS      50
#define END_MS       30000
#define STATUS_BYTES (4 * 1024 * 1024)
#define STOP_FILE    "writers.stop"

static enum bw_err file_of(const struct bw_lab *lab, uint32_t writer, const char *kind,
                           char out_path[BW_LAB_PATH_BYTES], struct bw_diag *diag)
{
    char name[64];

    (void)snprintf(name, sizeof name, "writer%" PRIu32 ".%s", writer, kind);
    return bw_lab_path(out_path, lab->dir, name, diag);
}

static bool is_stopped(const struct bw_lab *lab)
{
    char path[BW_LAB_PATH_BYTES];
    struct bw_diag diag = {0};

    return bw_lab_path(path, lab->dir, STOP_FILE, &diag) != BW_OK || access(path, F_OK) == 0;
}

/* ---- a writer -------------------------------------------------------------------------------- */

struct writer {
    struct bw_lab *lab;
    uint32_t number;
    int record;
    char file[BW_LAB_PATH_BYTES];
};

/* What the command printed of its one group: `changed t0-3 index 81`, `lease_ttl_ms: 60001 -> 60017`.
 * False: it says nothing of a commit. `before`: "-" where it does not say. */
static bool read_ack(const char *text, uint64_t *out_index, char before[24])
{
    static const char key[] = "lease_ttl_ms: ";
    const char *made = strstr(text, "created ");
    const char *changed = strstr(text, "changed ");
    const char *index = strstr(text, "index ");
    const char *from = strstr(text, key);
    const uint64_t before_ms = from == NULL ? 0 : strtoull(from + sizeof key - 1, NULL, 10);

    if (index == NULL || (made == NULL && changed == NULL) || strstr(text, "unchanged ") != NULL)
        return false;
    *out_index = strtoull(index + strlen("index "), NULL, 10);
    (void)snprintf(before, 24, "%s", made != NULL ? "0" : "-");
    if (made == NULL && before_ms > BASE_MS)
        (void)snprintf(before, 24, "%" PRIu64, before_ms - BASE_MS);
    return *out_index > 0;
}

static bool note(const struct writer *writer, const char *line)
{
    return write(writer->record, line, strlen(line)) == (ssize_t)strlen(line);
}

/* False: this writer can go on no more. */
static bool write_one(const struct writer *writer, uint64_t number)
{
    const char *const words[] = {"apply",          "-f",       writer->file, "--yes",
                                 "--wait-timeout", APPLY_WAIT, NULL};
    const uint32_t slot = (uint32_t)(number % BW_ENTRIES_SLOTS);
    struct bw_diag diag = {0};
    char line[160];
    char text[4096];
    char before[24];
    uint64_t index;
    int status;

    if (bw_lab_write(writer->file, &diag,
                     "groups:\n  - name: t%" PRIu32 "-%" PRIu32 "\n"
                     "    sites: [{name: alpha, priority: 100}, {name: beta, priority: 50}]\n"
                     "    mode: observe\n    lease_ttl: %" PRIu64 "ms\n",
                     writer->number, slot, BASE_MS + number) != BW_OK)
        return false;
    (void)snprintf(line, sizeof line, "? %" PRIu32 " %" PRIu64 "\n", slot, number);
    if (!note(writer, line))
        return false;
    status = bw_lab_command(writer->lab, words, APPLY_MS, text, sizeof text);
    if (status != 0 || !read_ack(text, &index, before)) {
        (void)usleep(PAUSE_MS * 1000);
        return true;
    }
    (void)snprintf(line, sizeof line,
                   "+ %" PRIu32 " %" PRIu64 " %" PRIu64 " %s %" PRIu64 "\n", slot, number, index,
                   before, bw_lab_now_ns());
    return note(writer, line);
}

/* In the child, which ends with the harness. */
__attribute__((noreturn)) static void be_writer(struct bw_lab *lab, uint32_t number)
{
    struct writer writer = {.lab = lab, .number = number};
    char path[BW_LAB_PATH_BYTES];
    struct bw_diag diag = {0};
    bool is_fine = file_of(lab, number, "record", path, &diag) == BW_OK &&
                   file_of(lab, number, "yaml", writer.file, &diag) == BW_OK;

    writer.record = is_fine ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    is_fine = writer.record >= 0;
    for (uint64_t i = 1; is_fine && !is_stopped(lab); i++) {
        is_fine = write_one(&writer, i);
        (void)usleep(PAUSE_MS * 1000);
    }
    _exit(is_fine ? 0 : 1);
}

enum bw_err bw_writers_start(struct bw_members *members, struct bw_diag *diag)
{
    members->begun_ms = bw_members_wall_ms();
    for (uint32_t i = 0; i < members->options.writers; i++) {
        const pid_t pid = bw_lab_fork(members->lab, bw_lab_command_node(members->lab));

        if (pid == 0)
            be_writer(members->lab, i);
        if (pid < 0)
            return bw_diag_errno(diag, errno, "fork a writer");
        bw_lab_watch(members->lab, &members->writers[i], pid);
    }
    members->is_writing = true;
    return BW_OK;
}

/* ---- looking --------------------------------------------------------------------------------- */

static enum bw_err take_record(struct bw_members *members, uint32_t writer, struct bw_diag *diag)
{
    char path[BW_LAB_PATH_BYTES];
    char *text = NULL;
    size_t size = 0;
    FILE *file;
    enum bw_err err = file_of(members->lab, writer, "record", path, diag);

    if (err != BW_OK)
        return err;
    file = fopen(path, "re");
    if (file == NULL)
        return BW_OK; /* it has not begun */
    if (getdelim(&text, &size, '\0', file) > 0)
        err = bw_entries_take(&members->entries, writer, text, strlen(text), diag);
    free(text);
    (void)fclose(file); /* only read from */
    return err;
}

static enum bw_err take_records(struct bw_members *members, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < members->options.writers && err == BW_OK; i++)
        err = take_record(members, i, diag);
    return err;
}

/* Of a witness that says that it leads; NULL: none has answered. */
static json_t *ask(struct bw_members *members)
{
    static const char *const words[] = {"status", "-o", "json", NULL};
    static char text[STATUS_BYTES];
    json_t *status;

    (void)bw_lab_ask(members->lab, words, ASK_MS, text, sizeof text); /* 3 and 4 are answers too */
    status = json_loads(text, 0, NULL);
    if (json_is_true(json_object_get(status, "leads")))
        return status;
    json_decref(status);
    return NULL;
}

/* The number of each slot; 0: no such group. */
struct found {
    uint64_t numbers[BW_ENTRIES_WRITERS_MAX][BW_ENTRIES_SLOTS];
};

static void find_all(const json_t *status, struct found *found)
{
    const json_t *group;
    size_t i;

    json_array_foreach(json_object_get(status, "groups"), i, group)
    {
        const char *name = json_string_value(json_object_get(group, "name"));
        const json_int_t lease_ms = json_integer_value(json_object_get(group, "lease_ttl_ms"));
        uint32_t writer;
        uint32_t slot;

        /* NOLINTNEXTLINE(cert-err34-c): what our own programs print: its numbers are in range */
        if (name == NULL || sscanf(name, "t%" SCNu32 "-%" SCNu32, &writer, &slot) != 2 ||
            writer >= BW_ENTRIES_WRITERS_MAX || slot >= BW_ENTRIES_SLOTS || lease_ms <= BASE_MS)
            continue;
        found->numbers[writer][slot] = (uint64_t)lease_ms - BASE_MS;
    }
}

/* Judges what was found; unless `is_last`, only where nothing is missing. False: something is. */
static bool judge(struct bw_members *members, const struct found *found, bool is_last)
{
    bool misses = false;

    for (uint32_t i = 0; i < members->options.writers; i++)
        for (uint32_t j = 0; j < BW_ENTRIES_SLOTS; j++)
            misses = misses || bw_entries_misses(&members->entries, i, j, found->numbers[i][j]);
    if (misses && !is_last)
        return false;
    for (uint32_t i = 0; i < members->options.writers; i++)
        for (uint32_t j = 0; j < BW_ENTRIES_SLOTS; j++)
            bw_entries_judge(&members->entries, i, j, found->numbers[i][j]);
    return !misses;
}

/* `*out_is_over`: somebody who leads has answered, and nothing is missing or it was the last try. */
static enum bw_err look_once(struct bw_members *members, bool is_last, bool *out_has_answer,
                             bool *out_is_over, struct bw_diag *diag)
{
    struct found found = {{{0}}};
    json_t *status;
    enum bw_err err = take_records(members, diag);

    *out_is_over = false;
    bw_entries_expect(&members->entries);
    status = ask(members);
    *out_has_answer = status != NULL;
    if (status == NULL)
        return err;
    find_all(status, &found);
    json_decref(status);
    if (err == BW_OK)
        err = take_records(members, diag); /* what was asked for meanwhile may have been seen */
    *out_is_over = judge(members, &found, is_last) || is_last;
    return err;
}

enum bw_err bw_writers_look(struct bw_members *members, struct bw_diag *diag)
{
    uint32_t answer_count = 0;

    for (uint32_t i = 0; i < LOOK_TRIES; i++) {
        bool has_answer;
        bool is_over;
        const enum bw_err err = look_once(members, answer_count + 1 >= AGAIN_TRIES, &has_answer,
                                          &is_over, diag);

        answer_count += has_answer;
        if (err != BW_OK)
            return err;
        members->look_count += is_over;
        if (is_over)
            return BW_OK;
        bw_lab_turn(members->lab, bw_lab_now_ns() + bw_ms_to_ns(AGAIN_MS));
    }
    return bw_diag_set(diag, BW_ERR_TIMEOUT, "%d times nobody who leads has answered", LOOK_TRIES);
}

enum bw_err bw_writers_stop(struct bw_members *members, struct bw_diag *diag)
{
    const uint64_t until_ns = bw_lab_now_ns() + bw_ms_to_ns(END_MS);
    char path[BW_LAB_PATH_BYTES];
    enum bw_err err = bw_lab_path(path, members->lab->dir, STOP_FILE, diag);

    members->is_writing = false;
    if (err == BW_OK)
        err = bw_lab_write(path, diag, "stop\n");
    for (uint32_t i = 0; i < members->options.writers && err == BW_OK; i++) {
        const struct bw_lab_job *job = &members->writers[i];

        while (job->pid != 0 && bw_lab_now_ns() < until_ns)
            bw_lab_turn(members->lab, bw_lab_now_ns() + bw_ms_to_ns(TURN_MS));
        if (job->pid != 0 || job->status != 0)
            err = bw_diag_set(diag, BW_ERR_IO, "writer %" PRIu32 " has failed (status %d)", i,
                              job->status);
    }
    members->ended_ms = bw_members_wall_ms();
    return err;
}
