/* record_world.h - a cluster that keeps a record, and commands that are applied to its groups. Include it after
 * cmocka.h. */
#ifndef BW_TEST_RECORD_WORLD_H
#define BW_TEST_RECORD_WORLD_H

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/cluster.h>
#include <breakwater/core/record_line.h>
#include <breakwater/wire/record_event.h>

#define GROUPS 4

struct fixture {
    struct bw_cluster cluster;
    struct bw_group groups[GROUPS];
    struct bw_record_room *room;
    uint64_t index;
    int64_t unix_ms;
};

static inline struct bw_command command_of(enum bw_command_kind kind, const char *group)
{
    struct bw_command command = {.kind = kind};

    (void)strcpy(command.group, group);
    return command;
}

static inline void apply(struct fixture *fixture, struct bw_command command)
{
    struct bw_applied applied;

    command.unix_ms = fixture->unix_ms;
    applied = bw_cluster_apply(&fixture->cluster, ++fixture->index, &command);
    assert_int_equal(applied.err, BW_OK);
}

static inline void create(struct fixture *fixture, const char *group)
{
    struct bw_command command = command_of(BW_COMMAND_SET_SPEC, group);

    bw_spec_defaults(&command.spec);
    (void)strcpy(command.spec.name, group);
    (void)strcpy(command.spec.sites[0].name, "dc-a");
    (void)strcpy(command.spec.sites[1].name, "dc-b");
    command.spec.site_count = 2;
    (void)strcpy(command.by, "operator/anna");
    apply(fixture, command);
}

static inline void begin_with(struct fixture *fixture, uint32_t level, uint32_t block_max)
{
    struct bw_command found = {
        .kind = BW_COMMAND_FOUND, .election_timeout_ms = 1000, .feature_level = level};

    memset(fixture, 0, sizeof *fixture);
    fixture->unix_ms = INT64_C(1800000000000);
    fixture->room = calloc(1, sizeof *fixture->room);
    assert_non_null(fixture->room);
    bw_record_init(&fixture->room->record, &bw_record_codec, fixture->room->blocks, block_max);
    bw_cluster_init(&fixture->cluster, fixture->groups, GROUPS);
    bw_cluster_keep_record(&fixture->cluster, &fixture->room->record);
    found.cluster_id.bytes[0] = 7;
    (void)strcpy(found.cluster_name, "prod");
    apply(fixture, found);
}

static inline void end(struct fixture *fixture)
{
    free(fixture->room);
}

static inline struct bw_group *group_of(struct fixture *fixture, const char *name)
{
    return &fixture->groups[bw_cluster_find(&fixture->cluster, name)];
}

static inline struct bw_command grant_of(struct fixture *fixture, const char *name, const char *site)
{
    struct bw_group *group = group_of(fixture, name);
    struct bw_command command = command_of(BW_COMMAND_GRANT, name);

    command.epoch = group->epoch + 1;
    command.spec_version = group->spec_version;
    (void)strcpy(command.site, site);
    command.instance.bytes[0] = 1;
    command.boot_id.bytes[0] = 1;
    command.terms = bw_terms_of_spec(&group->spec);
    command.reason = BW_REASON_SITE_LOST;
    command.silent_ms = 16000;
    (void)strcpy(command.by, "witness/w1");
    return command;
}

static inline void grant(struct fixture *fixture, const char *name, const char *site)
{
    apply(fixture, grant_of(fixture, name, site));
}

static inline void begin_with_shop(struct fixture *fixture)
{
    begin_with(fixture, BW_RECORD_LEVEL, 8);
    create(fixture, "shop");
}

static inline void begin_with_serving_shop(struct fixture *fixture)
{
    begin_with_shop(fixture);
    grant(fixture, "shop", "dc-a");
}

/* To be changed: the specification that it has. */
static inline struct bw_command change_of(struct fixture *fixture, const char *name)
{
    struct bw_command command = command_of(BW_COMMAND_SET_SPEC, name);

    command.spec = group_of(fixture, name)->spec;
    return command;
}

static inline struct bw_command command_about_epoch(struct fixture *fixture, enum bw_command_kind kind,
                                             const char *name)
{
    struct bw_command command = command_of(kind, name);

    command.epoch = group_of(fixture, name)->epoch;
    command.spec_version = group_of(fixture, name)->spec_version;
    command.instance.bytes[0] = 1;
    command.reason = BW_REASON_SITE_LOST;
    (void)strcpy(command.target, "dc-b");
    (void)strcpy(command.by, "operator/anna");
    (void)strcpy(command.text, "kernel update");
    return command;
}

static inline void about_epoch(struct fixture *fixture, enum bw_command_kind kind, const char *name)
{
    apply(fixture, command_about_epoch(fixture, kind, name));
}

static inline void fail_over(struct fixture *fixture, const char *name)
{
    const bool is_odd = group_of(fixture, name)->epoch % 2 != 0;

    grant(fixture, name, is_odd ? "dc-b" : "dc-a");
    about_epoch(fixture, BW_COMMAND_EXPIRED, name);
}

/* Line `number` of the group, from the oldest. */
static inline struct bw_record_line line_at(const struct fixture *fixture, const char *name,
                                     uint32_t number)
{
    const struct bw_record *record = fixture->cluster.record;
    struct bw_record_at at = bw_record_begin(bw_record_find(record, name));
    struct bw_record_mark mark = {0};
    struct bw_record_line line;

    for (uint32_t i = 0; i <= number; i++)
        assert_true(bw_record_next_line(record, &at, &mark));
    bw_record_read_line(record, &mark, &line);
    return line;
}

static inline uint32_t count_epochs(const struct bw_record *record, const char *name)
{
    struct bw_record_at at = bw_record_begin(bw_record_find(record, name));
    struct bw_record_mark mark = {0};
    uint32_t count = 0;

    while (bw_record_next_line(record, &at, &mark))
        count += mark.is_epoch;
    return count;
}

#endif
