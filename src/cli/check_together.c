#include "check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/agent/agent.h>
#include <breakwater/base/bytes.h>
#include <breakwater/config/scalar.h>
#include <breakwater/os/durable.h>
#include <breakwater/wire/state.h>

#include "at_site.h"

/* ---- files ---- */

/* By whatever path: a link is the same file too. */
static bool is_one_file(const char *file, const char *other_file)
{
    struct stat status;
    struct stat other;

    return stat(file, &status) == 0 && stat(other_file, &other) == 0 &&
           status.st_dev == other.st_dev && status.st_ino == other.st_ino;
}

void bw_check_same_file(struct bw_check_lines *lines, const char *file, const char *other_file)
{
    if (is_one_file(file, other_file))
        bw_check_line(lines, BW_CHECK_FAIL, file, "is given twice (as %s too): was another meant?",
                      other_file);
}

void bw_check_site_pair(struct bw_check_lines *lines, const char *file,
                        const struct bw_site_config *site, const char *other_file,
                        const struct bw_site_config *other)
{
    if (!is_one_file(file, other_file) && strcmp(site->site, other->site) == 0 &&
        strcmp(site->name, other->name) == 0)
        bw_check_line(lines, BW_CHECK_FAIL, file,
                      "is of agent %s of site %s, and so is %s: each site has a file of its own",
                      site->name, site->site, other_file);
}

void bw_check_endpoints(struct bw_check_lines *lines, const char *file, const char *key,
                        const char *const *addresses, uint32_t count, const char *witness_file,
                        const struct bw_witness_config *witness)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t w = 0; w < witness->witness_count; w++)
            if (strcmp(addresses[i], witness->witnesses[w].raft) == 0)
                bw_check_line(lines, BW_CHECK_FAIL, file,
                              "%s[%" PRIu32 "] %s is where witness %s speaks Raft (%s); agents and "
                              "people are answered at its address %s",
                              key, i, addresses[i], witness->witnesses[w].name, witness_file,
                              witness->witnesses[w].address);
}

/* What ends a service may do so in a stop as in a fence, and what looks may look twice. */
static bool may_share(enum bw_action_kind kind, enum bw_action_kind other)
{
    if (bw_action_is_action(kind) != bw_action_is_action(other))
        return false;
    return !bw_action_is_action(kind) || (kind != BW_ACTION_START && other != BW_ACTION_START);
}

static void check_script_paths(struct bw_check_lines *lines, const struct bw_group_config *group)
{
    for (enum bw_action_kind kind = 0; kind < BW_ACTION_COUNT; kind++)
        for (enum bw_action_kind other = 0; other < kind; other++) {
            const char *script = group->scripts[kind];

            if (script == NULL || group->scripts[other] == NULL ||
                strcmp(script, group->scripts[other]) != 0 || may_share(kind, other))
                continue;
            bw_check_line(lines, BW_CHECK_FAIL, group->name,
                          "%s and %s are the same file %s; it is not told which of them it is run as",
                          bw_script_key(other), bw_script_key(kind), script);
        }
}

/* The limit of the whole list ends what is still in the middle of its own. */
static void check_steps(struct bw_check_lines *lines, const struct bw_group_config *group)
{
    static const enum bw_action_kind kinds[] = {BW_ACTION_START, BW_ACTION_STOP};

    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        const struct bw_steps_config *steps = bw_group_config_steps(group, kinds[k]);
        const uint32_t whole_ms = group->timeout_ms[kinds[k]];
        char whole[BW_DURATION_TEXT_BYTES];
        char own[BW_DURATION_TEXT_BYTES];

        for (uint32_t i = 0; steps != NULL && i < steps->count; i++) {
            const struct bw_step_config *step = &steps->items[i];

            if (step->timeout_ms <= whole_ms)
                continue;
            bw_duration_format(whole_ms, whole);
            bw_duration_format(step->timeout_ms, own);
            bw_check_line(
                lines, BW_CHECK_WARN, group->name,
                "step %s may take %s, and all of %s together %s (%s_timeout): it is ended "
                "with them",
                step->name, own, bw_group_config_run_name(group, kinds[k]), whole,
                kinds[k] == BW_ACTION_START ? "start" : "stop");
        }
    }
}

/* The points of no return, and what needs one of them: all that waits for the witnesses (4). */
static uint32_t behind_point(const struct bw_steps_config *steps)
{
    uint32_t behind = 0;

    for (uint32_t round = 0; round < steps->count; round++) /* a chain has no more links */
        for (uint32_t i = 0; i < steps->count; i++)
            if (steps->items[i].rule.is_point || (steps->items[i].rule.needs & behind) != 0)
                behind |= UINT32_C(1) << i;
    return behind;
}

static void check_point(struct bw_check_lines *lines, const struct bw_group_config *group)
{
    const struct bw_steps_config *steps = bw_group_config_steps(group, BW_ACTION_START);
    const uint32_t behind = steps != NULL ? behind_point(steps) : 0;
    const struct bw_step_config *before = NULL;
    const struct bw_step_config *after = NULL;

    for (uint32_t i = 0; steps != NULL && i < steps->count; i++) {
        const struct bw_step_config *step = &steps->items[i];

        if (step->phase != BW_STEP_PHASE_DATABASE)
            continue;
        if ((behind >> i & 1) != 0)
            after = after != NULL ? after : step;
        else
            before = before != NULL ? before : step;
    }
    if (before != NULL && after != NULL)
        bw_check_line(lines, BW_CHECK_WARN, group->name,
                      "step %s is of phase database and waits for no point of no return, as step "
                      "%s does: where "
                      "its epoch ends before that point the data counts as left alone, and another "
                      "site is tried "
                      "without a word about lag. It must change nothing for good; else it needs "
                      "that step, or is "
                      "the point",
                      before->name, after->name);
}

void bw_check_group(struct bw_check_lines *lines, const struct bw_group_config *group)
{
    check_script_paths(lines, group);
    check_steps(lines, group);
    check_point(lines, group);
    if (group->driver == BW_DRIVER_EXTERNAL)
        bw_check_line(lines, BW_CHECK_WARN, group->name,
                      "its own loop starts it (started_by: external): if the guard is down for longer than the loop's interval "
                      "times its threshold, the loop stops the service, although its lease lives");
}

/* Design 3.4, driver: from D - F less the delay on `condition` says stop, and the loop ends what it
 * finds running. What of a lease an election uses up must be left beside both. */
void bw_check_loop(struct bw_check_lines *lines, const char *site,
                   const struct bw_group_config *group, const struct bw_spec *spec,
                   uint32_t election_timeout_ms)
{
    const uint64_t needed_ms = bw_spec_lease_ttl_ms_min(spec, election_timeout_ms) +
                               group->loop_delay_ms;
    const bool fits = spec->lease_ttl_ms >= needed_ms;
    char delay[BW_DURATION_TEXT_BYTES];
    char ttl[BW_DURATION_TEXT_BYTES];
    char needed[BW_DURATION_TEXT_BYTES];

    if (group->driver != BW_DRIVER_EXTERNAL)
        return;
    bw_duration_format(group->loop_delay_ms, delay);
    bw_duration_format(spec->lease_ttl_ms, ttl);
    bw_duration_format((uint32_t)needed_ms, needed);
    bw_check_line(lines, fits ? BW_CHECK_OK : BW_CHECK_FAIL, group->name,
                  "at %s: started by its own loop (started_by: external), external_start_delay %s: lease_ttl %s, "
                  "needed %s%s",
                  site, delay, ttl, needed,
                  fits ? ""
                       : ": else condition says stop while a leader is elected; make lease_ttl "
                         "longer, or external_start_delay shorter");
}

/* Another site's script can see the end of what `site` serves: only a candidate is ever asked (3.3). */
static bool has_remote_fence(const struct bw_site_config *const *sites, size_t count,
                             const struct bw_site_config *site, const struct bw_spec *spec)
{
    for (size_t i = 0; i < count; i++) {
        const struct bw_group_config *group = bw_site_config_find(sites[i], spec->name);

        if (group != NULL && strcmp(sites[i]->site, site->site) != 0 && bw_spec_is_candidate(spec, sites[i]->site) &&
            group->scripts[BW_ACTION_REMOTE_FENCE] != NULL)
            return true;
    }
    return false;
}

void bw_check_handover(struct bw_check_lines *lines, const struct bw_spec *spec,
                       const struct bw_site_config *const *sites, size_t count)
{
    for (size_t i = 0; i < count && spec->handover_by_time != BW_HANDOVER_ALWAYS; i++) {
        const struct bw_group_config *group = bw_site_config_find(sites[i], spec->name);

        if (group == NULL || group->enforce != BW_REACH_REMOTE ||
            sites[i]->second.listen[0] != '\0' || sites[i]->second.agent[0] != '\0' ||
            has_remote_fence(sites, count, sites[i], spec))
            continue;
        bw_check_line(lines, BW_CHECK_WARN, spec->name,
                      "at %s: stop_method is remote: time alone does not end what it serves, and a "
                      "lost site waits for "
                      "a person (confirm-fenced). Two ways to do without one: a second enforcer on "
                      "another machine "
                      "of the site (second_enforcer), or a remote_fence_script at another site that is a candidate",
                      sites[i]->site);
        return; /* once a group */
    }
}

/* ---- two witness files ---- */

/* Files that disagree on who is who elect two leaders, or none. Design 3.9, 5.4. */

static const struct bw_witness_member_config *find(const struct bw_witness_config *config,
                                                   const char *name)
{
    for (uint32_t i = 0; i < config->witness_count; i++)
        if (strcmp(config->witnesses[i].name, name) == 0)
            return &config->witnesses[i];
    return NULL;
}

/* Names may lead to one place by two ways, so another address alone proves nothing. */
static void compare_members(struct bw_check_lines *lines, const char *file, const char *other_file,
                            const struct bw_witness_member_config *member,
                            const struct bw_witness_member_config *other)
{
    if (member->id != other->id)
        bw_check_line(lines, BW_CHECK_FAIL, file,
                      "says that witness %s has id %" PRIu32 ", %s that it has id %" PRIu32,
                      member->name, member->id, other_file, other->id);
    if (strcmp(member->raft, other->raft) != 0)
        bw_check_line(lines, BW_CHECK_WARN, file,
                      "says that witness %s has raft address %s, %s that it has %s", member->name,
                      member->raft, other_file, other->raft);
    if (strcmp(member->address, other->address) != 0)
        bw_check_line(lines, BW_CHECK_WARN, file,
                      "says that witness %s has address %s, %s that it has %s", member->name,
                      member->address, other_file, other->address);
}

static void compare_lists(struct bw_check_lines *lines, const char *file,
                          const struct bw_witness_config *config, const char *other_file,
                          const struct bw_witness_config *other)
{
    for (uint32_t i = 0; i < config->witness_count; i++) {
        const struct bw_witness_member_config *member = &config->witnesses[i];
        const struct bw_witness_member_config *same = find(other, member->name);

        if (same != NULL)
            compare_members(lines, file, other_file, member, same);
        else
            bw_check_line(lines, BW_CHECK_FAIL, file, "has a witness %s, which is not in %s",
                          member->name, other_file);
    }
    for (uint32_t i = 0; i < other->witness_count; i++)
        if (find(config, other->witnesses[i].name) == NULL)
            bw_check_line(lines, BW_CHECK_FAIL, file, "has no witness %s, which is in %s",
                          other->witnesses[i].name, other_file);
}

void bw_check_witness_pair(struct bw_check_lines *lines, const char *file,
                           const struct bw_witness_config *config, const char *other_file,
                           const struct bw_witness_config *other)
{
    char own[BW_DURATION_TEXT_BYTES];
    char its[BW_DURATION_TEXT_BYTES];

    if (strcmp(config->name, other->name) == 0)
        bw_check_line(lines, BW_CHECK_FAIL, file, "is of witness %s, and so is %s", config->name,
                      other_file);
    bw_duration_format(config->election_timeout_ms, own);
    bw_duration_format(other->election_timeout_ms, its);
    if (config->election_timeout_ms != other->election_timeout_ms)
        bw_check_line(lines, BW_CHECK_FAIL, file,
                      "has election_timeout %s, %s has %s; it must be the same at all witnesses",
                      own, other_file, its);
    compare_lists(lines, file, config, other_file, other);
}

/* ---- members ---- */

#define LIST_BYTES (BW_WITNESSES_MAX * (BW_ADDRESS_MAX + 2) + 1)

static const struct bw_durable_kind members_kind = {.magic = BW_KEPT_MEMBERS_MAGIC,
                                                    .version = BW_KEPT_MEMBERS_VERSION,
                                                    .oldest = BW_DURABLE_OLDEST};

/* BW_ERR_NOT_FOUND: there is none; this agent has heard no leader yet, or is of 0.2. */
static enum bw_err load(const struct bw_site_config *config, struct bw_kept_members *out_members,
                        struct bw_diag *diag)
{
    static uint8_t bytes[BW_KEPT_MEMBERS_BYTES_MAX];
    char path[4096];
    char name[BW_NAME_MAX + sizeof BW_KEPT_MEMBERS_SUFFIX];
    uint32_t version;
    size_t size;
    enum bw_err err;
    int dir;

    (void)snprintf(path, sizeof path, "%s/agent", config->state_dir); /* longer: it is not there */
    (void)snprintf(name, sizeof name, "%s%s", config->cluster, BW_KEPT_MEMBERS_SUFFIX); /* fits */
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return BW_ERR_NOT_FOUND; /* what is wrong with the directory is said elsewhere */
    err = bw_durable_load(dir, name, &members_kind, bytes, sizeof bytes, &size, &version, diag);
    (void)close(dir); /* only read from */
    return err == BW_OK ? bw_kept_members_decode(bytes, size, out_members, diag) : err;
}

static bool is_member(const struct bw_kept_members *kept, const char *address)
{
    for (uint32_t i = 0; i < kept->member_count; i++)
        if (strcmp(kept->members[i].address, address) == 0)
            return true;
    return false;
}

static void list(const struct bw_kept_members *kept, char out_list[LIST_BYTES])
{
    size_t used = 0;

    out_list[0] = '\0';
    for (uint32_t i = 0; i < kept->member_count; i++)
        used += (size_t)snprintf(out_list + used, LIST_BYTES - used, "%s%s", i > 0 ? ", " : "",
                                 kept->members[i].address); /* fits */
}

void bw_check_members(struct bw_check_lines *lines, const char *file,
                      const struct bw_site_config *config)
{
    struct bw_kept_members kept = {.member_count = 0};
    struct bw_diag diag = {0};
    char members[LIST_BYTES];
    const enum bw_err err = load(config, &kept, &diag);
    bool is_outdated = false;

    if (err == BW_ERR_NOT_FOUND)
        return;
    if (err != BW_OK) {
        bw_check_line(lines, BW_CHECK_WARN, "members",
                      "%s/agent/%s%s: %s; the agent asks the witnesses of %s until a leader has told "
                      "who the members are",
                      config->state_dir, config->cluster, BW_KEPT_MEMBERS_SUFFIX, diag.text, file);
        return;
    }
    list(&kept, members);
    for (uint32_t i = 0; i < config->witness_count; i++) {
        if (is_member(&kept, config->witnesses[i]))
            continue;
        is_outdated = true;
        bw_check_line(lines, BW_CHECK_WARN, file,
                      "witnesses[%u] %s is the address of no witness, as a leader told this agent last: "
                      "unless that is another way to one, write  witnesses: [%s]",
                      (unsigned)i, config->witnesses[i], members);
    }
    if (!is_outdated)
        bw_check_line(lines, BW_CHECK_OK, "members",
                      "as a leader told this agent last: %s; it asks them beside those of %s", members,
                      file);
}

void bw_check_followed(struct bw_check_lines *lines, const struct bw_site_config *config)
{
    char path[BW_AGENT_SOCKET_BYTES];
    char what[BW_FOLLOWED_TEXT_BYTES];
    char fix[BW_FOLLOWED_TEXT_BYTES];
    json_t *answer = bw_agent_socket_path(config, path) ? bw_followed_ask(path) : NULL;

    if (bw_followed_is_none(answer, "\n       ", what, fix))
        bw_check_line(lines, BW_CHECK_FAIL, "members", "this site follows no witness: %s%s", what, fix);
    json_decref(answer);
}
