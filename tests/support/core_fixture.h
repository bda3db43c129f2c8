/* core_fixture.h - a group, its spec, its sites' instances and commands that fit it: for tests. */
#ifndef BW_TESTS_CORE_FIXTURE_H
#define BW_TESTS_CORE_FIXTURE_H

#include <breakwater/core/cluster.h>

#define FIXTURE_ELECTION_MS 100

/* "harbor" at dc-a, dc-b and dc-c, priorities 100, 50, 10, with fast timings that pass the check. */
struct bw_spec fixture_spec(void);
/* The instance that speaks for a site: another for every name. */
struct bw_id fixture_instance(const char *site);

/* A command of `kind` that names the group's epoch (GRANT: the next), its spec_version, holder
 * instance, terms and spec. Whatever else it needs is the test's to fill in. */
struct bw_command fixture_command(const struct bw_group *group, enum bw_command_kind kind);
struct bw_command fixture_grant(const struct bw_group *group, const char *site);
struct bw_command fixture_adopt(const struct bw_group *group, const char *site);
struct bw_command fixture_revoke(const struct bw_group *group, const char *target);
struct bw_command fixture_released(const struct bw_group *group, enum bw_reason reason,
                                   bool past_no_return, const char *position);
struct bw_command fixture_set_mode(const struct bw_group *group, enum bw_mode mode);
/* SetSpec with the group's own spec, without the site of that name when there is one. */
struct bw_command fixture_set_spec(const struct bw_group *group, const char *without);

/* A group and the index of its newest entry. */
struct group_run {
    struct bw_group group;
    uint64_t index;
};
/* Applies `command` at the next index: the id of the row that fired, or "no-op". */
const char *group_run_apply(struct group_run *run, struct bw_command command);
#define assert_rule(run, id, command) assert_string_equal(group_run_apply(run, command), id)

/* A group in each of its situations. `between`: VACANT, given back at position 0/16 for `target`. */
struct group_run group_run_vacant(void);
struct group_run group_run_granted(const char *site);
struct group_run group_run_adopting(const char *site);
struct group_run group_run_revoking(const char *site, const char *target);
struct group_run group_run_between(const char *site, const char *target);
struct group_run group_run_closing(const char *site);
struct group_run group_run_held(const char *site);

/* The command that founds a cluster. */
struct bw_command fixture_found(void);

#endif
