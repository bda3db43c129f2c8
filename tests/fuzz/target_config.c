/* Every configuration file. The first byte says which loader; a NUL ends the file, and what follows
 * is the second one, which `scripts:` of site.yaml can name as "second.yaml". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/name.h>
#include <breakwater/config/cli_config.h>
#include <breakwater/config/config_kind.h>
#include <breakwater/config/groups_config.h>
#include <breakwater/config/scalar.h>
#include <breakwater/config/site_config.h>
#include <breakwater/config/witness_config.h>

#include "fuzz.h"

#define ELECTION_MS 1000

static FILE *nowhere(void)
{
    static FILE *out;

    if (out == NULL)
        out = fopen("/dev/null", "we");
    FUZZ_CHECK(out != NULL);
    return out;
}

/* Loaded exactly when nothing is wrong, and what is wrong is told at a place that is there. */
static void check_problems(enum bw_err err, struct bw_problems *problems, size_t size)
{
    FUZZ_CHECK((err == BW_OK) == (problems->error_count == 0));
    FUZZ_CHECK(problems->listed_count <= 2 * BW_PROBLEMS_LISTED_MAX);
    FUZZ_CHECK(problems->listed_count <= problems->error_count + problems->warning_count);
    for (uint32_t i = 0; i < problems->listed_count; i++) {
        const struct bw_problem *problem = &problems->listed[i];

        FUZZ_CHECK(fuzz_is_text(problem->text, sizeof problem->text) && problem->text[0] != '\0');
        FUZZ_CHECK(fuzz_is_text(problem->excerpt, sizeof problem->excerpt));
        FUZZ_CHECK(problem->file < problems->file_count);
        FUZZ_CHECK(problem->line <= size + 1 && problem->column <= size + 2);
        FUZZ_CHECK(problem->line == 0 || problem->width >= 1);
        FUZZ_CHECK(problem->excerpt_column <= sizeof problem->excerpt);
    }
    bw_problems_print(problems, "nothing was started", nowhere());
}

static enum bw_err load_witness(const char *file, struct bw_problems *problems)
{
    struct bw_witness_config *config = NULL;
    const enum bw_err err = bw_witness_config_load(file, BW_CONFIG_OFFLINE, &config, problems);

    if (err != BW_OK)
        return err;
    FUZZ_CHECK(bw_name_is_valid(config->cluster) && bw_name_is_valid(config->name));
    FUZZ_CHECK(config->witness_count % 2 == 1 && config->witness_count <= BW_WITNESSES_MAX);
    FUZZ_CHECK(config->self < config->witness_count);
    FUZZ_CHECK(strcmp(config->witnesses[config->self].name, config->name) == 0);
    FUZZ_CHECK(config->election_timeout_ms >= BW_ELECTION_TIMEOUT_MS_MIN &&
               config->election_timeout_ms <= BW_ELECTION_TIMEOUT_MS_MAX);
    FUZZ_CHECK(config->data_dir[0] == '/' && config->tls.ca[0] == '/' &&
               config->tls.identity[0] == '/');
    bw_witness_config_free(config);
    return err;
}

static enum bw_err load_groups(const char *file, struct bw_problems *problems)
{
    struct bw_groups_config *config = NULL;
    const enum bw_err err = bw_groups_config_load(file, ELECTION_MS, &config, problems);

    if (err != BW_OK)
        return err;
    FUZZ_CHECK(config->group_count <= BW_GROUPS_MAX);
    for (uint32_t i = 0; i < config->group_count; i++) {
        const struct bw_spec *spec = &config->groups[i].spec;

        FUZZ_CHECK(bw_name_is_valid(spec->name) && spec->site_count <= BW_SITES_MAX);
        FUZZ_CHECK(spec->lease_ttl_ms > spec->fence_timeout_ms);
    }
    bw_groups_config_free(config);
    return err;
}

static void check_steps(const struct bw_steps_config *steps)
{
    struct bw_step_rule rules[BW_STEPS_MAX];

    FUZZ_CHECK(steps->count <= BW_STEPS_MAX);
    for (uint32_t i = 0; i < steps->count; i++) {
        FUZZ_CHECK(bw_name_is_valid(steps->items[i].name));
        FUZZ_CHECK(steps->items[i].script[0] == '/' && steps->items[i].timeout_ms > 0);
        FUZZ_CHECK(strlen(steps->items[i].script) <= BW_STEP_PATH_MAX);
        rules[i] = steps->items[i].rule;
    }
    FUZZ_CHECK(bw_steps_stuck(rules, steps->count) == 0);
}

static void check_group(const struct bw_group_config *group, bool is_alone)
{
    FUZZ_CHECK(is_alone ? group->name[0] == '\0' : bw_name_is_valid(group->name));
    FUZZ_CHECK(group->unit_count <= BW_UNITS_MAX && group->env_count <= BW_ENV_MAX);
    FUZZ_CHECK(group->local_restarts <= BW_LOCAL_RESTARTS_MAX);
    FUZZ_CHECK(group->failure_threshold > 0 && group->check_interval_ms > 0);
    /* Offline a `scripts:` file may be absent, which is a warning. */
    FUZZ_CHECK(group->seven_keys_file != NULL || (bw_group_config_has(group, BW_ACTION_STATUS) &&
                                                  bw_group_config_has(group, BW_ACTION_START) &&
                                                  bw_group_config_has(group, BW_ACTION_STOP)));
    check_steps(&group->start_steps);
    check_steps(&group->stop_steps);
    for (int i = 0; i < BW_ACTION_COUNT; i++) {
        FUZZ_CHECK(group->scripts[i] == NULL || group->scripts[i][0] == '/');
        FUZZ_CHECK(i == BW_ACTION_NONE || group->timeout_ms[i] > 0);
    }
    for (uint32_t i = 0; i < group->env_count; i++)
        FUZZ_CHECK(bw_env_name_is_valid(group->env[i].name) && group->env[i].value != NULL);
}

static enum bw_err load_site(const char *file, struct bw_problems *problems)
{
    struct bw_site_config *config = NULL;
    const enum bw_err err = bw_site_config_load(file, BW_CONFIG_OFFLINE, &config, problems);

    if (err != BW_OK)
        return err;
    FUZZ_CHECK(bw_name_is_valid(config->site) && bw_name_is_valid(config->cluster));
    FUZZ_CHECK(strlen(config->guard_socket) <= BW_SOCKET_PATH_MAX);
    for (uint32_t i = 0; i < config->group_count; i++) {
        check_group(&config->groups[i], false);
        FUZZ_CHECK(bw_site_config_find(config, config->groups[i].name) == &config->groups[i]);
    }
    bw_site_config_free(config);
    return err;
}

static enum bw_err load_seven(const char *file, struct bw_problems *problems)
{
    struct bw_site_config *config = NULL;
    const enum bw_err err = bw_seven_keys_load(file, BW_CONFIG_HERE, &config, problems);

    if (err != BW_OK)
        return err;
    FUZZ_CHECK(config->group_count == 1);
    check_group(&config->groups[0], true);
    bw_site_config_free(config);
    return err;
}

static enum bw_err load_cli(const char *file, struct bw_problems *problems)
{
    struct bw_cli_config *config = NULL;
    const enum bw_err err = bw_cli_config_load(file, BW_CONFIG_OFFLINE, &config, problems);

    if (err != BW_OK)
        return err;
    FUZZ_CHECK(config->endpoint_count >= 1 && config->endpoint_count <= BW_ENDPOINTS_MAX);
    bw_cli_config_free(config);
    return err;
}

/* Which file is it? From memory and from the file: the same. */
static enum bw_err detect(const char *file, struct bw_problems *problems, const char *text,
                          size_t size)
{
    struct bw_document opened;
    struct bw_document parsed;
    enum bw_config_kind kind;
    enum bw_err err = bw_document_open(&opened, file, problems);

    bw_document_parse(&parsed, file, text, size, problems);
    kind = bw_config_kind_detect(&parsed);
    FUZZ_CHECK(kind <= BW_CONFIG_KIND_SEVEN_KEYS);
    FUZZ_CHECK(err != BW_OK || kind == bw_config_kind_detect(&opened));
    bw_document_deinit(&opened);
    bw_document_deinit(&parsed);
    return problems->error_count > 0 ? BW_ERR_INVALID : BW_OK;
}

/* The files lie beside each other, for a relative path is found from where the first one is. */
static const char *put_beside(const char *name, const uint8_t *data, size_t size)
{
    static char paths[2][300];
    char *path = paths[name[0] == 's' && name[1] == 'i'];
    FILE *out;

    (void)snprintf(path, sizeof paths[0], "%s/%s", fuzz_directory(), name);
    out = fopen(path, "we");
    FUZZ_CHECK(out != NULL && fwrite(data, 1, size, out) == size && fclose(out) == 0);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static enum bw_err (*const loads[])(const char *file, struct bw_problems *problems) = {
        load_witness, load_groups, load_site, load_seven, load_cli};
    const unsigned count = sizeof loads / sizeof loads[0];
    const size_t whole = size;
    struct bw_problems problems;
    const uint8_t *end;
    unsigned which;
    const char *file;
    enum bw_err err;

    if (size == 0)
        return 0;
    which = data[0] % (count + 1);
    data++;
    size--;
    end = size > 0 ? memchr(data, '\0', size) : NULL;
    if (which == 2 && end != NULL) {
        (void)put_beside("second.yaml", end + 1, size - (size_t)(end + 1 - data));
        size = (size_t)(end - data);
        file = put_beside("site.yaml", data, size);
    } else {
        file = fuzz_file(0, data, size);
    }
    bw_problems_init(&problems);
    err = which < count ? loads[which](file, &problems)
                        : detect(file, &problems, (const char *)data, size);
    check_problems(err, &problems, whole);
    bw_problems_deinit(&problems);
    return 0;
}
