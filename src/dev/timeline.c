#include <breakwater/base/words.h>
#include <breakwater/dev/timeline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES 128

BW_WORDS(bw_phase_of_move_word, enum bw_phase_of_move, BW_PHASE_OF_MOVE_LIST, "unlisted")

/* ---- lines ---------------------------------------------------------------------------------- */

/* The end of the value that begins at `value`; a quote may hide spaces, a backslash a quote. */
static const char *end_of_value(const char *value)
{
    const char *at = value;

    if (*at != '"')
        return at + strcspn(at, " \n");
    for (at++; *at != '\0' && *at != '"'; at++)
        if (*at == '\\' && at[1] != '\0')
            at++;
    return *at == '"' ? at + 1 : at;
}

bool bw_log_line_get(const char *line, const char *key, char *out_value, size_t size)
{
    const size_t key_length = strlen(key);
    const char *at = line;

    while (*(at += strspn(at, " ")) != '\0') {
        const size_t word_length = strcspn(at, "= \n");
        const char *value = at + word_length;
        const char *end;
        size_t length;

        if (*value != '=') { /* a word without a value */
            at = *value == '\0' ? value : value + 1;
            continue;
        }
        value++;
        end = end_of_value(value);
        if (word_length == key_length && memcmp(at, key, key_length) == 0) {
            if (*value == '"' && end - value >= 2 && end[-1] == '"') {
                value++;
                end--;
            }
            length = (size_t)(end - value);
            if (length >= size)
                return false;
            memcpy(out_value, value, length);
            out_value[length] = '\0';
            return true;
        }
        at = end;
        if (*at == '\n')
            at++;
    }
    return false;
}

static bool get_number(const char *line, const char *key, uint64_t *out)
{
    char text[VALUE_BYTES];
    char *end;
    unsigned long long value;

    if (!bw_log_line_get(line, key, text, sizeof text) || text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *out = value;
    return true;
}

static bool is_value(const char *line, const char *key, const char *wanted)
{
    char text[VALUE_BYTES];

    return bw_log_line_get(line, key, text, sizeof text) && strcmp(text, wanted) == 0;
}

/* ---- what says what ------------------------------------------------------------------------- */

enum which_epoch { OF_OLD, OF_NEW };
enum which_instant { THE_FIRST, THE_LAST };

struct source {
    enum bw_phase_of_move phase;
    enum bw_timeline_role role;
    const char *event;
    const char *key; /* must have the value `word`; NULL: no more is asked */
    const char *word;
    enum which_epoch epoch;
    const char *instant; /* key of the instant */
    enum which_instant which;
};

#define SOURCE(phase, role, event, key, word, epoch, instant, which)                               \
    {                                                                                              \
        BW_PHASE_OF_MOVE_##phase, BW_TIMELINE_##role, event, key, word, epoch, instant, which      \
    }
static const struct source sources[] = {
    SOURCE(LAST_RENEWAL, OLD_AGENT, "renewal.confirmed", NULL, NULL, OF_OLD, "sent_boot_ns",
           THE_LAST),
    SOURCE(LAPSE, OLD_AGENT, "lease.ended", NULL, NULL, OF_OLD, "at_boot_ns", THE_FIRST),
    SOURCE(REVOKED, WITNESS, "command.applied", "command", "Revoke", OF_OLD, "at_boot_ns",
           THE_FIRST),
    SOURCE(RELEASED, WITNESS, "command.applied", "command", "Released", OF_OLD, "at_boot_ns",
           THE_FIRST),
    SOURCE(EXPIRABLE, WITNESS, "lease.expired", NULL, NULL, OF_OLD, "at_boot_ns", THE_LAST),
    SOURCE(EXPIRED, WITNESS, "command.applied", "command", "Expired", OF_OLD, "at_boot_ns",
           THE_FIRST),
    SOURCE(GRANTED, WITNESS, "command.applied", "command", "Grant", OF_NEW, "at_boot_ns",
           THE_FIRST),
    SOURCE(ORDER, NEW_AGENT, "order.received", "order", "run", OF_NEW, "at_boot_ns", THE_FIRST),
    SOURCE(LEASE, NEW_AGENT, "lease.first", NULL, NULL, OF_NEW, "at_boot_ns", THE_FIRST),
    SOURCE(START, NEW_AGENT, "start.begun", NULL, NULL, OF_NEW, "at_boot_ns", THE_FIRST),
    SOURCE(CONFIRMED, NEW_AGENT, "service.serving", NULL, NULL, OF_NEW, "at_boot_ns", THE_FIRST),
};
#define SOURCE_COUNT (sizeof sources / sizeof sources[0])

void bw_timeline_set(struct bw_timeline *timeline, enum bw_phase_of_move phase, uint64_t boot_ns)
{
    timeline->is_known[phase] = true;
    timeline->boot_ns[phase] = boot_ns;
}

static void take(struct bw_timeline *timeline, const struct source *source, const char *line)
{
    const uint64_t wanted = source->epoch == OF_OLD ? timeline->old_epoch : timeline->new_epoch;
    const bool is_known = timeline->is_known[source->phase];
    const uint64_t known_ns = timeline->boot_ns[source->phase];
    uint64_t epoch;
    uint64_t boot_ns;

    if (!is_value(line, "event", source->event) ||
        (source->key != NULL && !is_value(line, source->key, source->word)))
        return;
    if (!get_number(line, "epoch", &epoch) || epoch != wanted ||
        !get_number(line, source->instant, &boot_ns))
        return;
    if (!is_known || (source->which == THE_FIRST ? boot_ns < known_ns : boot_ns > known_ns))
        bw_timeline_set(timeline, source->phase, boot_ns);
}

void bw_timeline_take(struct bw_timeline *timeline, enum bw_timeline_role role, const char *line)
{
    for (size_t i = 0; i < SOURCE_COUNT; i++)
        if (sources[i].role == role)
            take(timeline, &sources[i], line);
}

enum bw_err bw_timeline_take_file(struct bw_timeline *timeline, enum bw_timeline_role role,
                                  const char *path, struct bw_diag *diag)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;
    enum bw_err err = BW_OK;

    if (file == NULL)
        return bw_diag_errno(diag, errno, "open %s", path);
    while (getline(&line, &capacity, file) > 0)
        bw_timeline_take(timeline, role, line);
    if (ferror(file))
        err = bw_diag_errno(diag, errno, "read %s", path);
    free(line);
    (void)fclose(file); /* only read from */
    return err;
}

double bw_timeline_at_ms(const struct bw_timeline *timeline, enum bw_phase_of_move phase)
{
    const uint64_t at_ns = timeline->boot_ns[phase];
    const uint64_t origin_ns = timeline->boot_ns[timeline->origin];
    const int64_t since_ns = at_ns >= origin_ns ? (int64_t)(at_ns - origin_ns)
                                                : -(int64_t)(origin_ns - at_ns);

    const int64_t since_us = since_ns / 1000; /* so that the shortest decimal is exact to them */

    return (double)since_us / 1000.0;
}
