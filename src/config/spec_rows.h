/* spec_rows.h - the rows of a group's keys as files have them: of groups.yaml, and of what `generate` reads. */
#ifndef BW_CONFIG_SPEC_ROWS_H
#define BW_CONFIG_SPEC_ROWS_H

#include <breakwater/config/schema.h>
#include <breakwater/core/spec_keys.h>

static const struct bw_key_word bw_candidate_words[] = {{"true", 0}, {"false", 1}, {0}};

/* Of the rows of BW_SPEC_KEYS: the words of 0, and those of the enums. */
#define words_NONE NULL
static const struct bw_key_word words_NEVER[] = {{"never", 0}, {0}};
static const struct bw_key_word words_UNLIMITED[] = {{"unlimited", 0}, {0}};
/* "unmanaged" is the mode as it is shown; "observe" is its word in the API. */
static const struct bw_key_word words_MODE[] = {{"auto", BW_MODE_AUTO},       {"manual", BW_MODE_MANUAL}, {"unmanaged", BW_MODE_OBSERVE},
                                                {"observe", BW_MODE_OBSERVE}, {"paused", BW_MODE_PAUSED}, {0}};
#define X(name, word) {word, BW_ON_LAG_##name},
static const struct bw_key_word words_ON_LAG[] = {BW_ON_LAG_LIST(X){0}};
#undef X
#define X(name, word) {word, BW_HANDOVER_##name},
static const struct bw_key_word words_HANDOVER[] = {BW_HANDOVER_LIST(X){0}};
#undef X
#define KIND_MS    DURATION
#define KIND_PPM   NUMBER
#define KIND_COUNT NUMBER
/* BW_KEY once its kind is expanded. */
#define KEY_OF(kind, ...) BW_KEY(kind, __VA_ARGS__)
#define NUMBER_KEY(member, key, unit, number, min, max, absent, zero, text)                        \
    KEY_OF(KIND_##unit, key, offsetof(struct bw_spec, member), .words = words_##zero, .help = text),
#define WORD_KEY(member, key, LIST, number, absent, note, text, ...)                               \
    BW_KEY(WORD, key, offsetof(struct bw_spec, member), .words = words_##LIST, .absent_note = (note), .help = text),

/* Ranges are those of bw_spec_check, which explains them with the other numbers at hand. Of a struct that begins with a
 * struct bw_spec. */
#define BW_SPEC_ROWS BW_SPEC_KEYS(NUMBER_KEY, WORD_KEY, WORD_KEY)

/* Of a struct that begins with a struct bw_site_spec. */
#define BW_SITE_SPEC_ROWS                                                                                              \
    BW_KEY(NAME, "name", offsetof(struct bw_site_spec, name), .required = true, .example = "dc-a",                    \
           .help = "name of the site, as in the certificates of agents"),                                                 \
        BW_KEY(NUMBER, "priority", offsetof(struct bw_site_spec, priority), .max = 1000, .absent = "100",             \
               .help = "the eligible site with the largest priority is preferred"),                                    \
        BW_KEY(BOOL, "failover_candidate", offsetof(struct bw_site_spec, never_candidate), .words = bw_candidate_words,        \
               .absent = "true",                                                                                     \
               .help = "false: the site only reports, and becomes primary only by an operator's override")

#endif
