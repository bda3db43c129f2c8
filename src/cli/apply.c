/* breakwater apply: the groups of a file, committed by the witnesses. Design 3.9, 5.2. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/limits.h>
#include <breakwater/config/groups_config.h>
#include <breakwater/config/problems.h>
#include <breakwater/witness/json.h>
#include <breakwater/witness/spec_json.h>

#include "api.h"
#include "change.h"
#include "verbs.h"

/* ---- what a change means ---- */

#define PATH_BYTES (BW_NAME_MAX + 64)

/* The meanings that are not plain from the key and its values. */
static const struct {
    const char *key;
    const char *to;
    const char *means;
} meanings[] = {
    {"mode", "auto", "failover is automatic again: no operator is asked"},
    {"mode", "manual", "an operator has to approve each failover to another site"},
    {"mode", "paused", "no failover, no move and no local restart; a lost lease is still fenced"},
    {"mode", "observe", "the group is unmanaged: its service is neither started, stopped nor fenced"},
    {"on_lag", "allow", "an automatic failover may lose any amount of data, also beyond max_lag"},
    {"on_lag", "refuse", "an automatic failover waits until the lag is within max_lag"},
    {"handover_by_time", "always", "another site may start while the service of a lost site still runs"},
    {"handover_by_time", "never", "the loss of a site always needs an operator or a fence from another site"},
};

static const char *meaning_of(const char *key, const json_t *to)
{
    for (size_t i = 0; json_is_string(to) && i < sizeof meanings / sizeof meanings[0]; i++)
        if (strcmp(meanings[i].key, key) == 0 && strcmp(meanings[i].to, json_string_value(to)) == 0)
            return meanings[i].means;
    return NULL;
}

/* The change that made the key what it is; the newest stands first. NULL: the record does not reach back so far. */
static const json_t *find_author(const json_t *history, const char *key, const json_t *value)
{
    json_t *change;
    size_t i;

    json_array_foreach(json_object_get(history, "changes"), i, change) {
        const json_t *one = bw_json_find(json_object_get(change, "changes"), "key", key);

        if (one != NULL)
            return json_equal(json_object_get(one, "to"), value) != 0 ? change : NULL;
    }
    return NULL;
}

static void tell_author(const char *key, const json_t *author)
{
    if (author == NULL || bw_json_member(author, "by")[0] == '\0')
        return;
    (void)printf("    ! %s was set by %s", key, bw_json_member(author, "by"));
    (void)printf(" at %s", bw_json_member(author, "time"));
    if (bw_json_member(author, "text")[0] != '\0')
        (void)printf(": %s", bw_json_member(author, "text"));
    (void)puts("; this change undoes it");
}

/* The record of the changes; NULL: there is none to be had, and the plan says less. */
static json_t *fetch_history(struct bw_api *api, const char *group)
{
    char path[PATH_BYTES];
    json_t *history = NULL;

    (void)snprintf(path, sizeof path, "/v1/groups/%.*s/history?n=100", BW_NAME_MAX, group);
    return bw_api_fetch(api, "GET", path, NULL, &history) == BW_EXIT_FINE ? history : NULL;
}

/* `group`: one of a plan's. Prints who set each value that the change replaces, and what the change means. */
static void tell_means(struct bw_api *api, const json_t *group)
{
    json_t *history = NULL;
    bool is_fetched = false;
    json_t *change;
    size_t i;

    json_array_foreach(json_object_get(group, "changes"), i, change) {
        const char *key = json_string_value(json_object_get(change, "key"));
        const char *means = key == NULL ? NULL : meaning_of(key, json_object_get(change, "to"));

        if (key == NULL || json_is_null(json_object_get(change, "from")) || json_object_get(change, "from") == NULL)
            continue; /* of a group that is new nothing is undone */
        if (!is_fetched)
            history = fetch_history(api, json_string_value(json_object_get(group, "name")));
        is_fetched = true;
        if (means != NULL)
            (void)printf("    %s %s means: %s\n", key, json_string_value(json_object_get(change, "to")), means);
        tell_author(key, find_author(history, key, json_object_get(change, "from")));
    }
    json_decref(history);
}

/* The first connected site that loses its place in the group by this plan; NULL: none does. */
static const char *find_leaving(struct bw_api *api, const json_t *group)
{
    const json_t *change = bw_json_find(json_object_get(group, "changes"), "key", "sites");
    const json_t *known = bw_json_find_group(api->status, json_string_value(json_object_get(group, "name")));
    json_t *site;
    size_t i;

    json_array_foreach(json_object_get(change, "from"), i, site) {
        const char *name = json_string_value(json_object_get(site, "name"));

        if (name != NULL && bw_json_find(json_object_get(change, "to"), "name", name) == NULL &&
            json_is_true(json_object_get(bw_json_find(json_object_get(known, "sites"), "name", name), "connected")))
            return name;
    }
    return NULL;
}

/* ---- apply ---- */

#define WAIT_MS  30000
#define PAUSE_MS 250
/* Beside its own document: the name that it may have in `initial_primary`, and separators. */
#define PART_GROUP_EXTRA_BYTES 160
#define PART_BYTES_MAX         (BW_BODY_BYTES_MAX * 3 / 4)

struct apply_values {
    struct bw_api_values api;
    const char *file;
    const char *initial_primary;
    bool is_unmanaged;
    bool is_plan;
    bool is_yes;
};

static const struct bw_option apply_options[] = {
    BW_OPTION_TEXT(struct apply_values, file, "file", 'f', "FILE", "groups.yaml"),
    BW_OPTION_TEXT(struct apply_values, initial_primary, "initial-primary", 0, "SITE",
                   "first primary of new, recovered and formerly unmanaged groups"),
    BW_OPTION_FLAG(struct apply_values, is_unmanaged, "unmanaged", 0,
                   "start new groups in mode unmanaged, whatever FILE says"),
    BW_OPTION_FLAG(struct apply_values, is_plan, "plan", 0, "show what would happen, and stop"),
    BW_OPTION_FLAG(struct apply_values, is_yes, "yes", 0, "skip the confirmation"),
    BW_API_OPTIONS(struct apply_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command apply_command = {
    .name = "apply",
    .operands = "",
    .help =
        "Makes the groups in FILE equal to FILE. All groups change, or, if FILE has a problem, none.\n"
        "Groups that are missing in FILE stay. A missing key gets its default value; a missing mode\n"
        "stays as it is. If FILE names a version, the group must still have this version. A primary\n"
        "keeps the terms of its epoch.\n"
        "A FILE with people, and without groups, replaces the rights of all operators and viewers.\n"
        "With --unmanaged, a new group is only watched, until `breakwater mode GROUP auto`.\n"
        "With --initial-primary, you confirm that the service is stopped at all other sites. It is for\n"
        "new and recovered groups, and for groups that leave mode unmanaged. The plan names each site\n"
        "that does not report a stopped service.",
    .options = apply_options,
};

/* A witness of the release before refuses these keys. If a key is left out, every release takes its default (5.3). */
static const char *const newer_keys[] = {"unhealthy_after_ms", "handover_by_time"};

static void omit_newer_defaults(json_t *group)
{
    struct bw_spec spec;
    json_t *defaults;

    bw_spec_defaults(&spec);
    defaults = bw_spec_json_encode(&spec);
    for (size_t i = 0; i < sizeof newer_keys / sizeof newer_keys[0]; i++)
        if (json_equal(json_object_get(group, newer_keys[i]), json_object_get(defaults, newer_keys[i])) != 0)
            (void)json_object_del(group, newer_keys[i]);
    json_decref(defaults);
}

/* The group of the body, and what is said of it beside; NULL: no memory. */
static json_t *append_wanted(json_t *groups, json_t **versions,
                             const struct bw_group_wanted *wanted)
{
    json_t *group = bw_spec_json_encode(&wanted->spec);

    if (group != NULL && wanted->keeps_mode)
        (void)json_object_del(group, "mode"); /* it is there */
    omit_newer_defaults(group);
    if (wanted->version != 0)
        *versions = bw_json_merge(
            *versions, json_pack("{s:I}", wanted->spec.name, (json_int_t)wanted->version));
    return bw_json_append(groups, group);
}

/* The body of POST /v1/people; NULL: no memory. */
static json_t *make_people(const struct bw_people_config *people)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < people->count; i++) {
        const struct bw_person *person = &people->list[i];
        json_t *entry = json_pack("{s:s}", "name", person->name);
        json_t *groups = person->group_count > 0 ? json_array() : NULL;

        for (uint32_t j = 0; j < person->group_count; j++)
            groups = bw_json_append(groups, json_string(person->groups[j]));
        if (groups != NULL)
            entry = bw_json_merge(entry, json_pack("{s:o}", "groups", groups));
        list = bw_json_append(list, entry);
    }
    return json_pack("{s:o}", "people", list);
}

/* The body of PUT /v1/groups; NULL after a message. */
static json_t *make_body(const struct bw_groups_config *config, const char *initial_primary,
                         enum bw_exit *out_exit)
{
    json_t *groups = json_array();
    json_t *initial = json_object();
    json_t *versions = json_object();
    bool is_whole;

    for (uint32_t i = 0; i < config->group_count; i++) {
        const struct bw_spec *spec = &config->groups[i].spec;

        groups = append_wanted(groups, &versions, &config->groups[i]);
        if (initial_primary != NULL && bw_spec_find_site(spec, initial_primary) >= 0)
            initial = bw_json_merge(initial, json_pack("{s:s}", spec->name, initial_primary));
    }
    is_whole = groups != NULL && initial != NULL && versions != NULL;
    if (is_whole && initial_primary != NULL && json_object_size(initial) == 0) {
        *out_exit = bw_usage_error(&apply_command,
                                   "--initial-primary %s: no group of the file has that site",
                                   initial_primary);
        is_whole = false;
    } else if (!is_whole) {
        (void)fputs("error: apply: out of memory, or --initial-primary is not UTF-8\n", stderr);
        *out_exit = BW_EXIT_FAILED;
    }
    if (is_whole && config->people.count == 0)
        return json_pack("{s:o, s:o, s:o}", "groups", groups, "initial_primary", initial,
                         "versions", versions);
    json_decref(groups);
    json_decref(initial);
    json_decref(versions);
    return is_whole ? make_people(&config->people) : NULL;
}

static json_t *load_body(const struct apply_values *values, enum bw_exit *out_exit)
{
    struct bw_groups_config *config = NULL;
    struct bw_problems problems;
    json_t *body = NULL;

    *out_exit = BW_EXIT_FAILED;
    bw_problems_init(&problems);
    if (bw_groups_config_load(values->file, 0, &config, &problems) == BW_OK)
        body = make_body(config, values->initial_primary, out_exit);
    bw_problems_print(&problems, "nothing was changed", stderr);
    bw_problems_deinit(&problems);
    bw_groups_config_free(config);
    return body;
}

static void print_value(const json_t *value)
{
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    (void)fputs(json_is_string(value) ? bw_json_shown(value) : text != NULL ? text : "?", stdout);
    free(text);
}

/* A name that is mistyped makes a group, or a site, of its own. */
static void tell_unknown(const json_t *group)
{
    json_t *site;
    size_t i;

    json_array_foreach(json_object_get(group, "silent_at"), i, site) {
        (void)printf("  ! %s: no agent of a site with this name is connected: is the name right?\n",
                     bw_json_shown(site));
    }
    json_array_foreach(json_object_get(group, "unknown_at"), i, site) {
        (void)printf(
            "  ! %s: its agent is connected, but its site file has no group %s: is the name right? If not:  "
            "breakwater delete %s\n",
            bw_json_shown(site), bw_json_member(group, "name"), bw_json_member(group, "name"));
    }
}

/* What comes of another mode, as the verb `mode` says it. */
static void tell_steps(const json_t *group)
{
    json_t *step;
    size_t i;

    json_array_foreach(json_object_get(group, "steps"), i, step)
    {
        (void)printf("  %" PRId64 " %s\n", bw_json_number(step, "number"), bw_json_member(step, "text"));
    }
}

/* No site of a new group has reported yet, so the plan cannot know whether one measures its lag. */
static void tell_of_lag(const json_t *group, const json_t *part)
{
    const char *name = bw_json_member(group, "name");
    const json_t *spec = bw_json_find(json_object_get(part, "groups"), "name", name);

    if (strcmp(bw_json_member(group, "outcome"), "created") == 0 &&
        strcmp(bw_json_member(spec, "on_lag"), "refuse") == 0)
        (void)printf("  on_lag: refuse: failover is automatic only to a site whose readiness_script prints its lag;\n"
                     "    if a loss of data is acceptable: on_lag: allow\n");
}

/* Each group with its outcome and what differs. How many differ. `plans`: of a plan, by whom the record is asked;
 * `part`: what was planned. */
static size_t print_groups(struct bw_api *plans, const json_t *part, const json_t *reply)
{
    size_t count = 0;
    json_t *group;
    size_t i;

    json_array_foreach(json_object_get(reply, "groups"), i, group) {
        const char *outcome = bw_json_member(group, "outcome");
        const char *initial;
        json_t *change;
        size_t j;

        count += strcmp(outcome, "unchanged") != 0;
        (void)printf("%-10s %s", outcome, bw_json_member(group, "name"));
        if (plans == NULL && json_is_integer(json_object_get(group, "index")))
            (void)printf("   index %" PRId64, bw_json_number(group, "index"));
        if (bw_json_member(group, "why")[0] != '\0')
            (void)printf("   %s", bw_json_member(group, "why"));
        (void)putchar('\n');
        json_array_foreach(json_object_get(group, "changes"), j, change) {
            (void)printf("  %s: ", bw_json_member(change, "key"));
            print_value(json_object_get(change, "from"));
            (void)fputs(" -> ", stdout);
            print_value(json_object_get(change, "to"));
            (void)putchar('\n');
        }
        if (plans != NULL) {
            tell_means(plans, group);
            tell_of_lag(group, part);
        }
        initial = bw_json_member(group, "initial_primary"); /* read now: its text lasts for some others only */
        if (initial[0] != '\0')
            (void)printf("  initial primary: %s\n", initial);
        tell_steps(group);
        /* Whoever is silent may serve: nobody but the person answers for that (3.9). */
        bw_json_print_texts(json_object_get(group, "vouched"), "  ! ");
        tell_unknown(group);
    }
    return count;
}

/* ---- in several requests ----
 * A request holds BW_BODY_BYTES_MAX. A file with more groups than that goes in parts, and none is
 * committed before all of them were found to be without problems. */

/* What the body says of `name` beside its group goes with it. */
static bool copy_member(const json_t *body, json_t *part, const char *key, const char *name)
{
    json_t *value = json_object_get(json_object_get(body, key), name);
    json_t *into = json_object_get(part, key);

    if (value == NULL)
        return true;
    if (into != NULL)
        return json_object_set(into, name, value) == 0;
    return json_object_set_new(part, key, json_pack("{s:O}", name, value)) == 0;
}

/* The groups from `first` on that one request holds, as its body; `*out_next`: the first one that
 * is not in it. NULL: no memory. A member that says nothing is not in it: older witnesses know
 * fewer. */
static json_t *part_of(const json_t *body, size_t first, size_t *out_next)
{
    const json_t *groups = json_object_get(body, "groups");
    json_t *some = json_array();
    json_t *part = json_object();
    size_t bytes = 0;
    size_t at = first;
    bool is_whole = some != NULL && part != NULL;

    for (; is_whole && at < json_array_size(groups); at++) {
        json_t *group = json_array_get(groups, at);
        const char *name = bw_json_member(group, "name");
        const size_t more = json_dumpb(group, NULL, 0, JSON_COMPACT) + PART_GROUP_EXTRA_BYTES;

        if (at > first && bytes + more > PART_BYTES_MAX)
            break;
        bytes += more;
        is_whole = json_array_append(some, group) == 0 &&
                   copy_member(body, part, "initial_primary", name) &&
                   copy_member(body, part, "versions", name);
    }
    *out_next = at;
    if (is_whole && json_object_set(part, "groups", some) == 0) {
        json_decref(some);
        return part;
    }
    json_decref(some);
    json_decref(part);
    return NULL;
}

/* What parts have come to. */
struct tally {
    size_t count;
    json_t *versions; /* that a plan has shown, of each group */
    bool is_vouched;  /* it has shown a site that somebody answers for */
    char let_go[BW_NAME_MAX + 1]; /* and this group as the first one that is let go; "": none is */
    char leaving[BW_NAME_MAX + 1]; /* and this connected site as the first one that leaves its group */
};

typedef enum bw_exit (*on_part)(struct bw_api *api, const json_t *part, struct tally *tally);

static enum bw_exit for_each_part(struct bw_api *api, const json_t *body, on_part do_part,
                                  struct tally *tally)
{
    const size_t group_count = json_array_size(json_object_get(body, "groups"));
    enum bw_exit exit = BW_EXIT_FINE;
    size_t next = 0;

    do {
        json_t *part = part_of(body, next, &next);

        if (part == NULL) {
            (void)fputs("error: apply: out of memory\n", stderr);
            return BW_EXIT_FAILED;
        }
        exit = do_part(api, part, tally);
        json_decref(part);
    } while (exit == BW_EXIT_FINE && next < group_count);
    return exit;
}

/* The change of its mode, of a group that is there already; NULL: it stays. */
static const json_t *mode_change(const json_t *group)
{
    const json_t *mode = bw_json_find(json_object_get(group, "changes"), "key", "mode");

    return json_is_string(json_object_get(mode, "from")) ? mode : NULL;
}

static bool is_let_go(const json_t *group)
{
    return strcmp(bw_json_member(mode_change(group), "to"), bw_mode_word(BW_MODE_OBSERVE)) == 0;
}

static void note_leaving(struct bw_api *api, const json_t *group, struct tally *tally)
{
    const char *leaving = find_leaving(api, group);

    if (leaving == NULL)
        return;
    (void)printf("  ! %s is connected, and loses its place in %s\n", leaving, bw_json_member(group, "name"));
    if (tally->leaving[0] == '\0')
        (void)snprintf(tally->leaving, sizeof tally->leaving, "%.*s", BW_NAME_MAX, leaving);
}

/* What is typed to confirm it. */
static void note_asked(struct bw_api *api, const json_t *reply, struct tally *tally)
{
    json_t *group;
    size_t i;

    json_array_foreach(json_object_get(reply, "groups"), i, group)
    {
        tally->is_vouched = tally->is_vouched || json_array_size(json_object_get(group, "vouched")) > 0;
        if (tally->let_go[0] == '\0' && is_let_go(group))
            (void)snprintf(tally->let_go, sizeof tally->let_go, "%.*s", BW_NAME_MAX, bw_json_member(group, "name"));
        note_leaving(api, group, tally);
    }
}

static void note_versions(const json_t *reply, struct tally *tally)
{
    json_t *group;
    size_t i;

    json_array_foreach(json_object_get(reply, "groups"), i, group)
    {
        json_t *version = json_object_get(group, "version");

        if (json_is_integer(version)) /* a witness of an older release shows none */
            tally->versions = bw_json_merge(
                tally->versions, json_pack("{s:O}", bw_json_member(group, "name"), version));
    }
}

/* A mode that is not named stays, since a release in which it does: a witness of the one before makes it auto. */
static bool takes_unnamed_mode(const json_t *part, const json_t *planned)
{
    json_t *group;
    size_t i;

    json_array_foreach(json_object_get(part, "groups"), i, group) {
        if (json_object_get(group, "mode") != NULL ||
            mode_change(json_array_get(json_object_get(planned, "groups"), i)) == NULL)
            continue;
        (void)fprintf(stderr,
                      "error: apply: the leader runs an older release, which would change the mode of %s, because "
                      "the file has no mode; nothing was changed\n",
                      bw_json_member(group, "name"));
        (void)fputs("  next:  write the mode of each group into the file, or upgrade the witnesses first\n", stderr);
        return true;
    }
    return false;
}

static enum bw_exit fetch_plan(struct bw_api *api, const json_t *part, json_t **out_answer)
{
    const enum bw_exit exit = bw_api_fetch(api, "PUT", "/v1/groups?plan=1", part, out_answer);

    if (exit != BW_EXIT_FINE || !takes_unnamed_mode(part, *out_answer))
        return exit;
    json_decref(*out_answer);
    return BW_EXIT_UNSAFE;
}

/* Asks what would change, in how many groups. */
static enum bw_exit plan_part(struct bw_api *api, const json_t *part, struct tally *tally)
{
    json_t *answer;
    const enum bw_exit exit = fetch_plan(api, part, &answer);

    if (exit != BW_EXIT_FINE)
        return exit;
    tally->count += print_groups(api, part, answer);
    note_versions(answer, tally);
    note_asked(api, answer, tally);
    json_decref(answer);
    return exit;
}

/* Unattended no site that is there loses its place: an old file would take it from a site that came since. */
static enum bw_exit check_part(struct bw_api *api, const json_t *part, struct tally *tally)
{
    json_t *answer;
    json_t *group;
    size_t i;
    const enum bw_exit exit = fetch_plan(api, part, &answer);

    if (exit != BW_EXIT_FINE)
        return exit;
    json_array_foreach(json_object_get(answer, "groups"), i, group)
        note_leaving(api, group, tally);
    json_decref(answer);
    if (tally->leaving[0] == '\0')
        return BW_EXIT_FINE;
    (void)fprintf(stderr,
                  "error: apply: the file has no site %s, which is connected now; nothing was changed\n"
                  "  next:  add the site to the file; if it has to leave, run the same command without --yes, and "
                  "type its name\n",
                  tally->leaving);
    return BW_EXIT_UNSAFE;
}

/* How many groups of the reply are what the file says. */
static size_t count_done(const json_t *reply)
{
    static const char *const done[] = {"created", "changed", "unchanged"};
    size_t count = 0;
    json_t *group;
    size_t i;

    json_array_foreach(json_object_get(reply, "groups"), i, group)
        for (size_t j = 0; j < sizeof done / sizeof done[0]; j++)
            count += strcmp(bw_json_member(group, "outcome"), done[j]) == 0;
    return count;
}

/* One apply is committed at a time: while that is another one it waits, for a while, and says so
 * once. */
static enum bw_exit put_part(struct bw_api *api, const json_t *part, struct bw_api_reply *out_reply)
{
    const uint64_t end_ms = bw_api_now_ms() + api->wait_ms;
    bool is_told = false;

    for (;;) {
        const enum bw_exit exit = bw_api_ask(api, "PUT", "/v1/groups", part, out_reply);

        if (exit != BW_EXIT_FINE || !bw_api_is_busy(out_reply) || bw_api_now_ms() >= end_ms)
            return exit;
        if (!is_told)
            (void)printf("apply: waiting; nothing has changed yet (Ctrl-C stops it here): %s\n",
                         bw_json_member(out_reply->body, "error"));
        (void)fflush(stdout); /* an error stays in stdout */
        is_told = true;
        bw_api_reply_deinit(out_reply);
        bw_api_pause(PAUSE_MS);
    }
}

/* It counts the groups that are what the file says. */
static enum bw_exit commit_part(struct bw_api *api, const json_t *part, struct tally *tally)
{
    struct bw_api_reply reply = {0};
    enum bw_exit exit = put_part(api, part, &reply);

    if (exit != BW_EXIT_FINE)
        return exit;
    tally->count += count_done(reply.body);
    (void)print_groups(NULL, NULL, reply.body);
    if (reply.status != 200)
        exit = bw_api_complain(api, &reply);
    bw_api_reply_deinit(&reply);
    return exit;
}

static enum bw_exit commit(struct bw_api *api, const json_t *body, bool is_planned)
{
    const size_t group_count = json_array_size(json_object_get(body, "groups"));
    struct tally done = {.count = 0};
    enum bw_exit exit = BW_EXIT_FINE;

    if (!is_planned)
        exit = for_each_part(api, body, check_part, &done);
    if (exit != BW_EXIT_FINE)
        return exit;
    exit = for_each_part(api, body, commit_part, &done);
    if (exit != BW_EXIT_FINE && done.count > 0)
        (void)fprintf(
            stderr,
            "interrupted: %zu of %zu groups committed, %zu unknown\n"
            "  run the same apply again: groups that already match are left alone\n",
            done.count, group_count, group_count - done.count);
    return exit;
}

/* What is committed is what was shown: of any other state of a group the witnesses refuse it. */
static enum bw_exit commit_planned(struct bw_api *api, json_t *body, const struct tally *planned)
{
    if (planned->versions != NULL && json_object_set(body, "versions", planned->versions) != 0) {
        (void)fputs("error: apply: out of memory\n", stderr);
        return BW_EXIT_FAILED;
    }
    return commit(api, body, true);
}

/* A word that has to be looked up where it may end in two sites that serve, or in none that is guarded. */
static bool confirm(const struct bw_api *api, const struct apply_values *values, const struct tally *planned)
{
    if (planned->is_vouched)
        return bw_api_confirm(api, false, "Commit this, and confirm that the service is stopped at each other site?",
                              values->initial_primary);
    if (planned->leaving[0] != '\0')
        return bw_api_confirm(api, false, "Commit this, and remove this site from the group?", planned->leaving);
    return bw_api_confirm(api, false, "Commit this?", planned->let_go[0] != '\0' ? planned->let_go : "yes");
}

static enum bw_exit plan_and_ask(struct bw_api *api, const struct apply_values *values,
                                 json_t *body, struct tally *planned)
{
    const enum bw_exit exit = for_each_part(api, body, plan_part, planned);

    if (exit != BW_EXIT_FINE)
        return exit;
    if (values->is_plan || planned->count == 0) {
        (void)puts(planned->count == 0 ? "Nothing to change."
                                       : "Nothing was changed. To do this, run it again with --yes instead of --plan.");
        return BW_EXIT_FINE;
    }
    if (!confirm(api, values, planned))
        return BW_EXIT_FAILED;
    return commit_planned(api, body, planned);
}

/* ---- groups that begin unmanaged ---- */

static enum bw_exit note_new_part(struct bw_api *api, const json_t *part, struct tally *tally)
{
    json_t *planned = NULL;
    const enum bw_exit exit = fetch_plan(api, part, &planned);
    json_t *group;
    size_t i;

    json_array_foreach(json_object_get(planned, "groups"), i, group) {
        if (strcmp(bw_json_member(group, "outcome"), "created") == 0)
            tally->versions = bw_json_merge(tally->versions, json_pack("{s:i}", bw_json_member(group, "name"), 0));
    }
    json_decref(planned);
    return exit;
}

/* By version 0 the witnesses refuse such a group if another operator has created it meanwhile: it may serve. */
static enum bw_exit begin_unmanaged(struct bw_api *api, json_t *body)
{
    struct tally fresh = {.versions = json_object()};
    enum bw_exit exit = for_each_part(api, body, note_new_part, &fresh);
    bool is_whole = fresh.versions != NULL;
    json_t *group;
    size_t i;

    json_array_foreach(json_object_get(body, "groups"), i, group) {
        if (json_object_get(fresh.versions, bw_json_member(group, "name")) != NULL)
            is_whole = is_whole &&
                       json_object_set_new(group, "mode", json_string(bw_mode_word(BW_MODE_OBSERVE))) == 0;
    }
    is_whole = is_whole && json_object_update(json_object_get(body, "versions"), fresh.versions) == 0;
    if (exit == BW_EXIT_FINE && !is_whole) {
        (void)fputs("error: apply: out of memory\n", stderr);
        exit = BW_EXIT_FAILED;
    }
    json_decref(fresh.versions);
    return exit;
}

static enum bw_exit run(struct bw_api *api, const struct apply_values *values, json_t *body)
{
    struct tally planned = {.versions = NULL};
    const struct bw_change_values how = {.is_plan = values->is_plan, .is_yes = values->is_yes};
    enum bw_exit exit;

    if (json_object_get(body, "people") != NULL)
        return bw_change_run(api, &(struct bw_change){.command = &apply_command,
                                                      .verb = "people",
                                                      .group = "the cluster",
                                                      .path = "/v1/people",
                                                      .word = "yes",
                                                      .done = "this list is in force at every witness",
                                                      .body = json_incref(body),
                                                      .values = &how});
    if (values->is_unmanaged) {
        exit = begin_unmanaged(api, body);
        if (exit != BW_EXIT_FINE)
            return exit;
    }
    planned.versions = json_object();
    if (values->is_yes && !values->is_plan)
        exit = commit(api, body, false);
    else
        exit = plan_and_ask(api, values, body, &planned);
    json_decref(planned.versions);
    return exit;
}

enum bw_exit bw_verb_apply(int argc, char **argv)
{
    struct apply_values values = {0};
    struct bw_operands operands;
    struct bw_api api;
    enum bw_exit exit;
    json_t *body;

    if (!bw_options_parse(&apply_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (values.file == NULL)
        return bw_usage_error(&apply_command, "needs -f FILE");
    if (values.is_unmanaged && values.initial_primary != NULL)
        return bw_usage_error(&apply_command, "--unmanaged and --initial-primary: an unmanaged group has no primary; name one of them");
    if (!bw_confirm_is_possible(&apply_command, values.is_yes || values.is_plan))
        return BW_EXIT_USAGE;
    body = load_body(&values, &exit);
    if (body == NULL)
        return exit;
    if (bw_api_open(&api, &apply_command, &values.api, WAIT_MS, &exit)) {
        exit = run(&api, &values, body);
        bw_api_close(&api);
    }
    json_decref(body);
    return exit;
}
