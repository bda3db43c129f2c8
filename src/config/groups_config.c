#include <breakwater/config/groups_config.h>

#include <inttypes.h>
#include <string.h>

#include "config_file.h"

#define SITE(member)      offsetof(struct bw_site_spec, member)
#define SPEC(member)      offsetof(struct bw_group_wanted, spec.member)
#define SPEC_PROBLEMS_MAX 32
/* What no word of the file is. */
#define MODE_UNNAMED ((enum bw_mode)(BW_MODE_PAUSED + 1))

static const struct bw_key_word candidate_words[] = {{"always", 0}, {"never", 1}, {0}};
static const struct bw_key_word failback_words[] = {{"never", 0}, {0}};
static const struct bw_key_word no_limit_words[] = {{"unlimited", 0}, {0}};
#define X(name, word) {word, BW_MODE_##name},
static const struct bw_key_word mode_words[] = {BW_MODE_LIST(X){0}};
#undef X
#define X(name, word) {word, BW_ON_LAG_##name},
static const struct bw_key_word on_lag_words[] = {BW_ON_LAG_LIST(X){0}};
#undef X
#define X(name, word) {word, BW_HANDOVER_##name},
static const struct bw_key_word handover_words[] = {BW_HANDOVER_LIST(X){0}};
#undef X

static const struct bw_key site_keys[] = {
    BW_KEY(NAME, "name", SITE(name), .required = true, .example = "dc-a",
           .help = "the site's name, as in its agents' certificates"),
    BW_KEY(NUMBER, "priority", SITE(priority), .max = 1000, .absent = "100",
           .help = "larger is preferred among sites that could all take over"),
    BW_KEY(BOOL, "candidate", SITE(never_candidate), .words = candidate_words, .absent = "always",
           .help = "never: the site reports, and is never made primary, unless a person overrides there"),
};

static const struct bw_table site_table = {
    .name = "groups[].sites[]",
    .help = "one place where the group can run",
    .keys = site_keys,
    .key_count = BW_KEY_COUNT(site_keys),
    .size = sizeof(struct bw_site_spec),
};

/* Ranges are those of bw_spec_check, which explains them with the other numbers at hand. */
static const struct bw_key spec_keys[] = {
    BW_KEY(NAME, "name", SPEC(name), .required = true, .example = "harbor",
           .help = "the group's name"),
    BW_KEY(LIST, "sites", SPEC(sites), .item = BW_KEY_MAP, .table = &site_table, .in_place = true,
           .required = true, .count_offset = SPEC(site_count), .min = 2, .max = BW_SITES_MAX,
           .example = "[{name: dc-a, priority: 100}, {name: dc-b, priority: 50}]",
           .help = "where the group can run"),
    BW_KEY(
        TEXT, "version", offsetof(struct bw_group_wanted, version_text), .min = 1, .max = 20,
        .absent_note = "whatever version is there is replaced",
        .help = "the spec that this entry was made from, as `groups` prints it; refused if another "
                "one is in force by now"),
    BW_KEY(
        WORD, "mode", SPEC(mode), .words = mode_words,
        .absent_note = "as it is; of a new group auto",
        .help = "auto: breakwater acts; manual: moves need approval; observe: it only watches and "
                "explains; paused: no moves, leases and fences stay in force"),
    BW_KEY(DURATION, "lease_ttl", SPEC(lease_ttl_ms),
           .help = "how long a site may serve after its last confirmed renewal was sent"),
    BW_KEY(DURATION, "fence_timeout", SPEC(fence_timeout_ms),
           .help =
               "the last part of the lease, kept for making sure that nothing serves when it ends; all groups of a "
               "site may need it at once"),
    BW_KEY(DURATION, "renew_interval", SPEC(renew_interval_ms),
           .help = "how often a site renews and reports"),
    BW_KEY(DURATION, "request_timeout", SPEC(request_timeout_ms),
           .help = "how long a site waits for its guard; for a witness it waits three times as long, for the "
                   "connection, the TLS handshake and the answer each"),
    BW_KEY(DURATION, "margin", SPEC(margin_ms),
           .help = "for timers and scheduling, added to every wait for the end of a lease"),
    BW_KEY(
        NUMBER, "max_clock_drift_ppm", SPEC(max_clock_drift_ppm),
        .help =
            "how far a clock's rate may be off, in parts per million; a slower site gets nothing"),
    BW_KEY(DURATION, "max_lag", SPEC(max_lag_ms),
           .help = "how far behind a site's data may be for an unplanned move to it"),
    BW_KEY(WORD, "on_lag", SPEC(on_lag), .words = on_lag_words,
           .help = "what happens when the lag is larger, or nobody knows it (no readiness_script, or it may have written unheard)"),
    BW_KEY(DURATION, "switchover_timeout", SPEC(switchover_timeout_ms),
           .help = "how long a planned move may take before it is given up"),
    BW_KEY(
        DURATION, "failback", SPEC(failback_after_ms), .words = failback_words,
        .help = "how long a preferred site must have been connected before the group moves back to it; after "
                "each such move in vain (its start failed there, or the group came back without one), twice as "
                "long as before, up to a day"),
    BW_KEY(DURATION, "min_primary_time", SPEC(min_primary_time_ms),
           .help = "how long after a grant no other site takes over by itself, also where the primary is "
                   "lost and nobody serves; failover passes it"),
    BW_KEY(DURATION, "unhealthy_after", SPEC(unhealthy_after_ms), .words = failback_words,
           .help = "how long the primary may be unable to show that it serves (status unknown or unhealthy) before "
                   "the group moves to a site that could serve; after each such move, twice as long as before, up "
                   "to a day, until it was healthy for an hour"),
    BW_KEY(NUMBER, "max_failovers_per_window", SPEC(failovers_max), .words = no_limit_words,
           .help = "after so many unplanned changes of site within failover_window no further one by "
                   "itself, until the oldest is over, or a person orders failover; at most 32 count"),
    BW_KEY(DURATION, "failover_window", SPEC(failover_window_ms),
           .help = "the window of max_failovers_per_window"),
    BW_KEY(DURATION, "retry_backoff", SPEC(retry_backoff_ms),
           .help = "pause after a failed start, doubled each time"),
    BW_KEY(
        WORD, "handover_by_time", SPEC(handover_by_time), .words = handover_words,
        .help = "when a lost primary's lease may expire without a confirmed stop: proved: if a kill by its "
                "guard alone was once seen to stop the service; never; always (DANGEROUS: the service may "
                "still run)"),
};

static void init_spec(void *of)
{
    struct bw_group_wanted *wanted = of;

    memset(wanted, 0, sizeof *wanted);
    bw_spec_defaults(&wanted->spec);
    wanted->spec.mode = MODE_UNNAMED;
}

static const struct bw_retired_key retired_keys[] = {
    {"min_grade", BW_HANDOVER_IN_PLACE}, {"expired_is_enough", BW_HANDOVER_IN_PLACE}, {NULL, NULL}};

static const struct bw_table spec_table = {
    .name = "groups[]",
    .retired = retired_keys,
    .help = "what is wanted of one group; replicated to all witnesses",
    .keys = spec_keys,
    .key_count = BW_KEY_COUNT(spec_keys),
    .size = sizeof(struct bw_group_wanted),
    .init = init_spec,
};

static const struct bw_key keys[] = {
    BW_KEY(LIST, "groups", offsetof(struct bw_groups_config, groups), .item = BW_KEY_MAP,
           .table = &spec_table, .required = true,
           .count_offset = offsetof(struct bw_groups_config, group_count), .min = 1,
           .max = BW_GROUPS_MAX,
           .help = "the groups to create or change; those that are not named stay as they are"),
};

const struct bw_table bw_groups_config_table = {
    .name = "groups.yaml",
    .help = "what `apply` sends to the witnesses",
    .keys = keys,
    .key_count = BW_KEY_COUNT(keys),
    .size = sizeof(struct bw_groups_config),
};

static void check_spec(const struct bw_groups_config *config, struct bw_document *document,
                       uint32_t index, uint32_t election_timeout_ms)
{
    const struct bw_spec *spec = &config->groups[index].spec;
    struct bw_spec_problem found[SPEC_PROBLEMS_MAX];
    char path[128];
    size_t count;

    (void)snprintf(path, sizeof path, "groups[%" PRIu32 "].name", index);
    for (uint32_t i = 0; i < index && spec->name[0] != '\0'; i++) {
        if (strcmp(config->groups[i].spec.name, spec->name) == 0) {
            bw_document_fail(document, path, "\"%s\" is the name of groups[%" PRIu32 "] too",
                             spec->name, i);
            break;
        }
    }
    (void)snprintf(path, sizeof path, "groups[%" PRIu32 "]", index);
    if (!bw_document_is_sound(document, path))
        return; /* what is missing or wrong would be judged by its default */
    count = bw_spec_check(spec, election_timeout_ms, found, SPEC_PROBLEMS_MAX);
    for (size_t i = 0; i < count && i < SPEC_PROBLEMS_MAX; i++) {
        (void)snprintf(path, sizeof path, "groups[%" PRIu32 "].%.63s", index, found[i].key);
        bw_document_fail(document, path, "%s", found[i].text);
    }
    if (count > SPEC_PROBLEMS_MAX)
        bw_document_fail(document, path, "and %zu more problems of this group",
                         count - SPEC_PROBLEMS_MAX);
    if (spec->handover_by_time == BW_HANDOVER_ALWAYS) {
        (void)snprintf(path, sizeof path, "groups[%" PRIu32 "].handover_by_time", index);
        bw_document_warn(document, path,
                         "a service that outlives its guard may still serve when another site "
                         "starts");
    }
}

static void note_unnamed_mode(struct bw_group_wanted *wanted)
{
    struct bw_spec defaults;

    wanted->keeps_mode = wanted->spec.mode == MODE_UNNAMED;
    if (!wanted->keeps_mode)
        return;
    bw_spec_defaults(&defaults);
    wanted->spec.mode = defaults.mode;
}

/* An index of the witnesses' log: more than a number of a file can be. */
static void read_version(struct bw_group_wanted *wanted, struct bw_document *document,
                         uint32_t index)
{
    const char *text = wanted->version_text;
    char path[128];

    for (const char *at = text; text != NULL && *at != '\0'; at++) {
        const bool is_digit = *at >= '0' && *at <= '9';

        if (!is_digit || wanted->version > (INT64_MAX - 9) / 10) {
            wanted->version = 0;
            break;
        }
        wanted->version = wanted->version * 10 + (uint64_t)(*at - '0');
    }
    if (text == NULL || wanted->version != 0)
        return;
    (void)snprintf(path, sizeof path, "groups[%" PRIu32 "].version", index);
    bw_document_fail(document, path,
                     "not a version, a whole number from 1: `breakwater groups` "
                     "prints them");
}

static void check(void *into, struct bw_document *document, const void *user)
{
    const struct bw_groups_config *config = into;
    const uint32_t *election_timeout_ms = user;

    for (uint32_t i = 0; i < config->group_count; i++) {
        note_unnamed_mode(&config->groups[i]);
        read_version(&config->groups[i], document, i);
    }
    for (uint32_t i = 0; i < config->group_count; i++)
        check_spec(config, document, i, *election_timeout_ms);
}

enum bw_err bw_groups_config_load(const char *file, uint32_t election_timeout_ms,
                                  struct bw_groups_config **out_config,
                                  struct bw_problems *problems)
{
    struct bw_groups_config *config = bw_config_new(sizeof *config);
    const enum bw_err err = bw_config_load(&config->arena, &bw_groups_config_table, config, file,
                                           check, &election_timeout_ms, problems);

    if (err == BW_OK)
        *out_config = config;
    return err;
}

void bw_groups_config_free(struct bw_groups_config *config)
{
    bw_config_free((struct bw_config_arena *)config);
}
