#include "core_fixture.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/bytes.h>

static void copy(char *out, size_t size, const char *text)
{
    if (!bw_copy_text(out, size, text))
        abort(); /* a test's own text is too long */
}

struct bw_spec fixture_spec(void)
{
    struct bw_spec spec;

    bw_spec_defaults(&spec);
    copy(spec.name, sizeof spec.name, "harbor");
    copy(spec.sites[0].name, sizeof spec.sites[0].name, "dc-a");
    copy(spec.sites[1].name, sizeof spec.sites[1].name, "dc-b");
    copy(spec.sites[2].name, sizeof spec.sites[2].name, "dc-c");
    spec.sites[0].priority = 100;
    spec.sites[1].priority = 50;
    spec.sites[2].priority = 10;
    spec.site_count = 3;
    spec.lease_ttl_ms = 1000;
    spec.fence_timeout_ms = 100;
    spec.renew_interval_ms = 100;
    spec.request_timeout_ms = 100;
    spec.margin_ms = 25;
    return spec;
}

struct bw_id fixture_instance(const char *site)
{
    struct bw_id id = {.bytes = {0xf1}};

    bw_put_u32le(id.bytes + 4, bw_crc32c(0, site, strlen(site)));
    return id;
}

struct bw_command fixture_command(const struct bw_group *group, enum bw_command_kind kind)
{
    struct bw_command command = {
        .kind = kind,
        .epoch = kind == BW_COMMAND_GRANT ? group->epoch + 1 : group->epoch,
        .spec_version = group->spec_version,
        .instance = group->holder_instance,
        .boot_id = {{0xb0}}, /* not the holder's: fixture_grant */
        .terms = bw_terms_of_spec(&group->spec),
        .spec = group->spec,
        .mode = group->spec.mode,
        .past_no_return = true,
        .is_seen = !group->terms.second_enforcer,
    };

    command.terms.reach = BW_REACH_UNITS;
    command.sight = (struct bw_reach_sight){
        .seen = kind == BW_COMMAND_REACH ? BW_REACH_OUTSIDE : BW_REACH_INSIDE, .digest = 1};
    command.held_index = group->held_index;
    copy(command.group, sizeof command.group, group->spec.name);
    return command;
}

struct bw_command fixture_grant(const struct bw_group *group, const char *site)
{
    struct bw_command command = fixture_command(group, BW_COMMAND_GRANT);

    copy(command.site, sizeof command.site, site);
    command.instance = fixture_instance(site);
    command.boot_id = fixture_instance(site);
    return command;
}

struct bw_command fixture_adopt(const struct bw_group *group, const char *site)
{
    struct bw_command command = fixture_grant(group, site);

    command.adopt = true;
    command.reason = BW_REASON_ADOPTION;
    return command;
}

struct bw_command fixture_revoke(const struct bw_group *group, const char *target)
{
    struct bw_command command = fixture_command(group, BW_COMMAND_REVOKE);

    copy(command.target, sizeof command.target, target);
    copy(command.by, sizeof command.by, "operator/anna");
    command.reason = BW_REASON_SWITCHOVER;
    return command;
}

struct bw_command fixture_released(const struct bw_group *group, enum bw_reason reason,
                                   bool past_no_return, const char *position)
{
    struct bw_command command = fixture_command(group, BW_COMMAND_RELEASED);

    command.reason = reason;
    command.past_no_return = past_no_return;
    copy(command.position, sizeof command.position, position);
    return command;
}

struct bw_command fixture_set_mode(const struct bw_group *group, enum bw_mode mode)
{
    struct bw_command command = fixture_command(group, BW_COMMAND_SET_MODE);

    command.mode = mode;
    return command;
}

struct bw_command fixture_set_spec(const struct bw_group *group, const char *without)
{
    struct bw_command command = fixture_command(group, BW_COMMAND_SET_SPEC);
    const int site = bw_spec_find_site(&command.spec, without);

    if (site >= 0)
        command.spec.sites[site] = command.spec.sites[--command.spec.site_count];
    return command;
}

struct bw_command fixture_found(void)
{
    struct bw_command command = {
        .kind = BW_COMMAND_FOUND,
        .cluster_id = {.bytes = {0xc1}},
        .election_timeout_ms = FIXTURE_ELECTION_MS,
        .feature_level = 1,
    };

    copy(command.cluster_name, sizeof command.cluster_name, "prod");
    return command;
}

const char *group_run_apply(struct group_run *run, struct bw_command command)
{
    const struct bw_group_rule *rule = bw_group_apply(&run->group, ++run->index, &command);

    return rule == NULL ? "no-op" : rule->id;
}

static struct group_run after(struct group_run run, struct bw_command command)
{
    if (bw_group_apply(&run.group, ++run.index, &command) == NULL)
        abort(); /* a test's own beginning does not fit the table */
    return run;
}

struct group_run group_run_vacant(void)
{
    const struct bw_spec spec = fixture_spec();
    struct group_run run = {.index = 10};

    bw_group_init(&run.group, &spec, 0, run.index);
    return run;
}

struct group_run group_run_granted(const char *site)
{
    const struct group_run run = group_run_vacant();

    return after(run, fixture_grant(&run.group, site));
}

struct group_run group_run_adopting(const char *site)
{
    const struct group_run run = group_run_vacant();

    return after(run, fixture_adopt(&run.group, site));
}

struct group_run group_run_revoking(const char *site, const char *target)
{
    const struct group_run run = group_run_granted(site);

    return after(run, fixture_revoke(&run.group, target));
}

struct group_run group_run_between(const char *site, const char *target)
{
    const struct group_run run = group_run_revoking(site, target);

    return after(run, fixture_released(&run.group, BW_REASON_SWITCHOVER, true, "0/16"));
}

struct group_run group_run_closing(const char *site)
{
    const struct group_run run = group_run_granted(site);

    return after(run, fixture_command(&run.group, BW_COMMAND_CLOSE));
}

struct group_run group_run_held(const char *site)
{
    const struct group_run run = group_run_granted(site);

    return after(run, fixture_command(&run.group, BW_COMMAND_FENCE_FAILED));
}
