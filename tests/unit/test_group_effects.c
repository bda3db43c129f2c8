/* group: what each row changes, and that it changes nothing else: every field of the group before and
 * after, as tests/golden/group_effects.txt has it. BREAKWATER_GOLDEN=write writes it anew. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_fixture.h"

#define FIELDS_MAX 160
#define LINE_BYTES 256
#define TEXT_BYTES (128 * 1024)

struct fields {
    char lines[FIELDS_MAX][LINE_BYTES];
    size_t count;
};

static char printed[TEXT_BYTES];
static size_t printed_size;

/* ---- every field, a line each ---- */

__attribute__((format(printf, 2, 3))) static void field(struct fields *out, const char *format, ...)
{
    va_list args;

    assert_true(out->count < FIELDS_MAX);
    va_start(args, format);
    assert_in_range(vsnprintf(out->lines[out->count++], LINE_BYTES, format, args), 1, LINE_BYTES - 1);
    va_end(args);
}

static void id_field(struct fields *out, const char *name, struct bw_id id)
{
    field(out, "%s %02x%02x%02x%02x%02x", name, id.bytes[0], id.bytes[4], id.bytes[5], id.bytes[6],
          id.bytes[7]);
}

static void terms_fields(struct fields *out, const char *name, const struct bw_terms *terms)
{
    field(out,
          "%s ttl=%u fence=%u drift=%u margin=%u renew=%u request=%u reach=%d second=%d point=%d",
          name, terms->ttl_ms, terms->fence_ms, terms->drift_ppm, terms->margin_ms,
          terms->renew_interval_ms, terms->request_timeout_ms, (int)terms->reach,
          terms->second_enforcer, (int)terms->no_return);
}

static void history_fields(struct fields *out, const struct bw_history_entry *entry)
{
    field(out, "history granted: epoch %" PRIu64 " at %s after %s, index %" PRIu64 ", %" PRId64
               ", %s%s%s, silent %u, by %s",
          entry->epoch, entry->site, entry->previous_site, entry->granted_index,
          entry->granted_unix_ms, bw_reason_word(entry->why_granted),
          entry->planned ? ", planned" : "", entry->adopted ? ", adopted" : "", entry->silent_ms,
          entry->by);
    field(out, "history ended: epoch %" PRIu64 ", index %" PRIu64 ", %" PRId64 ", %s, %s", entry->epoch,
          entry->ended_index, entry->ended_unix_ms, bw_reason_word(entry->why_ended),
          bw_grade_word(entry->grade));
    field(out, "history sight: epoch %" PRIu64 ", %d%s", entry->epoch, (int)entry->seen,
          entry->proved ? ", proved" : "");
}

static void fields_of(const struct bw_group *group, struct fields *out)
{
    static const struct bw_history_entry none;

    out->count = 0;
    field(out, "phase %s", bw_phase_word(group->phase));
    field(out, "epoch %" PRIu64, group->epoch);
    field(out, "spec.mode %s", bw_mode_word(group->spec.mode));
    field(out, "spec.ttl %u", group->spec.lease_ttl_ms);
    for (uint32_t i = 0; i < BW_SITES_MAX; i++)
        field(out, "site %u: %s, maintenance %" PRIu64, i,
              i < group->spec.site_count ? group->spec.sites[i].name : "-", group->maintenance_ms[i]);
    field(out, "group maintenance %" PRIu64, group->group_maintenance_ms);
    field(out, "spec_version %" PRIu64, group->spec_version);
    field(out, "spec_index %" PRIu64, group->spec_index);
    field(out, "changed_index %" PRIu64, group->changed_index);
    field(out, "held %d, index %" PRIu64, group->held, group->held_index);
    field(out, "sight %d%s, digest %" PRIu64, (int)group->sight.seen,
          group->sight.proved ? ", proved" : "", (uint64_t)group->sight.digest);
    field(out, "adopting %d", group->adopting);
    field(out, "first_grant %d", group->first_grant);
    field(out, "holder %s", group->holder_site);
    id_field(out, "holder_instance", group->holder_instance);
    field(out, "boots %u%s", group->boot_count, group->has_more_boots ? ", and more" : "");
    for (uint32_t i = 0; i < BW_BOOTS_MAX; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "boot %u", i);
        id_field(out, name, i < group->boot_count ? group->boots[i].id : (struct bw_id){0});
    }
    terms_fields(out, "terms", &group->terms);
    field(out, "granted_index %" PRIu64, group->granted_index);
    field(out, "target %s", group->target);
    field(out, "target_origin %s", group->target_origin);
    field(out, "target_position %s", group->target_position);
    field(out, "target_reason %s", bw_reason_word(group->target_reason));
    field(out, "target_by %s", group->target_by);
    field(out, "rolling_back %d", group->rolling_back);
    field(out, "initial_primary %s", group->initial_primary);
    field(out, "first_choice %s", group->first_choice);
    field(out, "data_site %s", group->data_site);
    field(out, "previous_data_site %s", group->previous_data_site);
    field(out, "let_go %s, epoch %" PRIu64 ", index %" PRIu64, group->let_go_site,
          group->let_go_epoch, group->let_go_index);
    terms_fields(out, "let_go_terms", &group->let_go_terms);
    field(out, "last_end epoch %" PRIu64 " at %s, %s, %s, past_no_return %d, position %s",
          group->last_end.epoch, group->last_end.site, bw_grade_word(group->last_end.grade),
          bw_reason_word(group->last_end.reason), group->last_end.past_no_return,
          group->last_end.position);
    field(out, "history from %u, %u", group->history_first, group->history_count);
    for (uint32_t i = 0; i < 6; i++)
        history_fields(out, i < group->history_count ? &group->history[i] : &none);
    for (uint32_t i = 0; i < BW_VOUCHERS_MAX; i++)
        field(out, "voucher %u: epoch %" PRIu64 ", %s: %s", i,
              i < group->voucher_count ? group->vouchers[i].epoch : 0,
              i < group->voucher_count ? group->vouchers[i].by : "",
              i < group->voucher_count ? group->vouchers[i].text : "");
}

/* ---- groups that have lived ---- */

static struct group_run after(struct group_run run, struct bw_command command)
{
    if (bw_group_apply(&run.group, ++run.index, &command) == NULL)
        fail_msg("%s does not fit", bw_command_word(command.kind));
    return run;
}

/* Every field of its kind says something that no group has by itself. */
static struct bw_command loud(struct bw_command command)
{
    strcpy(command.by, "operator/berta");
    strcpy(command.text, "said loud");
    command.unix_ms = 1700000000000;
    command.silent_ms = 4321;
    command.duration_ms = 8000;
    command.sight.proved = true;
    command.sight.digest = 7;
    if (command.reason == BW_REASON_NONE)
        command.reason = BW_REASON_OPERATOR;
    return command;
}

static struct bw_command maintenance(const struct bw_group *group, const char *site)
{
    struct bw_command command = fixture_command(group, BW_COMMAND_MAINTENANCE);

    strcpy(command.site, site);
    command.duration_ms = 9000;
    return command;
}

/* dc-c served epoch 4 and went down; its site is in maintenance. */
static struct group_run vacant(void)
{
    struct group_run run = {.index = 10};
    const struct bw_spec spec = fixture_spec();

    bw_group_init(&run.group, &spec, 3, run.index);
    run = after(run, maintenance(&run.group, "dc-c"));
    run = after(run, fixture_grant(&run.group, "dc-c"));
    return after(run, fixture_released(&run.group, BW_REASON_SERVICE_DOWN, true, "0/9"));
}

static struct group_run granted(void)
{
    const struct group_run run = vacant();

    return after(run, fixture_grant(&run.group, "dc-a"));
}

static struct group_run wished(void)
{
    struct group_run run = {.index = 10};
    const struct bw_spec spec = fixture_spec();
    struct bw_command command;

    bw_group_init(&run.group, &spec, 3, run.index);
    command = fixture_set_spec(&run.group, "");
    strcpy(command.site, "dc-b");
    return after(run, command);
}

static struct group_run adopting(void)
{
    const struct group_run run = vacant();

    return after(run, fixture_adopt(&run.group, "dc-a"));
}

static struct group_run revoking(void)
{
    const struct group_run run = granted();

    return after(run, fixture_revoke(&run.group, "dc-b"));
}

static struct group_run between(void)
{
    const struct group_run run = revoking();

    return after(run, fixture_released(&run.group, BW_REASON_SWITCHOVER, true, "0/16"));
}

static struct group_run moved(void)
{
    const struct group_run run = between();

    return after(run, fixture_grant(&run.group, "dc-b"));
}

static struct group_run rolling_back(void)
{
    const struct group_run run = moved();

    return after(run, fixture_released(&run.group, BW_REASON_START_FAILED, false, ""));
}

static struct group_run closing(void)
{
    const struct group_run run = revoking();

    return after(run, loud(fixture_command(&run.group, BW_COMMAND_CLOSE)));
}

static struct group_run held(void)
{
    const struct group_run run = revoking();

    return after(run, fixture_command(&run.group, BW_COMMAND_FENCE_FAILED));
}

static struct group_run chosen(void)
{
    const struct group_run run = revoking();

    return after(run, fixture_command(&run.group, BW_COMMAND_EXPIRED));
}

static struct group_run let_go(void)
{
    struct group_run run = granted();

    run = after(run, fixture_set_mode(&run.group, BW_MODE_OBSERVE));
    return after(run, fixture_set_mode(&run.group, BW_MODE_AUTO));
}

/* ---- what is told ---- */

static void print(const char *format, const char *a, const char *b)
{
    printed_size += (size_t)snprintf(printed + printed_size, TEXT_BYTES - printed_size, format, a,
                                     b);
    assert_in_range(printed_size, 1, TEXT_BYTES - 1);
}

static void tell(const char *name, struct group_run run, struct bw_command command)
{
    static struct fields before;
    static struct fields now;
    const char *rule;

    fields_of(&run.group, &before);
    run.index += 100;
    rule = group_run_apply(&run, command);
    fields_of(&run.group, &now);
    assert_int_equal(before.count, now.count);
    print("%s: %s", rule, name);
    print(" %s%s\n", bw_command_word(command.kind), "");
    for (size_t i = 0; i < now.count; i++)
        if (strcmp(before.lines[i], now.lines[i]) != 0)
            print("    %s%s\n", now.lines[i],
                  now.lines[i][strlen(now.lines[i]) - 1] == ' ' ? "-" : "");
}

static struct bw_command early(const struct bw_group *group, enum bw_command_kind kind,
                               enum bw_reason reason)
{
    struct bw_command command = loud(fixture_command(group, kind));

    command.past_no_return = false;
    command.reason = reason;
    if (kind == BW_COMMAND_RELEASED)
        strcpy(command.position, "0/77");
    return command;
}

static struct bw_command in_mode(struct bw_command command, enum bw_mode mode)
{
    command.mode = command.spec.mode = mode;
    return loud(command);
}

static void tell_ends(const char *name, struct group_run run)
{
    static const enum bw_command_kind kinds[] = {BW_COMMAND_EXPIRED, BW_COMMAND_RELEASED,
                                                 BW_COMMAND_FENCED, BW_COMMAND_FORCED};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct bw_command command = early(&run.group, kinds[i], BW_REASON_SERVICE_DOWN);

        if (bw_group_match(&run.group, &command) == NULL)
            continue;
        command.past_no_return = true;
        tell(name, run, command);
    }
}

static void tell_grants(const char *name, struct group_run run)
{
    struct bw_command planned = loud(fixture_grant(&run.group, "dc-b"));

    planned.planned = true;
    tell(name, run, planned);
    tell(name, run, loud(fixture_grant(&run.group, "dc-a")));
}

static void tell_vacant(void)
{
    struct group_run run = vacant();

    tell_grants("vacant", run);
    tell_grants("between", between());
    tell_grants("rolling back", rolling_back());
    run = chosen();
    tell("chosen", run, loud(fixture_grant(&run.group, "dc-b")));
    run = wished();
    tell("wished", run, loud(fixture_grant(&run.group, "dc-b")));
    run = let_go();
    tell("let go", run, loud(fixture_grant(&run.group, "dc-b")));
    run = vacant();
    run.group.has_more_boots = true;
    run.group.boots[run.group.boot_count++].id = fixture_instance("boot");
    tell("booted", run, loud(fixture_grant(&run.group, "dc-b")));
    run = vacant();
    tell("vacant", run, loud(fixture_adopt(&run.group, "dc-a")));
    tell("vacant", run, in_mode(fixture_set_mode(&run.group, 0), BW_MODE_OBSERVE));
    run = chosen();
    tell("chosen", run, in_mode(fixture_set_mode(&run.group, 0), BW_MODE_OBSERVE));
    tell("chosen", run, loud(fixture_set_spec(&run.group, "dc-b")));
    run = between();
    tell("between", run, in_mode(fixture_set_spec(&run.group, ""), BW_MODE_OBSERVE));
    tell("between", run, loud(fixture_set_spec(&run.group, "dc-a")));
    tell("between", run, loud(fixture_set_spec(&run.group, "dc-b")));
}

static void tell_open(void)
{
    struct group_run run = granted();

    tell_ends("granted", run);
    tell_ends("adopting", adopting());
    tell_ends("moved", moved());
    tell_ends("revoking", revoking());
    tell_ends("closing", closing());
    tell_ends("held", held());
    tell("granted", run, early(&run.group, BW_COMMAND_EXPIRED, BW_REASON_NEVER_STARTED));
    tell("granted", run, early(&run.group, BW_COMMAND_EXPIRED, BW_REASON_NONE));
    tell("granted", run, early(&run.group, BW_COMMAND_RELEASED, BW_REASON_START_FAILED));
    tell("granted", run, early(&run.group, BW_COMMAND_RELEASED, BW_REASON_NONE));
    tell("granted", run, early(&run.group, BW_COMMAND_RELEASED, BW_REASON_SERVICE_DOWN));
    run = moved();
    tell("moved", run, early(&run.group, BW_COMMAND_EXPIRED, BW_REASON_NEVER_STARTED));
    tell("moved", run, early(&run.group, BW_COMMAND_RELEASED, BW_REASON_START_FAILED));
    tell("moved", run, loud(fixture_revoke(&run.group, "dc-c")));
}

static void tell_changes(void)
{
    struct group_run run = granted();
    struct bw_command command = loud(fixture_command(&run.group, BW_COMMAND_CLOSE));

    tell("granted", run, command);
    command.reason = BW_REASON_SERVICE_DOWN;
    tell("granted", run, command);
    tell("granted", run, loud(fixture_command(&run.group, BW_COMMAND_FENCE_FAILED)));
    tell("granted", run, loud(fixture_command(&run.group, BW_COMMAND_BOOT)));
    tell("granted", run, loud(fixture_command(&run.group, BW_COMMAND_REACH)));
    tell("granted", run, loud(maintenance(&run.group, "dc-b")));
    tell("granted", run, loud(maintenance(&run.group, "")));
    tell("granted", run, in_mode(fixture_set_mode(&run.group, 0), BW_MODE_PAUSED));
    tell("granted", run, in_mode(fixture_set_mode(&run.group, 0), BW_MODE_OBSERVE));
    command = fixture_set_spec(&run.group, "dc-b"); /* dc-c takes its place in the list */
    command.spec.lease_ttl_ms++;
    tell("granted", run, loud(command));
    run = adopting();
    tell("adopting", run, loud(fixture_command(&run.group, BW_COMMAND_ADOPTED)));
    run = revoking();
    tell("revoking", run, loud(fixture_command(&run.group, BW_COMMAND_UNREVOKE)));
    tell("revoking", run, loud(fixture_command(&run.group, BW_COMMAND_CLOSE)));
    tell("revoking", run, loud(fixture_command(&run.group, BW_COMMAND_FENCE_FAILED)));
    tell("revoking", run, in_mode(fixture_set_spec(&run.group, ""), BW_MODE_OBSERVE));
    run = closing();
    tell("closing", run, loud(fixture_command(&run.group, BW_COMMAND_FENCE_FAILED)));
}

static void each_row_changes_what_the_list_says_and_nothing_else(void **state) /* 3.1 */
{
    static char kept[TEXT_BYTES];
    const char *source = getenv("BREAKWATER_SOURCE");
    const char *wish = getenv("BREAKWATER_GOLDEN");
    const bool writes = wish != NULL && strcmp(wish, "write") == 0;
    char path[512];
    FILE *file;

    (void)state;
    tell_vacant();
    tell_open();
    tell_changes();
    (void)snprintf(path, sizeof path, "%s/tests/golden/group_effects.txt", source != NULL ? source : ".");
    file = fopen(path, writes ? "w" : "r");
    if (file == NULL)
        fail_msg("cannot open %s", path);
    if (writes) {
        assert_int_equal(fwrite(printed, 1, printed_size, file), printed_size);
    } else {
        kept[fread(kept, 1, TEXT_BYTES - 1, file)] = '\0';
        assert_string_equal(printed, kept);
    }
    assert_int_equal(fclose(file), 0);
}

/* Each of the three alone is news, and what is known already is none (3.4). */
static void a_sight_is_news_when_any_of_it_is(void **state)
{
    const struct group_run run = granted();
    const struct bw_command known = fixture_command(&run.group, BW_COMMAND_REACH);

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct group_run again = run;
        struct bw_command command = known;

        command.sight = run.group.sight;
        command.sight.seen = i == 1 ? BW_REACH_OUTSIDE : command.sight.seen;
        command.sight.proved ^= i == 2;
        command.sight.digest += i == 3;
        assert_rule(&again, i == 0 ? "no-op" : "G40", command);
    }
}

/* 3.1: both reasons are kept, however short. */
static void reasons_of_one_letter_are_joined(void **state)
{
    struct group_run run = granted();
    struct bw_command command = loud(fixture_command(&run.group, BW_COMMAND_CLOSE));

    (void)state;
    strcpy(command.text, "x");
    assert_rule(&run, "G10", command);
    command.kind = BW_COMMAND_FORCED;
    strcpy(command.text, "y");
    assert_rule(&run, "G17", command);
    assert_int_equal(run.group.voucher_count, 1);
    assert_string_equal(run.group.vouchers[0].text, "x; y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_changes_what_the_list_says_and_nothing_else),
        cmocka_unit_test(a_sight_is_news_when_any_of_it_is),
        cmocka_unit_test(reasons_of_one_letter_are_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
