/* breakwater snapshot: the state of the cluster, kept in a file. Design 3.9. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/os/durable.h>
#include <breakwater/os/path_owner.h>
#include <breakwater/witness/saved.h>

#include "api.h"
#include "options.h"
#include "recovery.h"
#include "verbs.h"

#define WAIT_MS 30000

struct snapshot_values {
    struct bw_api_values api;
    const char *config; /* of restore */
    uint64_t above;
    bool is_plan;
    bool is_yes;
};

static const struct bw_option save_options[] = {
    BW_API_OPTIONS(struct snapshot_values, api),
    BW_OPTIONS_END,
};
static const struct bw_option show_options[] = {BW_OPTIONS_END};
static const struct bw_option restore_options[] = {
    BW_OPTION_TEXT(struct snapshot_values, config, "config", 'c', "FILE", "witness.yaml"),
    BW_OPTION_NUMBER(struct snapshot_values, above, "above", 0, "GENERATION", 1, BW_GENERATION_MAX,
                     "a generation that sites follow, from `breakwater status --site`"),
    BW_OPTION_FLAG(struct snapshot_values, is_plan, "plan", 0, "show what would happen, and stop"),
    BW_OPTION_FLAG(struct snapshot_values, is_yes, "yes", 0, "skip the question for the cluster's name"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command save_command = {
    .name = "snapshot save",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Saves the state of the cluster in FILE, as the leader has applied it: groups, primaries,\n"
            "histories and witnesses. The leader first confirms that a majority follows it. For operators.\n"
            "An older FILE is replaced as a whole.",
    .options = save_options,
};
static const struct bw_cli_command show_command = {
    .name = "snapshot show",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Checks FILE, and prints its content.",
    .options = show_options,
};
static const struct bw_cli_command restore_command = {
    .name = "snapshot restore",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .help =
        "Restarts the cluster from FILE (-: standard input), if all witnesses are lost for good. Run it as\n"
        "the user of a witness with an empty data directory. It works like `breakwater recover`; decisions\n"
        "after the save are gone. Refused while a witness of the cluster answers.",
    .options = restore_options,
};

/* ---- save ---- */

static enum bw_exit write_file(const char *file, const json_t *document)
{
    char *text = json_dumps(document, JSON_COMPACT);
    char *copies[2] = {strdup(file), strdup(file)};
    struct bw_diag diag = {0};
    enum bw_err err = BW_ERR_NOMEM;
    int dir = -1;

    if (text == NULL || copies[0] == NULL || copies[1] == NULL) {
        (void)bw_diag_set(&diag, err, "out of memory");
    } else {
        dir = open(dirname(copies[0]), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        err = dir < 0 ? bw_diag_set(&diag, BW_ERR_IO, "open the directory of %s", file)
                      : bw_durable_write(dir, basename(copies[1]), text, strlen(text), &diag);
    }
    if (dir >= 0)
        (void)close(dir); /* synced by the write */
    free(text);
    free(copies[0]);
    free(copies[1]);
    if (err == BW_OK)
        return BW_EXIT_FINE;
    (void)fprintf(stderr, "error: snapshot save: %s\n", diag.text);
    return bw_exit_of_err(err);
}

/* A saved state that knows more, or is another cluster's, cannot be made again. */
static bool is_newer(const json_t *old, const json_t *document)
{
    const int64_t generation = bw_json_number(document, "generation");
    const int64_t before = bw_json_number(old, "generation");
    char cluster_id[BW_ID_TEXT_BYTES];

    (void)snprintf(cluster_id, sizeof cluster_id, "%s", bw_json_member(document, "cluster_id"));
    return strcmp(bw_json_member(old, "cluster_id"), cluster_id) == 0 &&
           (generation > before ||
            (generation == before && bw_json_number(document, "index") >= bw_json_number(old, "index")));
}

static bool may_replace(const char *file, const json_t *document)
{
    json_t *old = json_load_file(file, 0, NULL);
    const bool may = old == NULL || is_newer(old, document);

    json_decref(old);
    if (!may)
        (void)fprintf(stderr,
                      "error: snapshot save: %s has the state of another cluster, or a newer state of this one: "
                      "nothing was written\n"
                      "  next:  choose another name\n",
                      file);
    return may;
}

/* What is there is replaced only if it is a saved state, or empty. */
static bool may_write(const char *file)
{
    struct stat status;
    json_t *document;
    bool may;

    if (stat(file, &status) != 0)
        return true; /* or the write says why not */
    document = S_ISREG(status.st_mode) ? json_load_file(file, 0, NULL) : NULL;
    may = S_ISREG(status.st_mode) &&
          (status.st_size == 0 ||
           strcmp(bw_json_member(document, "schema"), "breakwater.snapshot/v1") == 0);
    json_decref(document);
    if (!may)
        (void)fprintf(
            stderr,
            "error: snapshot save: %s exists, and is not a saved state: nothing was written\n",
            file);
    return may;
}

static enum bw_exit save(const struct snapshot_values *values, const char *file)
{
    struct bw_api api;
    json_t *document = NULL;
    enum bw_exit exit;

    if (!may_write(file))
        return BW_EXIT_FAILED;

    if (!bw_api_open(&api, &save_command, &values->api, WAIT_MS, &exit))
        return exit;
    exit = bw_api_fetch(&api, "GET", "/v1/snapshot", NULL, &document);
    if (exit == BW_EXIT_FINE)
        exit = may_replace(file, document) ? write_file(file, document) : BW_EXIT_FAILED;
    if (exit == BW_EXIT_FINE)
        (void)printf("Saved generation %lld up to index %lld in %s.\n",
                     (long long)bw_json_number(document, "generation"),
                     (long long)bw_json_number(document, "index"), file);
    json_decref(document);
    bw_api_close(&api);
    return exit;
}

/* ---- show and restore ---- */

/* What an operator of the whole cluster was given is kept for who saved it (5.3), mostly root; the
 * witness's user is handed it. */
static enum bw_err say_unopened(const char *verb, const char *file, int why, struct bw_diag *diag)
{
    char self[BW_PATH_USER_BYTES];

    bw_path_user_name(geteuid(), self);
    if (why != EACCES)
        return bw_diag_set(diag, BW_ERR_INVALID, "%s: %s", file, strerror(why));
    return bw_diag_set(
        diag, BW_ERR_INVALID,
        "%s: %s; as root, with the same options, on its input: runuser -u %s -- breakwater %s ... "
        "- <%s",
        file, strerror(why), self, verb, file);
}

static enum bw_err read_document(const char *verb, const char *file, json_t **out_document,
                                 struct bw_diag *diag)
{
    const bool is_input = strcmp(file, "-") == 0;
    FILE *in = is_input ? stdin : fopen(file, "re");
    json_error_t where;

    if (in == NULL)
        return say_unopened(verb, file, errno, diag);
    *out_document = json_loadf(in, JSON_REJECT_DUPLICATES, &where);
    if (!is_input)
        (void)fclose(in);                /* only read from */
    return *out_document != NULL ? BW_OK /* jansson's own words repeat the file's */
                                 : bw_diag_set(diag, BW_ERR_INVALID, "%s:%d:%d: it is not JSON",
                                               file, where.line, where.column);
}

/* True: `recovery->cluster` is what is in the file. False: `*out_exit`, and it was said. */
static bool read_file(const struct bw_cli_command *command, const char *file,
                      struct bw_witness_recovery *recovery, struct bw_saved *saved,
                      enum bw_exit *out_exit)
{
    struct bw_diag diag = {0};
    json_t *document = NULL;
    enum bw_err err = read_document(command->name, file, &document, &diag);

    if (err == BW_OK)
        err = bw_saved_decode(document, saved, &recovery->cluster, &diag);
    json_decref(document);
    if (err == BW_OK)
        return true;
    *out_exit = bw_recovery_fail(command, &diag, err);
    return false;
}

static void print_saved(const struct bw_witness_recovery *recovery, const struct bw_saved *saved)
{
    char id[BW_ID_TEXT_BYTES];
    char when[32];

    bw_id_format(recovery->cluster.id, id);
    (void)printf("Cluster %s (%s), generation %" PRIu64 ", as %s had it %s:\n"
                 "term %" PRIu64 ", up to index %" PRIu64 ", %u witnesses\n\n",
                 recovery->cluster.name, id, recovery->cluster.generation, saved->witness,
                 bw_recovery_time_text(saved->unix_ms / 1000, when), saved->term,
                 recovery->cluster.applied_index, saved->roster.count);
    bw_recovery_print_groups(&recovery->cluster);
}

static bool is_nobody_there(const struct bw_witness_recovery *recovery,
                            const struct bw_witness_config *config)
{
    struct bw_recovery_others others;

    if (!bw_recovery_look_at_others(&restore_command, config, recovery, &others))
        return false;
    if (others.answer > 0) {
        (void)fputs(
            "refused: snapshot restore: a witness of this cluster runs: it knows more than "
            "the file. Recover on it, as its user (breakwater recover); nothing was changed\n",
            stderr);
        return false;
    }
    return bw_recovery_are_gone(&restore_command, &others);
}

static enum bw_exit restore_into(struct bw_witness_recovery *recovery,
                                 const struct bw_saved *saved,
                                 const struct bw_witness_config *config,
                                 const struct snapshot_values *values)
{
    struct bw_diag diag = {0};
    const enum bw_err err = bw_witness_recovery_open_empty(recovery, config, saved, &diag);

    if (!recovery->is_begun) { /* else that is not what would be */
        print_saved(recovery, saved);
        (void)putchar('\n');
    }
    if (err != BW_OK)
        return bw_recovery_fail(&restore_command, &diag, err);
    return bw_recovery_confirm_and_write(&restore_command, recovery, config, is_nobody_there,
                                         values->above, values->is_plan, values->is_yes);
}

static enum bw_exit restore(struct bw_witness_recovery *recovery, const struct bw_saved *saved,
                            const struct snapshot_values *values)
{
    struct bw_witness_config *config = bw_witness_config_take(values->config,
                                                              "nothing was changed");
    enum bw_exit exit;

    if (config == NULL)
        return BW_EXIT_CONFIG;
    exit = restore_into(recovery, saved, config, values);
    bw_witness_config_free(config);
    return exit;
}

static enum bw_exit show_or_restore(const struct bw_cli_command *command,
                                    const struct snapshot_values *values, const char *file)
{
    struct bw_witness_recovery recovery;
    struct bw_saved saved;
    struct bw_diag diag = {0};
    enum bw_exit exit = BW_EXIT_FINE;

    if (bw_witness_recovery_init(&recovery, &diag) != BW_OK)
        return bw_recovery_fail(command, &diag, diag.err);
    if (read_file(command, file, &recovery, &saved, &exit)) {
        if (command == &restore_command)
            exit = restore(&recovery, &saved, values);
        else
            print_saved(&recovery, &saved);
    }
    bw_witness_recovery_close(&recovery);
    return exit;
}

/* ---- the verb ---- */

static enum bw_exit run_save(int argc, char **argv)
{
    struct snapshot_values values = {0};
    struct bw_operands operands;
    enum bw_exit exit;

    if (!bw_options_parse(&save_command, argc, argv, &values, &operands, &exit))
        return exit;
    return save(&values, operands.items[0]);
}

static enum bw_exit run_show(int argc, char **argv)
{
    struct snapshot_values values = {0};
    struct bw_operands operands;
    enum bw_exit exit;

    if (!bw_options_parse(&show_command, argc, argv, &values, &operands, &exit))
        return exit;
    return show_or_restore(&show_command, &values, operands.items[0]);
}

static enum bw_exit run_restore(int argc, char **argv)
{
    struct snapshot_values values = {0};
    struct bw_operands operands;
    enum bw_exit exit;

    if (!bw_options_parse(&restore_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (values.config == NULL)
        return bw_usage_error(&restore_command, "needs -c FILE");
    if (!bw_confirm_is_possible(&restore_command, values.is_yes || values.is_plan))
        return BW_EXIT_USAGE;
    return show_or_restore(&restore_command, &values, operands.items[0]);
}

static const struct bw_part parts[] = {
    {&save_command, run_save},
    {&show_command, run_show},
    {&restore_command, run_restore},
};

enum bw_exit bw_verb_snapshot(int argc, char **argv)
{
    return bw_parts_run(parts, sizeof parts / sizeof parts[0], argc, argv);
}
