#include "elsewhere.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

#include "api.h"

/* ---- what was answered ------------------------------------------------------------------------ */

struct look {
    const struct bw_elsewhere_answer *answers;
    size_t count;
    const struct bw_elsewhere_answer *leader; /* NULL: none answers */
    const char *site;
    const char *group;
    FILE *out;
    enum bw_elsewhere verdict;
};

static bool is_word(const json_t *object, const char *key, const char *word)
{
    return strcmp(bw_json_member(object, key), word) == 0;
}

__attribute__((format(printf, 3, 4))) static void find_taken(struct look *look, const char *fix, const char *format, ...)
{
    va_list list;

    look->verdict = BW_ELSEWHERE_TAKEN;
    (void)fprintf(look->out, "refused: scripts: group %s: ", look->group);
    va_start(list, format);
    (void)vfprintf(look->out, format, list);
    va_end(list);
    (void)fprintf(look->out, "; nothing was run\n  fix:  %s\n", fix);
}

__attribute__((format(printf, 2, 3))) static void find_unknown(struct look *look, const char *format, ...)
{
    va_list list;

    if (look->verdict == BW_ELSEWHERE_NOBODY) {
        look->verdict = BW_ELSEWHERE_UNKNOWN;
        (void)fprintf(look->out, "the witnesses do not confirm that no other site serves group %s:\n", look->group);
    }
    (void)fputs("  - ", look->out);
    va_start(list, format);
    (void)vfprintf(look->out, format, list);
    va_end(list);
    (void)fputc('\n', look->out);
}

/* ---- what no confirmation passes -------------------------------------------------------------- */

static bool is_started_elsewhere(const struct look *look, const json_t *site)
{
    return !is_word(site, "name", look->site) && is_word(site, "service", "started");
}

static bool is_overriding(const struct look *look, const json_t *site)
{
    (void)look; /* its own is no better: another site may have been granted the group since */
    return bw_json_member(site, "override")[0] != '\0' && !is_word(site, "override", "none");
}

/* An answer before the one at `end` has said so of that site, and it was printed. */
static bool is_printed(const struct look *look, size_t end, const char *site,
                       bool (*is)(const struct look *look, const json_t *site))
{
    for (size_t i = 0; i < end; i++) {
        const json_t *same = bw_json_find(json_object_get(bw_json_find_group(look->answers[i].status, look->group), "sites"),
                                          "name", site);

        if (same != NULL && is(look, same))
            return true;
    }
    return false;
}

static void judge_reports(struct look *look, size_t index)
{
    const json_t *status = look->answers[index].status;
    const json_t *sites = json_object_get(bw_json_find_group(status, look->group), "sites");
    const json_t *site;
    char fix[256];
    size_t i;

    json_array_foreach(sites, i, site) {
        const char *name = bw_json_member(site, "name");

        if (is_started_elsewhere(look, site) && !is_printed(look, index, name, is_started_elsewhere)) {
            (void)snprintf(fix, sizeof fix, "stop the service on %s, then run this again", name);
            find_taken(look, fix, "%s reports that its service is started (from %s)", name,
                       bw_json_member(status, "answered_by"));
        }
        if (is_overriding(look, site) && !is_printed(look, index, name, is_overriding)) {
            (void)snprintf(fix, sizeof fix, "on %s:  breakwater override %s -c /etc/breakwater/site.yaml --stop", name,
                           look->group);
            find_taken(look, fix, "%s reports an override (from %s)", name, bw_json_member(status, "answered_by"));
        }
    }
}

/* The committed state: while the group is not observed the leader may grant it at any time. */
static void judge_state(struct look *look, const struct bw_elsewhere_answer *answer)
{
    const json_t *group = bw_json_find_group(answer->status, look->group);
    char fix[256];

    if (group == NULL)
        return;
    (void)snprintf(fix, sizeof fix, "breakwater mode %s unmanaged; wait until every site has released the service, and stop it on each",
                   look->group);
    if (!is_word(group, "phase", "VACANT"))
        find_taken(look, fix, "%s holds epoch %" PRId64 " (phase %s)", bw_json_member(group, "holder"),
                   bw_json_number(group, "epoch"), bw_json_member(group, "phase"));
    else if (!is_word(group, "mode", "observe"))
        find_taken(look, fix, "its mode is %s, so another site may become primary during the trial",
                   bw_json_member(group, "mode"));
}

/* ---- what an operator has to confirm ---------------------------------------------------------- */

static void judge_silence(struct look *look, const json_t *site)
{
    const char *name = bw_json_member(site, "name");
    const json_t *heard = json_object_get(site, "last_seen_ms");

    if (is_word(site, "name", look->site))
        return;
    if (!bw_json_truth(site, "connected") && json_is_integer(heard))
        find_unknown(look, "%s is not connected (last report %" PRId64 " s ago)", name,
                     (int64_t)json_integer_value(heard) / 1000);
    else if (!bw_json_truth(site, "connected"))
        find_unknown(look, "%s is not connected (no report yet)", name);
    else if (bw_json_truth(site, "several_agents"))
        find_unknown(look, "several agents report for %s", name);
    else if (!is_word(site, "service", "stopped") && !is_word(site, "service", "started"))
        find_unknown(look, "%s reports its service as %s", name, bw_json_member(site, "service"));
    else if (json_is_false(json_object_get(site, "let_go")))
        find_unknown(look, "%s has not confirmed that it let the group go", name);
}

static void judge_leader(struct look *look)
{
    const json_t *group = bw_json_find_group(look->leader->status, look->group);
    const json_t *site;
    size_t i;

    if (group == NULL)
        find_unknown(look, "the witnesses do not know this group (from %s, the leader)",
                     bw_json_member(look->leader->status, "answered_by"));
    json_array_foreach(json_object_get(group, "sites"), i, site)
        judge_silence(look, site);
}

static void tell_unasked(struct look *look)
{
    for (size_t i = 0; i < look->count; i++) {
        const struct bw_elsewhere_answer *answer = &look->answers[i];

        if (answer->status == NULL)
            (void)fprintf(look->out, "  - not asked: %s: %s\n", answer->address, answer->why);
    }
}

enum bw_elsewhere bw_elsewhere_judge(const struct bw_elsewhere_answer *answers, size_t count, const char *site,
                                     const char *group, FILE *out)
{
    struct look look = {.answers = answers, .count = count, .site = site, .group = group, .out = out};

    for (size_t i = 0; i < count; i++)
        if (bw_json_truth(answers[i].status, "leads"))
            look.leader = &answers[i];
    for (size_t i = 0; i < count; i++) {
        judge_reports(&look, i);
        if (look.leader == NULL || look.leader == &answers[i])
            judge_state(&look, &answers[i]);
    }
    if (look.verdict == BW_ELSEWHERE_TAKEN)
        return look.verdict;
    if (count == 0)
        find_unknown(&look, "the file names no witness to ask");
    else if (look.leader == NULL)
        find_unknown(&look, "no leader of the witnesses answers");
    else
        judge_leader(&look);
    if (look.verdict == BW_ELSEWHERE_UNKNOWN)
        tell_unasked(&look);
    return look.verdict;
}

/* ---- asking ----------------------------------------------------------------------------------- */

static enum bw_elsewhere ask(const struct bw_cli_command *command, const struct bw_site_config *site, const char *group,
                             FILE *out)
{
    struct bw_elsewhere_answer answers[BW_API_WITNESSES_MAX];
    struct bw_api api = {0};
    struct bw_diag diag = {0};
    enum bw_elsewhere verdict;
    size_t count = 0;

    if (site->witness_count > 0 && bw_api_open_at_site(&api, command, site, &diag) != BW_OK) {
        answers[count++] = (struct bw_elsewhere_answer){.address = "every witness", .why = diag.text};
    } else if (site->witness_count > 0) {
        (void)bw_api_survey(&api);
        for (; count < api.count; count++)
            answers[count] = (struct bw_elsewhere_answer){.address = api.witnesses[count].address,
                                                          .status = api.witnesses[count].status,
                                                          .why = api.witnesses[count].why};
    }
    verdict = bw_elsewhere_judge(answers, count, site->site, group, out);
    bw_api_close(&api);
    return verdict;
}

/* In the child. */
__attribute__((noreturn)) static void ask_and_end(const struct bw_cli_command *command, const struct bw_site_config *site,
                                                  const char *group, bool is_told)
{
    enum bw_elsewhere verdict;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    BW_ASSERT(out != NULL);
    verdict = ask(command, site, group, out);
    BW_ASSERT(fclose(out) == 0); /* of memory */
    if (verdict == BW_ELSEWHERE_TAKEN || !is_told)
        (void)fputs(text, stderr);
    free(text);
    _exit((int)verdict);
}

enum bw_elsewhere bw_elsewhere_ask(const struct bw_cli_command *command, const struct bw_site_config *site,
                                   const char *group, bool is_told)
{
    const pid_t child = fork(); /* what asks has threads (getaddrinfo), and a trial forks its sandbox as one thread */
    int status = 0;

    if (child == 0)
        ask_and_end(command, site, group, is_told);
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return BW_ELSEWHERE_UNKNOWN;
    return WEXITSTATUS(status) == BW_ELSEWHERE_NOBODY || WEXITSTATUS(status) == BW_ELSEWHERE_TAKEN
               ? (enum bw_elsewhere)WEXITSTATUS(status)
               : BW_ELSEWHERE_UNKNOWN;
}
