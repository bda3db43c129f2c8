#include <breakwater/config/groups_config.h>

#include <inttypes.h>
#include <string.h>

#include "config_file.h"
#include "spec_rows.h"

#define SPEC(member)      offsetof(struct bw_group_wanted, spec.member)
#define SPEC_PROBLEMS_MAX 32
/* What no word of the file is. */
#define MODE_UNNAMED ((enum bw_mode)(BW_MODE_PAUSED + 1))

_Static_assert(offsetof(struct bw_group_wanted, spec) == 0, "BW_SPEC_ROWS are of its beginning");

static const struct bw_key site_keys[] = {BW_SITE_SPEC_ROWS};

static const struct bw_table site_table = {
    .name = "groups[].sites[]",
    .help = "a site of the group",
    .keys = site_keys,
    .key_count = BW_KEY_COUNT(site_keys),
    .size = sizeof(struct bw_site_spec),
};

static const struct bw_key spec_keys[] = {
    BW_KEY(NAME, "name", SPEC(name), .required = true, .example = "harbor",
           .help = "the group's name"),
    BW_KEY(LIST, "sites", SPEC(sites), .item = BW_KEY_MAP, .table = &site_table, .in_place = true,
           .required = true, .count_offset = SPEC(site_count), .min = 2, .max = BW_SITES_MAX,
           .example = "[{name: dc-a, priority: 100}, {name: dc-b, priority: 50}]",
           .help = "sites of the group"),
    BW_KEY(
        TEXT, "version", offsetof(struct bw_group_wanted, version_text), .min = 1, .max = 20,
        .absent_note = "any version is replaced",
        .help = "version that the entry was made from, as `groups` prints; the file is rejected if the group has a "
                "newer version"),
    BW_SPEC_ROWS};

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
    .help = "settings of a group; replicated to all witnesses",
    .keys = spec_keys,
    .key_count = BW_KEY_COUNT(spec_keys),
    .size = sizeof(struct bw_group_wanted),
    .init = init_spec,
};

static const struct bw_key keys[] = {
    BW_KEY(LIST, "groups", offsetof(struct bw_groups_config, groups), .item = BW_KEY_MAP,
           .table = &spec_table,
           .count_offset = offsetof(struct bw_groups_config, group_count), .min = 1,
           .max = BW_GROUPS_MAX,
           .absent_note = "no group is changed",
           .help = "the groups to create or change; all others stay as they are"),
    BW_PEOPLE_KEY(offsetof(struct bw_groups_config, people), .absent_note = "the rights stay as they are",
                  .help = "all operators and viewers, at all witnesses; the list replaces the applied list. Use a "
                          "separate file for people"),
};

const struct bw_table bw_groups_config_table = {
    .name = "groups.yaml",
    .help = "groups and rights that `apply` sends to the witnesses",
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
            bw_document_fail(document, path, "\"%s\" is also the name of groups[%" PRIu32 "]",
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
                     "is not a version (a whole number from 1): `breakwater groups` prints versions");
}

static void check_people(struct bw_people_config *people, struct bw_document *document)
{
    if (bw_people_config_check(people, document) && people->count > 0 &&
        bw_people_check(people->people.text) != BW_OK)
        bw_document_fail(document, "people", BW_PEOPLE_LOCKED);
}

static void check(void *into, struct bw_document *document, const void *user)
{
    struct bw_groups_config *config = into;
    const uint32_t *election_timeout_ms = user;

    if (config->group_count > 0 && config->people.count > 0)
        bw_document_fail(document, "people", "belongs in a separate file: apply takes groups or people");
    else if (config->group_count == 0 && config->people.count == 0 && bw_document_is_sound(document, "groups") &&
             bw_document_is_sound(document, "people"))
        bw_document_fail(document, "", "has neither groups nor people");
    check_people(&config->people, document);
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
