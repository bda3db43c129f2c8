/* config: what a good file means, value by value, and what is asked of the machine it is on. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/config/cli_config.h>
#include <breakwater/config/groups_config.h>
#include <breakwater/config/script_hint.h>
#include <breakwater/config/site_config.h>
#include <breakwater/config/witness_config.h>

/* A directory of its own for each test, with the names of what the test made in it. */
struct place {
    char directory[64];
    char path[PATH_MAX];
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    if (place == NULL)
        return -1;
    (void)snprintf(place->directory, sizeof place->directory, "/tmp/breakwater-config-XXXXXX");
    *state = place;
    return mkdtemp(place->directory) == NULL ? -1 : 0;
}

static int remove_place(void **state)
{
    static const char *const names[] = {"site.yaml", "groups.yaml", "seven.yaml", "versions.yaml",
                                        "a.sh",      "b.sh",        "c.sh",       "fifo"};
    struct place *place = *state;
    int left;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(place->path, sizeof place->path, "%s/%s", place->directory, names[i]);
        (void)unlink(place->path); /* some tests make fewer */
    }
    left = rmdir(place->directory);
    free(place);
    return left;
}

static const char *in_place(struct place *place, const char *name)
{
    (void)snprintf(place->path, sizeof place->path, "%s/%s", place->directory, name);
    return place->path;
}

static void put(struct place *place, const char *name, mode_t mode, const char *text)
{
    const char *path = in_place(place, name);
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static const char *golden(struct place *place, const char *name)
{
    (void)snprintf(place->path, sizeof place->path, "%s/tests/golden/config/%s",
                   getenv("BREAKWATER_SOURCE"), name);
    return place->path;
}

static bool has_text(const struct bw_problems *problems, const char *text)
{
    for (uint32_t i = 0; i < problems->listed_count; i++) {
        if (strstr(problems->listed[i].text, text) != NULL)
            return true;
    }
    return false;
}

static void assert_texts_below(const struct bw_node *top, const char *expected)
{
    char texts[16] = "";

    for (const struct bw_node *at = top; at != NULL; at = bw_node_after(top, at))
        (void)strncat(texts, at->text, sizeof texts - strlen(texts) - 1);
    assert_string_equal(texts, expected);
}

static void nodes_follow_in_the_order_of_the_file(void **state)
{
    const char *text = "a: [b, {c: d}, []]\ne: f\n";
    struct bw_problems problems;
    struct bw_document document;
    const struct bw_node *list;

    (void)state;
    bw_problems_init(&problems);
    bw_document_parse(&document, "a.yaml", text, strlen(text), &problems);
    list = document.root->first->next;
    assert_texts_below(document.root, "abcdef");
    assert_texts_below(list, "bcd");
    assert_texts_below(list->first, "b");
    bw_document_deinit(&document);
    bw_problems_deinit(&problems);
}

static void witness_yaml_of_the_design_loads(void **state)
{
    struct bw_witness_config *config = NULL;
    struct bw_problems problems;
    char path[PATH_MAX];

    bw_problems_init(&problems);
    assert_int_equal(
        bw_witness_config_load(golden(*state, "witness_example.yaml"), BW_CONFIG_OFFLINE, &config, &problems), BW_OK);

    assert_string_equal(config->cluster, "prod");
    assert_string_equal(config->name, "w1");
    assert_string_equal(config->data_dir, "/var/lib/breakwater");
    assert_string_equal(config->listen, "0.0.0.0:7400");
    assert_string_equal(config->raft_listen, "0.0.0.0:7401");
    (void)snprintf(path, sizeof path, "%s/tests/golden/config/ca.pem", getenv("BREAKWATER_SOURCE"));
    assert_string_equal(config->tls.ca, path);
    assert_int_equal(config->witness_count, 3);
    assert_int_equal(config->self, 0);
    assert_int_equal(config->witnesses[2].id, 3);
    assert_string_equal(config->witnesses[2].raft, "[2001:db8::3]:7401");
    assert_string_equal(config->witnesses[1].failure_domain, "zone-2");
    assert_int_equal(config->election_timeout_ms, 1000);
    assert_int_equal(config->log_level, BW_LOG_INFO);
    assert_false(config->metrics_open);
    assert_null(config->on_event);

    bw_witness_config_free(config);
    bw_problems_deinit(&problems);
}

/* 5.3: who may speak, and for which groups. */
static void the_people_of_witness_yaml_arrive(void **state)
{
    struct bw_witness_config *config = NULL;
    struct bw_problems problems;

    bw_problems_init(&problems);
    assert_int_equal(
        bw_witness_config_load(golden(*state, "witness_people.yaml"), BW_CONFIG_OFFLINE, &config, &problems), BW_OK);

    assert_int_equal(config->people.count, 3);
    assert_string_equal(config->people.list[0].name, "operator/root");
    assert_int_equal(config->people.list[0].group_count, 0);
    assert_string_equal(config->people.list[1].name, "operator/anna");
    assert_int_equal(config->people.list[1].group_count, 2);
    assert_string_equal(config->people.list[1].groups[1], "billing");
    assert_string_equal(config->people.list[2].groups[0], "orders");
    assert_string_equal(config->people.people.text, "operator/anna orders billing\noperator/root\nviewer/board orders\n");

    bw_witness_config_free(config);
    bw_problems_deinit(&problems);
}

/* 5.4: what a running daemon cannot take over is found by its key, and nothing else is. */
static void the_first_change_among_given_keys_is_found(void **state)
{
    static const char *const names[] = {"name",        "data_dir",     "raft_listen",
                                        "election_timeout", "metrics_anonymous", NULL};
    struct bw_witness_config *old = NULL;
    struct bw_problems problems;
    struct bw_witness_config fresh;
    char same_text[64];

    bw_problems_init(&problems);
    assert_int_equal(
        bw_witness_config_load(golden(*state, "witness_example.yaml"), BW_CONFIG_OFFLINE, &old, &problems), BW_OK);
    fresh = *old;
    (void)snprintf(same_text, sizeof same_text, "%s", old->data_dir);
    fresh.data_dir = same_text; /* the text counts, not where it lies */
    fresh.log_level = BW_LOG_DEBUG;
    fresh.cluster[0] = 'x'; /* not among them */
#define FIRST_CHANGE() bw_schema_first_change(&bw_witness_config_table, names, old, &fresh)

    assert_null(FIRST_CHANGE());
    fresh.metrics_open = !fresh.metrics_open;
    assert_string_equal(FIRST_CHANGE(), "metrics_anonymous");
    fresh.election_timeout_ms++;
    assert_string_equal(FIRST_CHANGE(), "election_timeout");
    fresh.raft_listen[0] = 'x';
    assert_string_equal(FIRST_CHANGE(), "raft_listen");
    fresh.data_dir = "/elsewhere";
    assert_string_equal(FIRST_CHANGE(), "data_dir");
    fresh.name[0] = 'x';
    assert_string_equal(FIRST_CHANGE(), "name");

#undef FIRST_CHANGE
    bw_witness_config_free(old);
    bw_problems_deinit(&problems);
}

/* As an agent asks at each reload. */
static void of_a_map_each_value_is_compared(void **state)
{
    static const char *const names[] = {"site", "second_enforcer", NULL};
    static struct bw_site_config old;
    static struct bw_site_config fresh;

    (void)state;
    assert_null(bw_schema_first_change(&bw_site_config_table, names, &old, &fresh));
    (void)strcpy(fresh.second.agent, "a:1");
    assert_string_equal(bw_schema_first_change(&bw_site_config_table, names, &old, &fresh),
                        "second_enforcer");
    old.second = fresh.second;
    assert_null(bw_schema_first_change(&bw_site_config_table, names, &old, &fresh));
    (void)strcpy(fresh.second.listen, "a:1");
    assert_string_equal(bw_schema_first_change(&bw_site_config_table, names, &old, &fresh),
                        "second_enforcer");
}

static void groups_yaml_of_the_design_loads(void **state)
{
    struct bw_groups_config *config = NULL;
    struct bw_problems problems;

    bw_problems_init(&problems);
    assert_int_equal(
        bw_groups_config_load(golden(*state, "groups_example.yaml"), 1000, &config, &problems),
        BW_OK);

    assert_int_equal(config->group_count, 1);
    assert_string_equal(config->groups[0].spec.name, "harbor");
    assert_int_equal(config->groups[0].spec.site_count, 2);
    assert_string_equal(config->groups[0].spec.sites[1].name, "dc-b");
    assert_int_equal(config->groups[0].spec.sites[1].priority, 50);
    assert_int_equal(config->groups[0].spec.lease_ttl_ms, 15000);
    assert_int_equal(config->groups[0].spec.margin_ms, 250);
    assert_int_equal(config->groups[0].spec.mode, BW_MODE_AUTO);

    bw_groups_config_free(config);
    bw_problems_deinit(&problems);
}

static void every_key_of_groups_yaml_arrives(void **state)
{
    struct bw_groups_config *config = NULL;
    struct bw_problems problems;
    const struct bw_spec *spec;

    bw_problems_init(&problems);
    assert_int_equal(
        bw_groups_config_load(golden(*state, "groups_all_keys.yaml"), 1000, &config, &problems),
        BW_OK);
    spec = &config->groups[0].spec;

    assert_true(spec->sites[2].never_candidate);
    assert_false(spec->sites[1].never_candidate);
    assert_int_equal(spec->sites[1].priority, 100);
    assert_int_equal(spec->mode, BW_MODE_MANUAL);
    assert_int_equal(spec->lease_ttl_ms, 90000);
    assert_int_equal(spec->fence_timeout_ms, 60000);
    assert_int_equal(spec->renew_interval_ms, 2000);
    assert_int_equal(spec->request_timeout_ms, 2000);
    assert_int_equal(spec->max_clock_drift_ppm, 500);
    assert_int_equal(spec->max_lag_ms, 0);
    assert_int_equal(spec->unhealthy_after_ms, 180000);
    assert_int_equal(spec->on_lag, BW_ON_LAG_ALLOW);
    assert_int_equal(spec->switchover_timeout_ms, 300000);
    assert_int_equal(spec->failback_ms, 1800000);
    assert_int_equal(spec->min_primary_time_ms, 600000);
    assert_int_equal(spec->max_failovers_per_window, 3);
    assert_int_equal(spec->failover_window_ms, 3600000);
    assert_int_equal(spec->retry_backoff_ms, 10000);
    assert_int_equal(spec->handover_by_time, BW_HANDOVER_NEVER);
    assert_int_equal(config->groups[1].spec.failback_ms, 0);

    bw_groups_config_free(config);
    bw_problems_deinit(&problems);
}

static const char versions_text[] =
    "groups:\n"
    "  - {name: a, version: 1700000000123, sites: [{name: x}, {name: y}]}\n"
    "  - {name: b, mode: paused, sites: [{name: x}, {name: y}]}\n";

static void a_version_is_read_and_a_mode_that_is_not_named_is_kept(void **state)
{
    struct bw_groups_config *config = NULL;
    struct bw_problems problems;

    (void)state;
    bw_problems_init(&problems);
    put(*state, "versions.yaml", 0644, versions_text);
    assert_int_equal(
        bw_groups_config_load(in_place(*state, "versions.yaml"), 0, &config, &problems), BW_OK);

    assert_true(config->groups[0].version == 1700000000123); /* as a recovery makes them */
    assert_true(config->groups[0].keeps_mode);
    assert_int_equal(config->groups[0].spec.mode, BW_MODE_AUTO);
    assert_true(config->groups[1].version == 0);
    assert_false(config->groups[1].keeps_mode);
    assert_int_equal(config->groups[1].spec.mode, BW_MODE_PAUSED);

    bw_groups_config_free(config);
    bw_problems_deinit(&problems);
}

static void a_version_that_is_no_number_is_told(void **state)
{
    static const char *const wrong[] = {"0", "-1", "newest", "99999999999999999999"};
    struct bw_groups_config *config = NULL;
    struct bw_problems problems;
    char text[256];

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        bw_problems_init(&problems);
        (void)snprintf(text, sizeof text,
                       "groups:\n  - {name: a, version: %s, sites: [{name: x}, {name: y}]}\n",
                       wrong[i]);
        put(*state, "versions.yaml", 0644, text);
        assert_int_not_equal(
            bw_groups_config_load(in_place(*state, "versions.yaml"), 0, &config, &problems), BW_OK);
        assert_int_equal(problems.error_count, 1);
        bw_problems_deinit(&problems);
    }
}

static void every_key_of_site_yaml_arrives(void **state)
{
    struct bw_site_config *config = NULL;
    struct bw_problems problems;
    const struct bw_group_config *group;

    bw_problems_init(&problems);
    assert_int_equal(bw_site_config_load(golden(*state, "site_all_keys.yaml"), BW_CONFIG_OFFLINE,
                                         &config, &problems),
                     BW_OK);
    group = bw_site_config_find(config, "harbor");

    assert_string_equal(config->site, "dc-a");
    assert_string_equal(config->run_dir, "/run/breakwater");
    assert_int_equal(config->tls.revoked_count, 2);
    assert_string_equal(config->tls.revoked[1], "serial:9a0b");
    assert_string_equal(config->witnesses[0], "w1.example.net:7400");
    assert_string_equal(config->health_listen, "127.0.0.1:7480");
    assert_string_equal(config->admission_listen, "127.0.0.1:7490");
    assert_int_equal(config->log_level, BW_LOG_DEBUG);
    assert_true(config->allow_writable_scripts && group->allow_writable_scripts);
    assert_int_equal(group->enforce, BW_REACH_CGROUP);
    assert_int_equal(group->check_interval_ms, 2000);
    assert_int_equal(group->failure_threshold, 5);
    assert_int_equal(group->kill_grace_ms, 500);
    assert_int_equal(group->local_restarts, 0);
    for (int action = BW_ACTION_NONE + 1; action < BW_ACTION_COUNT; action++)
        assert_non_null(group->scripts[action]);
    assert_non_null(strstr(group->scripts[BW_ACTION_REJOIN], "/config/scripts/rejoin.sh"));
    assert_int_equal(group->timeout_ms[BW_ACTION_STATUS], 5000);
    assert_int_equal(group->timeout_ms[BW_ACTION_START], 600000);
    assert_int_equal(group->timeout_ms[BW_ACTION_STOP], 120000);
    assert_int_equal(group->timeout_ms[BW_ACTION_FENCE], 4000);
    assert_int_equal(group->timeout_ms[BW_ACTION_CONDITION], 6000);
    assert_int_equal(group->timeout_ms[BW_ACTION_READINESS], 7000);
    assert_int_equal(group->timeout_ms[BW_ACTION_VERIFY], 8000);
    assert_int_equal(group->timeout_ms[BW_ACTION_REJOIN], 3600000);
    assert_non_null(
        strstr(group->scripts[BW_ACTION_REMOTE_FENCE], "/config/scripts/remote-fence.sh"));
    assert_int_equal(group->timeout_ms[BW_ACTION_REMOTE_FENCE], 90000);
    assert_int_equal(group->env_count, 3);
    assert_string_equal(group->env[1].name, "HARBOR_REPLICAS");
    assert_string_equal(group->env[1].value, "1");
    assert_string_equal(group->env[2].value, "");
    group = bw_site_config_find(config, "shop");
    assert_true(bw_group_config_has(group, BW_ACTION_START));
    assert_null(group->scripts[BW_ACTION_START]);
    assert_string_equal(bw_group_config_run_name(group, BW_ACTION_STOP), "stop_steps");
    assert_ptr_equal(bw_group_config_steps(group, BW_ACTION_START), &group->start_steps);
    assert_null(bw_group_config_steps(group, BW_ACTION_FENCE));
    assert_int_equal(group->start_steps.count, 3);
    assert_int_equal(group->stop_steps.count, 1);
    assert_string_equal(group->start_steps.items[1].name, "restore-db");
    assert_true(group->start_steps.items[1].rule.is_point);
    assert_false(group->start_steps.items[0].rule.is_point);
    assert_true(bw_group_config_has_point(group));
    assert_non_null(strstr(group->start_steps.items[1].script, "/config/scripts/restore.sh"));
    assert_int_equal(group->start_steps.items[0].rule.needs, 6);
    assert_int_equal(group->start_steps.items[0].timeout_ms, 30000);
    assert_int_equal(group->start_steps.items[1].timeout_ms, 1200000);
    assert_int_equal(group->start_steps.items[1].rule.retries, 2);
    assert_int_equal(group->start_steps.items[1].phase, BW_STEP_PHASE_DATABASE);
    assert_int_equal(group->start_steps.items[2].rule.needs, 2);
    assert_int_equal(group->start_steps.items[2].phase, BW_STEP_PHASE_SERVICE);
    assert_int_equal(group->stop_steps.items[0].phase, BW_STEP_PHASE_NONE);
    assert_int_equal(group->stop_steps.items[0].timeout_ms, 12000); /* no longer than the list */

    bw_site_config_free(config);
    bw_problems_deinit(&problems);
}

static void seven_keys_load_unchanged(void **state)
{
    struct bw_site_config *config = NULL;
    struct bw_problems problems;
    const struct bw_group_config *group;

    bw_problems_init(&problems);
    assert_int_equal(bw_seven_keys_load(golden(*state, "seven_sample.yaml"), BW_CONFIG_OFFLINE,
                                        &config, &problems),
                     BW_OK);
    group = &config->groups[0];

    assert_int_equal(problems.warning_count, 0);
    assert_string_equal(group->scripts[BW_ACTION_CONDITION], "/scripts/check.sh");
    assert_string_equal(group->scripts[BW_ACTION_START], "/scripts/start.sh");
    assert_string_equal(group->scripts[BW_ACTION_STOP], "/scripts/stop.sh");
    assert_string_equal(group->scripts[BW_ACTION_STATUS], "/scripts/status.sh");
    assert_int_equal(group->check_interval_ms, 10000);
    assert_int_equal(group->failure_threshold, 3);
    assert_int_equal(group->timeout_ms[BW_ACTION_START], 120000);
    assert_int_equal(group->enforce, BW_REACH_NONE);

    bw_site_config_free(config);
    bw_problems_deinit(&problems);
}

static void seven_keys_of_another_file_become_the_groups(void **state)
{
    struct bw_site_config *config = NULL;
    struct bw_problems problems;
    const struct bw_group_config *group;

    bw_problems_init(&problems);
    assert_int_equal(bw_site_config_load(golden(*state, "site_all_keys.yaml"), BW_CONFIG_OFFLINE,
                                         &config, &problems),
                     BW_OK);
    group = bw_site_config_find(config, "postgres");

    assert_string_equal(group->scripts[BW_ACTION_CONDITION], "/scripts/check.sh");
    assert_int_equal(group->check_interval_ms, 10000);
    assert_int_equal(group->unit_count, 2);
    assert_string_equal(group->units[0], "postgresql@15-main.service");
    assert_int_equal(group->timeout_ms[BW_ACTION_STATUS], 120000);
    assert_int_equal(group->timeout_ms[BW_ACTION_FENCE], 3000);
    assert_null(group->scripts[BW_ACTION_FENCE]);

    bw_site_config_free(config);
    bw_problems_deinit(&problems);
}

#define SITE_HEAD                                                                                  \
    "cluster: prod\nsite: dc-a\nname: agent-1\ntls: {ca: ca.pem, identity: a.pem}\n"               \
    "witnesses: [w1:7400]\ngroups:\n  - {name: g, stop_method: cgroup, "

static void scripts_must_be_here(void **state)
{
    struct bw_site_config *config = NULL;
    struct bw_problems problems;

    bw_problems_init(&problems);
    put(*state, "a.sh", 0755, "#!/bin/sh\n");
    put(*state, "b.sh", 0644, "echo started\n");
    put(*state, "site.yaml", 0644,
        SITE_HEAD "status_script: a.sh, start_script: b.sh, stop_script: c.sh, fence_script: .}\n");

    assert_int_equal(
        bw_site_config_load(in_place(*state, "site.yaml"), BW_CONFIG_HERE, &config, &problems),
        BW_ERR_INVALID);

    assert_null(config);
    assert_int_equal(problems.error_count, 2);
    assert_int_equal(problems.warning_count, 1);
    assert_true(has_text(&problems, "groups[0].start_script: "));
    assert_true(has_text(&problems, "b.sh is not executable or has no #! line: bash runs it"));
    assert_true(has_text(&problems, "c.sh: No such file or directory"));
    assert_true(has_text(&problems, "groups[0].fence_script: "));
    assert_true(has_text(&problems, "is not a file"));
    bw_problems_deinit(&problems);
}

/* One holds up who opens it, the other never ends; both are refused like a folder, and count by their names. */
static void what_is_no_file_is_no_script_and_holds_nobody_up(void **state)
{
    struct bw_site_config *config = NULL;
    struct bw_problems problems;

    bw_problems_init(&problems);
    put(*state, "a.sh", 0755, "#!/bin/sh\n");
    assert_int_equal(mkfifo(in_place(*state, "fifo"), 0755), 0);
    put(*state, "site.yaml", 0644,
        SITE_HEAD "status_script: a.sh, start_script: fifo, stop_script: /dev/zero, fence_script: a.sh}\n");

    (void)alarm(60);
    assert_int_equal(
        bw_site_config_load(in_place(*state, "site.yaml"), BW_CONFIG_HERE, &config, &problems),
        BW_ERR_INVALID);
    assert_int_equal(bw_script_hint_read(in_place(*state, "fifo")).kind, BW_SCRIPT_HINT_NONE);
    (void)alarm(0);

    assert_int_equal(problems.error_count, 2);
    assert_true(has_text(&problems, "groups[0].start_script: "));
    assert_true(has_text(&problems, "groups[0].stop_script: /dev/zero is not a file"));
    assert_int_not_equal(bw_script_file_digest("/dev/zero"), bw_script_file_digest("/dev/null"));
    bw_problems_deinit(&problems);
}

/* For one release: a site that was upgraded starts with the file that it has. */
static void a_former_key_or_word_is_read_with_a_warning(void **state)
{
    struct bw_site_config *config = NULL;
    struct bw_problems problems;

    bw_problems_init(&problems);
    put(*state, "a.sh", 0755, "#!/bin/sh\n");
    put(*state, "seven.yaml", 0644,
        "status_script: a.sh\nstart_script: a.sh\nstop_script: a.sh\ncondition_check_script: a.sh\n");
    put(*state, "site.yaml", 0644, SITE_HEAD "scripts: seven.yaml, local_restarts: 7, driver: guard, condition: show}\n");

    assert_int_equal(bw_site_config_load(in_place(*state, "site.yaml"), BW_CONFIG_HERE, &config, &problems), BW_OK);

    assert_int_equal(problems.warning_count, 4);
    assert_string_equal(config->groups[0].scripts[BW_ACTION_START], in_place(*state, "a.sh"));
    assert_int_equal(config->groups[0].local_restarts, 7);
    assert_int_equal(config->groups[0].condition_use, BW_CONDITION_USE_SHOW);
    bw_site_config_free(config);
    bw_problems_deinit(&problems);
}

static void load_groups(struct place *place, const char *text, struct bw_groups_config **out_config,
                        struct bw_problems *problems)
{
    bw_problems_init(problems);
    put(place, "groups.yaml", 0644, text);
    assert_int_equal(bw_groups_config_load(in_place(place, "groups.yaml"), 1000, out_config, problems), BW_OK);
}

#define GROUP_BY(mode, window, margin, candidate)                                                                       \
    "groups:\n  - name: g\n    sites: [{name: dc-a}, {name: dc-b, " candidate "}, {name: dc-c}]\n"                       \
    "    mode: " mode "\n    " window ": 4s\n    " margin ": 300ms\n"

static void a_group_by_former_names_is_the_same(void **state)
{
    struct bw_groups_config *former = NULL;
    struct bw_groups_config *config = NULL;
    struct bw_problems problems;

    load_groups(*state, GROUP_BY("unmanaged", "fence_window", "lease_margin", "failover_candidate: false"), &config, &problems);
    assert_int_equal(problems.warning_count, 0);
    bw_problems_deinit(&problems);

    load_groups(*state, GROUP_BY("observe", "fence_timeout", "margin", "candidate: never"), &former, &problems);
    assert_int_equal(problems.warning_count, 3); /* observe is the word of the API: it stays */
    bw_problems_deinit(&problems);

    assert_int_equal(config->groups[0].spec.mode, BW_MODE_OBSERVE);
    assert_int_equal(config->groups[0].spec.fence_timeout_ms, 4000);
    assert_true(config->groups[0].spec.sites[1].never_candidate);
    assert_true(bw_spec_is_equal(&config->groups[0].spec, &former->groups[0].spec));
    bw_groups_config_free(config);
    bw_groups_config_free(former);
}

static void a_key_by_both_names_is_refused(void **state)
{
    struct bw_groups_config *config = NULL;
    struct bw_problems problems;

    bw_problems_init(&problems);
    put(*state, "groups.yaml", 0644,
        "groups:\n  - {name: g, sites: [{name: dc-a}, {name: dc-b}], fence_window: 4s, fence_timeout: 4s}\n");
    assert_int_equal(bw_groups_config_load(in_place(*state, "groups.yaml"), 1000, &config, &problems), BW_ERR_INVALID);
    assert_int_equal(problems.error_count, 1);
    assert_true(has_text(&problems, "groups[0].fence_window: key given twice: \"fence_timeout\" is the former name"));
    bw_problems_deinit(&problems);
}

static void scripts_that_are_here_load(void **state)
{
    struct bw_site_config *config = NULL;
    struct bw_problems problems;

    bw_problems_init(&problems);
    put(*state, "a.sh", 0755, "#!/bin/sh\n");
    put(*state, "seven.yaml", 0644,
        "status_script: a.sh\nstart_script: a.sh\nstop_script: a.sh\ncondition_check_script: "
        "a.sh\n");
    put(*state, "site.yaml", 0644, SITE_HEAD "legacy_config: seven.yaml}\n");

    assert_int_equal(
        bw_site_config_load(in_place(*state, "site.yaml"), BW_CONFIG_HERE, &config, &problems),
        BW_OK);

    assert_int_equal(problems.warning_count, 0);
    assert_string_equal(config->groups[0].scripts[BW_ACTION_START], in_place(*state, "a.sh"));
    bw_site_config_free(config);
    bw_problems_deinit(&problems);
}

/* 5.4: HERE as its daemon would; by itself it is fine. */
static void a_file_that_others_can_change_is_refused_here(void **state)
{
    static const struct {
        mode_t site, seven;
    } modes[] = {{0664, 0644}, {0646, 0644}, {0644, 0664}};

    put(*state, "a.sh", 0755, "#!/bin/sh\n");
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct bw_site_config *config = NULL;
        struct bw_problems problems;

        bw_problems_init(&problems);
        put(*state, "seven.yaml", modes[i].seven,
            "status_script: a.sh\nstart_script: a.sh\nstop_script: a.sh\ncondition_check_script: a.sh\n");
        put(*state, "site.yaml", modes[i].site, SITE_HEAD "legacy_config: seven.yaml}\n");
        assert_int_equal(
            bw_site_config_load(in_place(*state, "site.yaml"), BW_CONFIG_HERE, &config, &problems),
            BW_ERR_INVALID);
        assert_int_equal(problems.error_count, 1);
        assert_true(has_text(&problems, "others can change it: "));
        bw_problems_deinit(&problems);
        bw_problems_init(&problems);
        assert_int_equal(bw_site_config_load(in_place(*state, "site.yaml"), BW_CONFIG_OFFLINE, &config,
                                             &problems),
                         BW_OK);
        bw_site_config_free(config);
        bw_problems_deinit(&problems);
    }
}

static void a_file_of_scripts_must_be_here(void **state)
{
    struct bw_site_config *config = NULL;
    struct bw_problems problems;

    bw_problems_init(&problems);
    put(*state, "site.yaml", 0644, SITE_HEAD "legacy_config: seven.yaml}\n");

    assert_int_equal(
        bw_site_config_load(in_place(*state, "site.yaml"), BW_CONFIG_HERE, &config, &problems),
        BW_ERR_INVALID);

    assert_true(has_text(&problems, "cannot be read: No such file or directory"));
    assert_true(has_text(&problems, "groups[0].legacy_config: "));
    bw_problems_deinit(&problems);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    struct bw_cli_config *config = NULL;
    struct bw_problems problems;

    bw_problems_init(&problems);

    assert_int_equal(bw_cli_config_load(in_place(*state, "none.yaml"), BW_CONFIG_OFFLINE, &config, &problems),
                     BW_ERR_NOT_FOUND);
    assert_int_equal(bw_cli_config_load("/tmp", BW_CONFIG_OFFLINE, &config, &problems), BW_ERR_INVALID);

    assert_int_equal(problems.error_count, 2);
    assert_true(has_text(&problems, "is not a file"));
    bw_problems_deinit(&problems);
}

/* 3.4: where the service of this site runs has nothing to do with it. */
static void what_starts_it_and_status_are_the_digest_and_no_other_script_is(void **state)
{
    static const bool is_covered[BW_ACTION_COUNT] = {
        [BW_ACTION_START] = true, [BW_ACTION_STATUS] = true, [BW_ACTION_REJOIN] = true};

    (void)state;
    for (int action = BW_ACTION_NONE + 1; action < BW_ACTION_COUNT; action++) {
        struct bw_group_config group = {.name = "shop", .enforce = BW_REACH_CGROUP};
        const uint64_t without = bw_group_config_digest(&group);
        const uint64_t before = bw_group_config_digest_of_all(&group);

        group.scripts[action] = "/bin/true";
        assert_int_equal(bw_group_config_digest(&group) != without, is_covered[action]);
        assert_int_equal(bw_group_config_digest_of_all(&group) != before, action != BW_ACTION_REMOTE_FENCE);
    }
}

/* 3.4: what a list does hangs on its scripts, on who needs whom and on their order. */
static void steps_are_a_part_of_the_digest(void **state)
{
    struct bw_step_config steps[] = {{.name = "a", .script = "/bin/true"},
                                     {.name = "b", .script = "/bin/false"}};
    struct bw_group_config group = {.name = "shop", .enforce = BW_REACH_CGROUP};
    const uint64_t without = bw_group_config_digest(&group);
    uint64_t files[BW_STEPS_MAX] = {0};
    uint64_t with;

    (void)state;
    group.start_steps = (struct bw_steps_config){steps, 2};
    with = bw_group_config_digest_steps(&group, files);
    assert_true(with != without && with == bw_group_config_digest(&group));
    assert_true(files[0] == bw_script_file_digest("/bin/true"));
    assert_true(files[1] == bw_script_file_digest("/bin/false"));
    steps[1].rule.needs = 1;
    assert_true(bw_group_config_digest(&group) != with);
    steps[1].rule.needs = 0;
    steps[1].name[0] = 'c';
    assert_true(bw_group_config_digest(&group) != with);
    steps[1].name[0] = 'b';
    steps[1].script = "/bin/true";
    assert_true(bw_group_config_digest(&group) != with);
    steps[1].script = "/bin/false";
    steps[1].timeout_ms = 7; /* of which nothing that is seen of the reach depends */
    assert_true(bw_group_config_digest(&group) == with);
    group.start_steps.count = 0;
    group.stop_steps = (struct bw_steps_config){steps, 2};
    assert_true(bw_group_config_digest(&group) == without); /* how it is stopped says nothing of where it runs */
}

/* 3.4, 3.7: who restarts because a line of the log says so has read what that costs. */
static void what_it_takes_to_change_a_key_is_said(void **state)
{
    static const char *const ends[] = {"cluster", "site", "state_dir", "run_dir"};

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        assert_non_null(strstr(bw_site_key_takes(ends[i]), "what serves here ends"));
    assert_non_null(strstr(bw_site_key_takes("guard_socket"), "no outage"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_follow_in_the_order_of_the_file),
        TEST(witness_yaml_of_the_design_loads),
        TEST(the_people_of_witness_yaml_arrive),
        TEST(the_first_change_among_given_keys_is_found),
        TEST(what_it_takes_to_change_a_key_is_said),
        TEST(of_a_map_each_value_is_compared),
        TEST(groups_yaml_of_the_design_loads),
        TEST(every_key_of_groups_yaml_arrives),
        TEST(a_version_is_read_and_a_mode_that_is_not_named_is_kept),
        TEST(a_version_that_is_no_number_is_told),
        TEST(every_key_of_site_yaml_arrives),
        TEST(what_starts_it_and_status_are_the_digest_and_no_other_script_is),
        TEST(steps_are_a_part_of_the_digest),
        TEST(seven_keys_load_unchanged),
        TEST(seven_keys_of_another_file_become_the_groups),
        TEST(scripts_must_be_here),
        TEST(what_is_no_file_is_no_script_and_holds_nobody_up),
        TEST(a_former_key_or_word_is_read_with_a_warning),
        TEST(a_group_by_former_names_is_the_same),
        TEST(a_key_by_both_names_is_refused),
        TEST(scripts_that_are_here_load),
        TEST(a_file_that_others_can_change_is_refused_here),
        TEST(a_file_of_scripts_must_be_here),
        TEST(a_file_that_is_not_there_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
