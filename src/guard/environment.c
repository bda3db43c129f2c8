/* What a script is told of its order. Design 5.1. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>

static uint64_t lease_remaining_ms(const struct bw_guard *machine)
{
    if (machine->mirror.armed_epoch == 0)
        return 0;
    return bw_instant_left_ns(bw_clock_now(), machine->mirror.armed_end) / BW_NS_PER_MS;
}

__attribute__((format(printf, 3, 4))) static void add(struct bw_guard_environment *environment,
                                                      size_t *count, const char *format, ...)
{
    char *text = environment->text[*count];
    va_list values;
    int length;

    va_start(values, format);
    length = vsnprintf(text, BW_GUARD_VARIABLE_MAX, format, values);
    va_end(values);
    BW_ASSERT(length > 0 && length < BW_GUARD_VARIABLE_MAX); /* all values are bounded */
    BW_ASSERT(*count < BW_GUARD_VARIABLES);
    environment->list[(*count)++] = text;
}

static enum bw_err add_own(struct bw_guard_environment *environment, size_t *count,
                           const struct bw_group_config *config, struct bw_diag *diag)
{
    size_t size = 1;
    char *at;

    for (uint32_t i = 0; i < config->env_count; i++)
        size += strlen(config->env[i].name) + strlen(config->env[i].value) + 2;
    environment->own = at = malloc(size);
    if (at == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "build the environment of a script");
    for (uint32_t i = 0; i < config->env_count && i < BW_ENV_MAX; i++) {
        environment->list[(*count)++] = at;
        at = stpcpy(stpcpy(stpcpy(at, config->env[i].name), "="), config->env[i].value) + 1;
    }
    return BW_OK;
}

enum bw_err bw_guard_environment_init(struct bw_guard_environment *environment,
                                      const struct bw_guard_place *place,
                                      const struct bw_guard_run *run, struct bw_diag *diag)
{
    const struct bw_run_facts *facts = &run->facts;
    size_t count = 0;
    enum bw_err err;

    add(environment, &count, "BREAKWATER_GROUP=%s", place->config->name);
    add(environment, &count, "BREAKWATER_SITE=%s", place->program->config->site);
    add(environment, &count, "BREAKWATER_EPOCH=%" PRIu64, run->epoch);
    add(environment, &count, "BREAKWATER_PREVIOUS_SITE=%s", facts->previous_site);
    add(environment, &count, "BREAKWATER_REASON=%s", bw_reason_word(facts->reason));
    add(environment, &count, "BREAKWATER_PLANNED=%s", facts->planned ? "true" : "false");
    add(environment, &count, "BREAKWATER_GRADE=%s", bw_grade_word(facts->grade));
    add(environment, &count, "BREAKWATER_LEASE_REMAINING_MS=%" PRIu64,
        lease_remaining_ms(&place->machine));
    add(environment, &count, "BREAKWATER_TARGET_POSITION=%s", facts->target_position);
    /* A start that finds the service running already moves it in here, into reach. */
    if (place->reach.means == BW_REACH_BY_CGROUP)
        add(environment, &count, "BREAKWATER_CGROUP=%s", place->reach.slots[BW_REACH_SERVICE].path);
    err = add_own(environment, &count, place->config, diag);
    environment->list[count] = NULL;
    return err;
}

void bw_guard_environment_deinit(struct bw_guard_environment *environment)
{
    free(environment->own);
    environment->own = NULL;
}
