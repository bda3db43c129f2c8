/* recovery.c - what the verbs that begin a cluster anew have in common. Design 3.9. */
#include "recovery.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/consensus/stop.h>
#include <breakwater/core/counters.h>
#include <breakwater/sys/clock.h>
#include <breakwater/witness/witness.h>

#include "api.h"

const char *bw_recovery_time_text(int64_t unix_s, char text[32])
{
    const time_t when = (time_t)unix_s;
    struct tm utc;

    if (unix_s == 0 || gmtime_r(&when, &utc) == NULL ||
        strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &utc) == 0)
        return "never";
    return text;
}

void bw_recovery_print_groups(const struct bw_cluster *cluster)
{
    (void)printf("%-24s  %-9s  %-20s  %-16s  %s\n", "GROUP", "PHASE", "EPOCH", "HOLDER",
                 "NEWEST DATA");
    for (uint32_t i = 0; i < cluster->group_count; i++) {
        const struct bw_group *group = &cluster->groups[i];

        if (group->spec.name[0] != '\0')
            (void)printf("%-24s  %-9s  %-20" PRIu64 "  %-16s  %s\n", group->spec.name,
                         bw_phase_word(group->phase), group->epoch,
                         group->holder_site[0] != '\0' ? group->holder_site : "-",
                         group->data_site[0] != '\0' ? group->data_site : "-");
    }
}

/* 3.9: who had the key of a witness may have led its log, or an epoch, beyond what sites take. */
static void print_beyond(const struct bw_cluster *cluster, uint64_t old_generation)
{
    if (!bw_generation_may_follow(old_generation, cluster->generation))
        (void)printf("! sites of generation %" PRIu64 " will not follow it: the log index or an epoch was made up; "
                     "restore an older snapshot: breakwater snapshot restore\n",
                     old_generation);
}

/* What the state became. */
static void print_made(const struct bw_cluster *cluster, uint64_t old_generation)
{
    (void)printf(
        "\n"
        "The cluster restarts as generation %" PRIu64 ", with this witness alone (%s):\n"
        "  a site of a higher generation does not follow it: `breakwater status --site` on that site prints the "
        "generation; the same command with --above GENERATION begins above it\n"
        "  every group loses its primary; a service under a lease ends with its lease, or is stopped in order\n"
        "  a group gets a primary after every site of the group has reported, at the earliest %" PRIu32 ".%03" PRIu32 " "
        "s after the start: a site that serves without a lease is adopted, else the site with the newest data "
        "starts\n"
        "  for a lost site: breakwater apply -f FILE --initial-primary SITE, with its groups; if it had the newest "
        "data, also breakwater failover GROUP --to SITE --accept-data-loss\n"
        "  a site that only the lost witnesses knew blocks its group only while it reports: apply the specs that "
        "have it first, or make sure that it is off\n"
        "  the lost witnesses must never run from their old directories again: put their certificates into "
        "`revoked` at witnesses and sites; a re-created site, which knows no generation yet, would accept them\n",
        cluster->generation, bw_cluster_recovery_rule,
        cluster->let_go_wait_ms / 1000,
        cluster->let_go_wait_ms % 1000);
    print_beyond(cluster, old_generation);
}

enum bw_exit bw_recovery_fail(const struct bw_cli_command *command, const struct bw_diag *diag,
                              enum bw_err err)
{
    (void)fprintf(stderr, "error: %s: %s\n", command->name, diag->text);
    if (err == BW_ERR_TIMEOUT) { /* an orderly exit would wait for the thread that the disk holds */
        (void)fflush(NULL);
        _exit(BW_EXIT_FAILED);
    }
    return bw_exit_of_err(err);
}

bool bw_recovery_is_voter(const struct bw_witness_recovery *recovery, uint32_t id)
{
    bool is = false;

    for (unsigned i = 0; i < recovery->found.voter_count && !is; i++)
        is = recovery->found.voters[i] == id;
    return is;
}

/* Of one that lives. */
static void note_alive(const struct bw_witness_answer *answer,
                       const struct bw_witness_recovery *recovery, struct bw_recovery_others *others)
{
    const bool is_voter = bw_recovery_is_voter(recovery, answer->id);

    others->answer++;
    others->voters += is_voter;
    if (!is_voter && others->voteless[0] == '\0')
        BW_ASSERT(bw_copy_text(others->voteless, sizeof others->voteless, answer->name));
}

bool bw_recovery_look_at_others(const struct bw_cli_command *command,
                                const struct bw_witness_config *config,
                                const struct bw_witness_recovery *recovery,
                                struct bw_recovery_others *out_others)
{
    const struct bw_id cluster_id = recovery->found.identity.cluster_id;
    struct bw_witness_member_config members[BW_WITNESSES_ASKED_MAX];
    struct bw_witness_answer answers[BW_WITNESSES_ASKED_MAX];
    struct bw_diag diag = {0};
    uint32_t count = 0;

    *out_others = (struct bw_recovery_others){.answer = 0};
    if (bw_witness_ask_others(config, members,
                              bw_witness_recovery_members(recovery, config, members), cluster_id,
                              answers, &count, &diag) != BW_OK) {
        (void)fprintf(stderr, "error: %s: the other witnesses could not be asked: %s\n",
                      command->name, diag.text);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const bool is_alive = answers[i].has_answered &&
                              bw_id_equal(answers[i].cluster_id, cluster_id);

        (void)printf("%s: %s\n", answers[i].name, is_alive ? "runs and answers" : answers[i].text);
        if (is_alive)
            note_alive(&answers[i], recovery, out_others);
        out_others->unclear += answers[i].is_there && !answers[i].has_answered;
    }
    (void)fflush(stdout); /* what was seen comes before what follows from it */
    return true;
}

bool bw_recovery_are_gone(const struct bw_cli_command *command,
                          const struct bw_recovery_others *others)
{
    if (others->unclear == 0)
        return true;
    (void)fprintf(
        stderr,
        "refused: %s: a program answers at the address of a witness (above, with its answer), and may be that "
        "witness: stop it for good, and run this command again; nothing was changed\n",
        command->name);
    return false;
}

enum bw_exit bw_recovery_confirm_and_write(const struct bw_cli_command *command,
                                           struct bw_witness_recovery *recovery,
                                           const struct bw_witness_config *config,
                                           bw_recovery_may *may, uint64_t above, bool is_plan, bool is_yes)
{
    struct bw_diag diag = {0};
    enum bw_err err;

    if (!may(recovery, config))
        return BW_EXIT_UNSAFE;
    err = bw_witness_recovery_prepare(recovery, above, bw_clock_wall().unix_ms, &diag);

    if (err != BW_OK)
        return bw_recovery_fail(command, &diag, err);
    print_made(&recovery->cluster, recovery->beginning.old_generation);
    if (is_plan)
        return BW_EXIT_FINE;
    if (!bw_confirm(command, is_yes,
                    "If the other witnesses are NOT lost for good, two clusters will decide.",
                    config->cluster))
        return BW_EXIT_FAILED;
    if (!is_yes) { /* a question may stand for as long as witnesses need to come back */
        (void)puts("\nChecked once more:");
        if (!may(recovery, config))
            return BW_EXIT_UNSAFE;
    }
    err = bw_witness_recovery_write(recovery, &diag);
    if (err != BW_OK)
        return bw_recovery_fail(command, &diag, err);
    (void)printf("\nDone. Start the witness (systemctl start breakwater-witness), which runs as "
                 "this user.\n");
    return BW_EXIT_FINE;
}

static bool is_nobody_back(const struct bw_cli_command *command,
                           const struct bw_witness_config *config,
                           const struct bw_witness_recovery *recovery)
{
    struct bw_recovery_others others;

    if (!bw_recovery_look_at_others(command, config, recovery, &others))
        return false;
    if (others.answer > 0) { /* they may have been back, and have decided, ever since */
        (void)fprintf(stderr,
                      "refused: %s: a witness of this cluster answers now, and would lose every site to this "
                      "recovery; nothing was changed. " BW_WITNESS_LOST "\n",
                      command->name);
        return false;
    }
    return bw_recovery_are_gone(command, &others);
}

enum bw_exit bw_recovery_go_on(const struct bw_cli_command *command,
                               struct bw_witness_recovery *recovery,
                               const struct bw_witness_config *config, bool is_plan, bool is_yes)
{
    struct bw_diag diag = {0};
    enum bw_err err;

    (void)printf(recovery->is_undo ? "The undo of a recovery in %s was confirmed and begun before.\n"
                                   : "A recovery in %s was confirmed and begun before.\n", config->data_dir);
    if (recovery->is_roster_lost)
        (void)printf("An older release has begun it, without a list of the witnesses: only those in the file are "
                     "asked.\n");
    if (!recovery->is_undo && !is_nobody_back(command, config, recovery))
        return BW_EXIT_UNSAFE;
    if (is_plan)
        return BW_EXIT_FINE;
    if (recovery->is_roster_lost) {
        if (!bw_confirm(command, is_yes,
                        "If a witness that the file does NOT name is back, two clusters will decide.",
                        config->cluster))
            return BW_EXIT_FAILED;
        if (!is_yes && !is_nobody_back(command, config, recovery)) /* while the question stood */
            return BW_EXIT_UNSAFE;
    }
    err = bw_recovery_finish(&recovery->dir, &diag);
    if (err != BW_OK)
        return bw_recovery_fail(command, &diag, err);
    (void)printf("It is finished. Start the witness (systemctl start breakwater-witness), which "
                 "runs as this user.\n");
    return BW_EXIT_FINE;
}
