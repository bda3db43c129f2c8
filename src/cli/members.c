/* breakwater members: who the witnesses are, and one change of them at a time. Design 3.9. */
#include <inttypes.h>
#include <string.h>

#include <breakwater/base/name.h>

#include "api.h"
#include "columns.h"
#include "verbs.h"

#define REQUEST_MS 10000
#define LOOK_MS    10000
#define WAIT_MS    (10 * 60 * 1000)
#define PAUSE_MS   100
#define PATH       "/v1/members"

struct members_values {
    struct bw_api_values api;
    enum bw_output output;
    const char *reason;
    bool is_plan;
    bool is_yes;
};

/* One of the verbs below `members`. */
struct members_verb {
    const char *word;
    const struct bw_cli_command command;
    unsigned names; /* how many witnesses it takes */
};

static const struct bw_option show_options[] = {
    BW_OPTION_OUTPUT(struct members_values, output),
    BW_API_OPTIONS(struct members_values, api),
    BW_OPTIONS_END,
};
static const struct bw_option order_options[] = {
    BW_OPTION_TEXT(struct members_values, reason, "reason", 0, "TEXT", "reason, for the record"),
    BW_OPTION_FLAG(struct members_values, is_plan, "plan", 0, "show what would happen, and stop"),
    BW_OPTION_FLAG(struct members_values, is_yes, "yes", 0, "skip the confirmation"),
    BW_API_OPTIONS(struct members_values, api),
    BW_OPTIONS_END,
};

static const struct bw_cli_command show_command = {
    .name = "members",
    .operands = "",
    .help = "Shows each witness, with its role, lag and last contact; how many more may fail; a change under\n"
            "way; and witnesses that ask to join. To change the list: `breakwater members add`,\n"
            "`breakwater members remove`, `breakwater members replace` and\n"
            "`breakwater members transfer-leader`.",
    .options = show_options,
};
static const struct members_verb verbs[] = {
    {"add",
     {.name = "members add",
      .operands = "WITNESS",
      .operands_min = 1,
      .operands_max = 1,
      .help =
          "Adds a running witness that `breakwater witness init --join` has made. The witness joins\n"
          "without a vote, catches up, and then votes. A repeated command continues to wait.",
      .options = order_options},
     1},
    {"remove",
     {.name = "members remove",
      .operands = "WITNESS",
      .operands_min = 1,
      .operands_max = 1,
      .help = "Removes a witness for ever, dead or alive, or cancels the addition of a witness without a vote.\n"
              "Its id is never used again, and it ends with status 70. At least two witnesses stay.",
      .options = order_options},
     1},
    {"replace",
     {.name = "members replace",
      .operands = "OLD NEW",
      .operands_min = 2,
      .operands_max = 2,
      .help =
          "Adds NEW (see members add) and, when NEW votes, removes OLD, dead or alive. If the leader\n"
          "changes, the next leader continues. A repeated command continues to wait until OLD is removed.",
      .options = order_options},
     2},
    {"lead",
     {.name = "members transfer-leader",
      .operands = "WITNESS",
      .operands_min = 1,
      .operands_max = 1,
      .help =
          "Transfers the leadership to WITNESS, and waits until it leads. Use it before you stop the\n"
          "machine of the present leader.",
      .options = order_options},
     1},
};
#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

struct order {
    const struct members_verb *verb;
    const struct members_values *values;
    const char *name; /* of the one that is added, removed, or to lead */
    const char *old;  /* NULL but for replace */
    json_t *body;
};

/* ---- showing ---- */

static void print_member(const json_t *member)
{
    const json_t *behind = json_object_get(member, "behind");
    const json_t *last_contact = json_object_get(member, "heard_ms_ago");
    const json_t *level = json_object_get(member, "feature_level");
    const char *version = bw_json_member(member, "version");
    char texts[3][48] = {"-", "-", "-"};

    if (json_is_integer(behind))
        (void)snprintf(texts[0], sizeof texts[0], "%" PRId64, bw_json_number(member, "behind"));
    if (json_is_integer(last_contact))
        (void)snprintf(texts[1], sizeof texts[1], "%" PRId64 ".%d s ago",
                       bw_json_number(member, "heard_ms_ago") / 1000,
                       (int)(bw_json_number(member, "heard_ms_ago") % 1000 / 100));
    if (json_is_integer(level))
        (void)snprintf(texts[2], sizeof texts[2], "%" PRId64,
                       bw_json_number(member, "feature_level"));
    (void)printf("%4" PRId64 "  %-16s  %-7s  %-10s  %-12.12s  %-8s  %5s  %6s  %-12s  %s\n",
                 bw_json_number(member, "id"), bw_json_member(member, "name"),
                 bw_json_member(member, "role"), bw_json_member(member, "standing"),
                 bw_json_member(member, "incarnation"), version[0] != '\0' ? version : "-", texts[2],
                 texts[0],
                 bw_json_truth(member, "is_self") ? "this one" : texts[1],
                 bw_json_member(member, "address"));
}

static void print_applicants(const json_t *document)
{
    const json_t *applicant;
    size_t i;

    json_array_foreach(json_object_get(document, "applicants"), i, applicant)
    {
        (void)printf("\n%s (id %" PRId64 ", %s, version %s) asks to join:\n"
                     "  breakwater members add %s\n"
                     "  breakwater members replace OLD %s\n",
                     bw_json_member(applicant, "name"), bw_json_number(applicant, "id"),
                     bw_json_member(applicant, "address"), bw_json_member(applicant, "version"),
                     bw_json_member(applicant, "name"), bw_json_member(applicant, "name"));
    }
    json_array_foreach(json_object_get(document, "refused"), i, applicant)
    {
        (void)printf("\n"
                     "%s (id %" PRId64 ", %s) asks to join, but cannot: %s\n",
                     bw_json_member(applicant, "name"), bw_json_number(applicant, "id"),
                     bw_json_member(applicant, "address"), bw_json_member(applicant, "why"));
    }
}

static void print_table(const json_t *document)
{
    const json_t *member;
    size_t i;

    (void)printf("cluster %s as reported by %s: %" PRId64 " vote, %" PRId64 " are connected, %" PRId64
                 " more may fail\n\n%4s  %-16s  %-7s  %-10s  %-12s  %-8s  %5s  %6s  %-12s  %s\n",
                 bw_json_member(document, "cluster_id"), bw_json_member(document, "witness"),
                 bw_json_number(document, "voters"), bw_json_number(document, "live"),
                 bw_json_number(document, "may_fail"), "ID", "WITNESS", "ROLE", "MEMBERSHIP",
                 "DATA ID", "VERSION", "LEVEL", "LAG", "LAST SEEN", "ADDRESS");
    json_array_foreach(json_object_get(document, "members"), i, member)
        print_member(member);
    json_array_foreach(json_object_get(document, "members"), i, member)
        if (json_is_object(json_object_get(member, "unreached")))
            bw_print_unreached(bw_json_member(document, "witness"), bw_json_member(member, "name"),
                               json_object_get(member, "unreached"), stdout);
    if (!bw_json_truth(document, "settled"))
        (void)printf("\na change is under way: %s\n", bw_json_member(document, "waits_for"));
    print_applicants(document);
}

static enum bw_exit show(struct bw_api *api, enum bw_output output)
{
    const enum bw_exit exit = bw_api_show(api, PATH, NULL, output, print_table);

    if (exit == BW_EXIT_FINE)
        bw_api_tell_outdated(api);
    return exit;
}

/* ---- the plan ---- */

static void print_plan(const json_t *plan)
{
    const json_t *step;
    size_t i;

    json_array_foreach(json_object_get(plan, "steps"), i, step)
    {
        const int64_t voters = bw_json_number(step, "voters");

        (void)printf("%2zu %-44s %" PRId64 " vote, %" PRId64 " are connected, %" PRId64
                     " more may fail\n",
                     i, bw_json_member(step, "text"), voters, bw_json_number(step, "live"),
                     bw_json_number(step, "may_fail"));
        if (i + 1 == json_array_size(json_object_get(plan, "steps")) && voters % 2 == 0)
            (void)printf("   note: %" PRId64 " witnesses tolerate the loss of %" PRId64 ", like %" PRId64 "\n",
                         voters, (voters - 1) / 2, voters - 1);
    }
    if (bw_json_member(plan, "note")[0] != '\0')
        (void)printf("   note: %s\n", bw_json_member(plan, "note"));
}

/* Who asks to join is looked at for a moment; that is waited for. */
static enum bw_exit fetch_plan(struct bw_api *api, const struct order *order, json_t **out_plan)
{
    const uint64_t end_ms = bw_api_now_ms() + LOOK_MS;

    for (;;) {
        const enum bw_exit exit = bw_api_fetch(api, "POST", PATH "?plan=1", order->body, out_plan);

        if (exit != BW_EXIT_FINE || !bw_json_truth(*out_plan, "looking") ||
            bw_api_now_ms() >= end_ms)
            return exit;
        json_decref(*out_plan);
        *out_plan = NULL;
        bw_api_pause(PAUSE_MS);
    }
}

/* `*out_is_over`: it is so already. */
static enum bw_exit show_plan(struct bw_api *api, const struct order *order, bool *out_is_over)
{
    json_t *plan = NULL;
    enum bw_exit exit = fetch_plan(api, order, &plan);

    *out_is_over = false;
    if (exit != BW_EXIT_FINE)
        return exit;
    if (bw_json_truth(plan, "already")) {
        *out_is_over = true;
    } else if (!bw_json_truth(plan, "possible")) {
        (void)fprintf(stderr, "error: %s: refused: %s\n  see:  breakwater members\n",
                      order->verb->command.name, bw_json_member(plan, "refused"));
        exit = BW_EXIT_UNSAFE;
    } else {
        print_plan(plan);
    }
    json_decref(plan);
    return exit;
}

/* ---- until it is done ---- */

static const json_t *find(const json_t *document, const char *name)
{
    return bw_json_find(json_object_get(document, "members"), "name", name);
}

static bool leads(const struct order *order)
{
    return strcmp(order->verb->word, "lead") == 0;
}

static bool is_done(const struct order *order, const json_t *document)
{
    const json_t *member = find(document, order->name);
    const char *role = bw_json_member(member, "role");
    const bool votes = strcmp(role, "voter") == 0 || strcmp(role, "leader") == 0;

    if (leads(order))
        return strcmp(bw_json_member(document, "leader"), order->name) == 0;
    if (!bw_json_truth(document, "settled"))
        return false;
    if (strcmp(order->verb->word, "remove") == 0)
        return member == NULL;
    return votes && (order->old == NULL || find(document, order->old) == NULL);
}

#define LOST_LOOKS 2 /* one look may be from between: two that follow each other are not */

/* What was seen while it was waited for. */
struct watching {
    uint64_t begun_ms;
    uint64_t voted_ms; /* the new one voted, and the old one was still there; 0: not seen */
    char seen[320];    /* what was waited for at the last look */
    char printed[320];
    int64_t term;   /* the highest that a leader was seen in: who leads in a lower one knows less */
    unsigned lost;  /* looks, one after the other, at which nothing was under way and it was not done */
    char leader[BW_NAME_MAX + 1]; /* that said so */
};

static enum bw_exit tell_done(const struct order *order, const struct watching *watching)
{
    const uint64_t took_ms = watching->voted_ms - watching->begun_ms;
    const uint64_t left_ms = bw_api_now_ms() - watching->voted_ms;

    if (leads(order))
        (void)printf("done: %s is the leader\n", order->name);
    else if (strcmp(order->verb->word, "remove") == 0)
        (void)printf("done: %s is removed from this cluster, and its id is never used again\n",
                     order->name);
    else if (order->old == NULL)
        (void)printf("done: %s votes\n", order->name);
    else if (watching->voted_ms == 0)
        (void)printf("done: %s votes, and %s is removed from this cluster\n", order->name,
                     order->old);
    else
        (void)printf("done: %s voted after %" PRIu64 ".%03u s, and %s was removed %" PRIu64
                     ".%03u s later\n",
                     order->name, took_ms / 1000, (unsigned)(took_ms % 1000), order->old,
                     left_ms / 1000, (unsigned)(left_ms % 1000));
    return BW_EXIT_FINE;
}

/* Nobody waits in front of a silent screen: what for, if it is the same at two looks. */
static void tell_wait(const json_t *document, struct watching *watching)
{
    const char *text = bw_json_member(document, "waits_for");
    const bool is_same = strncmp(watching->seen, text, sizeof watching->seen - 1) == 0;

    (void)snprintf(watching->seen, sizeof watching->seen, "%.319s", text);
    if (!is_same || text[0] == '\0' || strcmp(watching->printed, watching->seen) == 0)
        return;
    memcpy(watching->printed, watching->seen, sizeof watching->printed);
    (void)printf("   %s\n", text);
    (void)fflush(stdout);
}

/* The leader itself says that nothing goes on there any more. A witness of before 0.3.0 does not say whether it hands
 * over. */
static bool is_lost(const struct order *order, const json_t *document)
{
    const char *leader = bw_json_member(document, "leader");

    if (leader[0] == '\0' || strcmp(leader, bw_json_member(document, "witness")) != 0)
        return false;
    if (leads(order))
        return json_is_false(json_object_get(document, "handing_over"));
    return bw_json_truth(document, "settled");
}

static void watch(const struct order *order, const json_t *document, struct watching *watching)
{
    const char *role = bw_json_member(find(document, order->name), "role");
    const bool votes = strcmp(role, "voter") == 0 || strcmp(role, "leader") == 0;

    if (watching->voted_ms == 0 && votes && order->old != NULL &&
        find(document, order->old) != NULL)
        watching->voted_ms = bw_api_now_ms();
    watching->lost = is_lost(order, document) ? watching->lost + 1 : 0;
    if (watching->lost > 0)
        (void)snprintf(watching->leader, sizeof watching->leader, "%s",
                       bw_json_member(document, "leader"));
    tell_wait(document, watching);
}

/* While there is no leader one is waited for. */
static bool look(struct bw_api *api, struct watching *watching, json_t **out_document)
{
    *out_document = NULL;
    if (!bw_api_survey(api) || bw_json_number(api->status, "term") < watching->term)
        return false;
    watching->term = bw_json_number(api->status, "term");
    return bw_api_fetch(api, "GET", PATH, NULL, out_document) == BW_EXIT_FINE;
}

/* Nobody goes on with it: not the leader, and no later one. */
static enum bw_exit tell_lost(const struct order *order, const struct watching *watching)
{
    const char *name = order->verb->command.name;

    (void)fprintf(stderr, "error: %s: not done, and no leader continues it: ", name);
    if (leads(order))
        (void)fprintf(stderr,
                      "%s is the leader, and the transfer has ended: %s was not elected in time, or the leader "
                      "changed again\n",
                      watching->leader, order->name);
    else
        (void)fputs("the leader was lost before a majority had received the change, or another change has canceled "
                    "it\n",
                    stderr);
    (void)fputs("  see:  breakwater members\n"
                "  if the change is still needed, run the same command again\n", stderr);
    return BW_EXIT_FAILED;
}

static enum bw_exit tell_unknown(const struct order *order, const struct watching *watching)
{
    (void)fprintf(stderr,
                  "error: %s: not done yet%s%s\n"
                  "  %s\n"
                  "  to see %s:  breakwater members\n",
                  order->verb->command.name, watching->seen[0] != '\0' ? ": " : "", watching->seen,
                  leads(order) ? "to repeat the transfer, run the same command again"
                               : "to continue waiting, run the same command again (it repeats a lost change)",
                  leads(order) ? "the leader" : "what it waits for");
    return BW_EXIT_UNKNOWN;
}

static enum bw_exit wait_until_done(struct bw_api *api, const struct order *order)
{
    struct watching watching = {.begun_ms = bw_api_now_ms(),
                                .term = api->leader >= 0 ? bw_json_number(api->status, "term") : 0};
    const uint64_t end_ms = watching.begun_ms + api->wait_ms;
    json_t *document = NULL;

    api->wait_ms = REQUEST_MS;
    while (bw_api_now_ms() < end_ms && watching.lost < LOST_LOOKS) {
        const bool has_answer = look(api, &watching, &document);
        const bool is_over = has_answer && is_done(order, document);

        if (has_answer && !is_over)
            watch(order, document, &watching);
        else
            watching.lost = 0;
        json_decref(document);
        if (is_over) {
            bw_api_tell_outdated(api);
            return tell_done(order, &watching);
        }
        bw_api_pause(PAUSE_MS);
    }
    return watching.lost < LOST_LOOKS ? tell_unknown(order, &watching) : tell_lost(order, &watching);
}

static enum bw_exit give_order(struct bw_api *api, const struct order *order)
{
    json_t *accepted = NULL;
    enum bw_exit exit;
    bool is_over = false;

    exit = show_plan(api, order, &is_over);
    if (exit != BW_EXIT_FINE || (order->values->is_plan && !is_over))
        return exit;
    if (!is_over) {
        if (!bw_api_confirm(api, order->values->is_yes, "The list of voters would change like this.",
                            "yes"))
            return BW_EXIT_FAILED;
        exit = bw_api_fetch(api, "POST", PATH, order->body, &accepted);
        json_decref(accepted);
        if (exit != BW_EXIT_FINE)
            return exit;
    }
    return wait_until_done(api, order);
}

/* ---- the verbs ---- */

static enum bw_exit run_order(const struct members_verb *verb, int argc, char **argv)
{
    struct members_values values = {.output = BW_OUTPUT_TABLE};
    struct order order = {.verb = verb, .values = &values};
    struct bw_operands operands;
    struct bw_api api;
    enum bw_exit exit;

    if (!bw_options_parse(&verb->command, argc, argv, &values, &operands, &exit))
        return exit;
    for (unsigned i = 0; i < verb->names; i++)
        if (!bw_name_is_valid(operands.items[i]))
            return bw_usage_error(&verb->command, "\"%s\" is not a valid name of a witness",
                                  operands.items[i]);
    if (!bw_confirm_is_possible(&verb->command, values.is_yes || values.is_plan))
        return BW_EXIT_USAGE;
    order.name = operands.items[verb->names - 1];
    order.old = verb->names == 2 ? operands.items[0] : NULL;
    order.body = json_pack("{s:s, s:s, s:s*, s:s*}", "do", verb->word, "name", order.name, "old",
                           order.old, "reason", values.reason);
    if (order.body == NULL)
        return bw_usage_error(&verb->command, "--reason is not UTF-8");
    if (bw_api_open(&api, &verb->command, &values.api, WAIT_MS, &exit)) {
        exit = give_order(&api, &order);
        bw_api_close(&api);
    }
    json_decref(order.body);
    return exit;
}

/* The word behind "members". */
static const char *word_of(const struct members_verb *verb)
{
    return strchr(verb->command.name, ' ') + 1;
}

enum bw_exit bw_verb_members(int argc, char **argv)
{
    struct members_values values = {.output = BW_OUTPUT_TABLE};
    struct bw_operands operands;
    struct bw_api api;
    enum bw_exit exit;

    for (size_t i = 0; argc > 1 && i < VERB_COUNT; i++)
        if (strcmp(bw_word_meant(argv[1]), word_of(&verbs[i])) == 0)
            return run_order(&verbs[i], argc - 1, argv + 1);
    if (!bw_options_parse(&show_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (!bw_api_open(&api, &show_command, &values.api, REQUEST_MS, &exit))
        return exit;
    exit = show(&api, values.output);
    bw_api_close(&api);
    return exit;
}
