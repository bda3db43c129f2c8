/* Stories of a group, told by what the log decides: tests/golden/group/STORY.txt holds one event
 * per line, and beneath it, indented, the row that fired, the state and the orders of the sites.
 * The table itself is printed to tests/golden/group_table.txt. BREAKWATER_GOLDEN=write writes them
 * anew. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/core/order.h>
#include <breakwater/core/rules.h>

#include "core_fixture.h"

#define TEXT_BYTES (64 * 1024)
#define LINE_BYTES 256
#define WORDS_MAX  8

struct text {
    char bytes[TEXT_BYTES];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void print(struct text *text, const char *format, ...)
{
    va_list args;
    int wanted;

    va_start(args, format);
    wanted = vsnprintf(text->bytes + text->size, TEXT_BYTES - text->size, format, args);
    va_end(args);
    assert_true(wanted >= 0 && (size_t)wanted < TEXT_BYTES - text->size);
    text->size += (size_t)wanted;
}

/* ---- files ---- */

static void path_of(const char *name, char *out, size_t size)
{
    const char *source = getenv("BREAKWATER_SOURCE");

    (void)snprintf(out, size, "%s/tests/golden/%s", source != NULL ? source : ".", name);
}

static void read_file(const char *name, struct text *out)
{
    char path[512];
    FILE *file;

    path_of(name, path, sizeof path);
    file = fopen(path, "r");
    if (file == NULL)
        fail_msg("cannot read %s", path);
    out->size = fread(out->bytes, 1, TEXT_BYTES - 1, file);
    out->bytes[out->size] = '\0';
    assert_int_equal(ferror(file), 0);
    assert_int_equal(fclose(file), 0);
}

static void compare_or_write(const char *name, const struct text *printed)
{
    static struct text kept;
    const char *wish = getenv("BREAKWATER_GOLDEN");

    if (wish != NULL && strcmp(wish, "write") == 0) {
        char path[512];
        FILE *file;

        path_of(name, path, sizeof path);
        file = fopen(path, "w");
        if (file == NULL)
            fail_msg("cannot write %s", path);
        assert_int_equal(fwrite(printed->bytes, 1, printed->size, file), printed->size);
        assert_int_equal(fclose(file), 0);
        return;
    }
    read_file(name, &kept);
    assert_string_equal(printed->bytes, kept.bytes);
}

/* ---- events ---- */

struct story {
    struct bw_group groups[2];
    struct bw_cluster cluster;
};

struct words {
    char line[LINE_BYTES];
    const char *word[WORDS_MAX];
    size_t count;
};

static void split(const char *line, struct words *out)
{
    char *rest = NULL;

    *out = (struct words){0};
    assert_true(strlen(line) < sizeof out->line);
    strcpy(out->line, line);
    for (char *word = strtok_r(out->line, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        assert_true(out->count < WORDS_MAX);
        out->word[out->count++] = word;
    }
}

/* The value of `key=value`, or what stands for none. */
static const char *value_of(const struct words *words, const char *key, const char *none)
{
    const size_t length = strlen(key);

    for (size_t i = 1; i < words->count; i++)
        if (strncmp(words->word[i], key, length) == 0 && words->word[i][length] == '=')
            return words->word[i] + length + 1;
    return none;
}

static bool has_word(const struct words *words, const char *word)
{
    for (size_t i = 1; i < words->count; i++)
        if (strcmp(words->word[i], word) == 0)
            return true;
    return false;
}

static enum bw_command_kind kind_of(const char *word)
{
    for (int kind = 0; kind < BW_COMMAND_COUNT; kind++)
        if (strcmp(bw_command_word((enum bw_command_kind)kind), word) == 0)
            return (enum bw_command_kind)kind;
    fail_msg("no command is called %s", word);
    return BW_COMMAND_COUNT;
}

static enum bw_reason reason_of(const char *word)
{
    for (int reason = 0; reason <= BW_REASON_LET_GO; reason++)
        if (strcmp(bw_reason_word((enum bw_reason)reason), word) == 0)
            return (enum bw_reason)reason;
    fail_msg("no reason is called %s", word);
    return BW_REASON_NONE;
}

static enum bw_mode mode_of(const char *word)
{
    enum bw_mode mode = BW_MODE_AUTO;

    if (!bw_mode_parse(word, &mode))
        fail_msg("no mode is called %s", word);
    return mode;
}

static const struct bw_group *story_group(const struct story *story)
{
    const int index = bw_cluster_find(&story->cluster, "harbor");

    return index < 0 ? NULL : &story->groups[index];
}

/* "Grant site=dc-a adopt" and so on; what an event does not say is as the group has it. */
static struct bw_command command_of(const struct story *story, const struct words *words)
{
    const struct bw_group nothing = {.spec = fixture_spec()};
    const struct bw_group *group = story_group(story);
    const enum bw_command_kind kind = kind_of(words->word[0]);
    struct bw_command command = fixture_command(group != NULL ? group : &nothing, kind);

    if (kind == BW_COMMAND_FOUND)
        return fixture_found();
    if (kind == BW_COMMAND_SET_SPEC && has_word(words, "without"))
        command = fixture_set_spec(group, words->word[2]);
    strcpy(command.site, value_of(words, "site", ""));
    strcpy(command.target, value_of(words, "target", ""));
    strcpy(command.position, value_of(words, "position", ""));
    if (kind == BW_COMMAND_GRANT)
        command.instance = fixture_instance(command.site);
    command.adopt = has_word(words, "adopt");
    command.planned = has_word(words, "planned");
    command.past_no_return = !has_word(words, "early");
    command.reason = reason_of(value_of(words, "reason", "none"));
    command.mode = mode_of(value_of(words, "mode", bw_mode_word(command.mode)));
    command.epoch = strtoull(value_of(words, "epoch", "0"), NULL, 10);
    if (command.epoch == 0 && group != NULL)
        command.epoch = group->epoch + (kind == BW_COMMAND_GRANT);
    return command;
}

/* ---- what is told ---- */

static void print_state(struct text *out, const struct bw_group *group)
{
    print(out, "    %s", bw_phase_word(group->phase));
    if (group->holder_site[0] != '\0')
        print(out, " %s", group->holder_site);
    print(out, " epoch=%" PRIu64 "%s%s%s", group->epoch, group->held ? " held" : "",
          group->adopting ? " adopting" : "", group->first_grant ? " first_grant" : "");
    if (group->spec.mode != BW_MODE_AUTO)
        print(out, " mode=%s", bw_mode_word(group->spec.mode));
    if (group->data_site[0] != '\0')
        print(out, " data=%s", group->data_site);
    if (group->target[0] != '\0')
        print(out, " target=%s%s", group->target, group->rolling_back ? " rolling_back" : "");
    if (group->target_origin[0] != '\0')
        print(out, " way_back=%s", group->target_origin);
    if (group->target_position[0] != '\0')
        print(out, " position=%s", group->target_position);
    print(out, "\n");
    if (group->last_end.epoch != 0)
        print(out, "    last end: %" PRIu64 " at %s, %s, %s\n", group->last_end.epoch,
              group->last_end.site, bw_grade_word(group->last_end.grade),
              bw_reason_word(group->last_end.reason));
}

static void print_order(struct text *out, const struct story *story, const char *site)
{
    struct bw_order order;

    bw_order_derive(story_group(story), site, story->cluster.applied_index, &order);
    print(out, "    %s: %s", site, bw_order_word(order.kind));
    if (order.kind == BW_ORDER_RUN || order.kind == BW_ORDER_STOP)
        print(out, "(%" PRIu64 ")", order.epoch);
    print(out, "%s%s%s%s", order.adopt ? " adopt" : "", order.closed ? " closed" : "",
          order.others_epoch ? " enforced" : "", order.prepare ? " prepare" : "");
    if (order.let_go_epoch != 0)
        print(out, " disarm(%" PRIu64 ")", order.let_go_epoch);
    if (order.position[0] != '\0')
        print(out, " position=%s", order.position);
    print(out, "\n");
}

static void tell_event(struct text *out, struct story *story, const char *line)
{
    struct words words;
    struct bw_command command;
    struct bw_applied applied;

    split(line, &words);
    command = command_of(story, &words);
    applied = bw_cluster_apply(&story->cluster, story->cluster.applied_index + 1, &command);
    print(out, "%s\n", line);
    if (applied.rule == NULL) {
        print(out, "    no-op: %s\n", bw_err_text(applied.err));
        return;
    }
    print(out, "    %s: %s\n", applied.rule->id,
          bw_rule_find(applied.rule->id)->sentence);
    if (story_group(story) != NULL)
        print_state(out, story_group(story));
    if (command.kind == BW_COMMAND_FOUND)
        return;
    for (uint32_t i = 0; i < 3; i++)
        print_order(out, story, fixture_spec().sites[i].name);
}

static void tell(const char *name)
{
    static struct text kept;
    static struct text printed;
    static struct story story;
    char *rest = NULL;

    memset(&story, 0, sizeof story);
    memset(&printed, 0, sizeof printed);
    bw_cluster_init(&story.cluster, story.groups, 2);
    read_file(name, &kept);
    for (char *line = strtok_r(kept.bytes, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#')
            print(&printed, "%s\n", line);
        else if (line[0] != ' ')
            tell_event(&printed, &story, line);
    }
    compare_or_write(name, &printed);
}

#define STORY_LIST(X)                                                                              \
    X(first_grant)                                                                                 \
    X(lapse_and_grant)                                                                             \
    X(switchover)                                                                                  \
    X(rollback)                                                                                    \
    X(failed_fence)                                                                                \
    X(remote_fence)                                                                                \
    X(adoption)                                                                                    \
    X(adoption_that_expired)                                                                       \
    X(observe_and_back)                                                                            \
    X(delete_and_again)
#define X(name)                                                                                    \
    static void story_of_##name(void **state)                                                      \
    {                                                                                              \
        (void)state;                                                                               \
        tell("group/" #name ".txt");                                                               \
    }
STORY_LIST(X)
#undef X

/* ---- the table, as documents show it ---- */

static void the_printed_table_is_the_table(void **state)
{
    static struct text printed;
    size_t count;
    const struct bw_group_rule *rules = bw_group_rules(&count);

    (void)state;
    memset(&printed, 0, sizeof printed);
    print(&printed, "%-4s %-9s %-12s %-9s %-25s %-19s %s\n", "id", "from", "command", "to",
          "requires", "effect", "why");
    for (size_t i = 0; i < count; i++)
        print(&printed, "%-4s %-9s %-12s %-9s %-25s %-19s %s\n", rules[i].id,
              bw_phase_word(rules[i].phase), bw_command_word(rules[i].command),
              bw_phase_word(rules[i].next), rules[i].requires, rules[i].effect,
              bw_rule_find(rules[i].id)->sentence);
    compare_or_write("group_table.txt", &printed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(name) cmocka_unit_test(story_of_##name),
        STORY_LIST(X)
#undef X
            cmocka_unit_test(the_printed_table_is_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
