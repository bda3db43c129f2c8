/* breakwater generate ANSWERS --out DIR. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/generate/generate.h>

#include "api.h"
#include "check.h"
#include "options.h"
#include "verbs.h"

#define PATH_BYTES   4096
#define CONSEQUENCE  "nothing was written"
#define DEPLOY_THERE "../share/breakwater/deploy" /* beside the folder of an installed program */

struct generate_values {
    const char *out;
    const char *deploy;
    bool is_offline;
    bool is_plan;
    bool is_yes;
};

static const struct bw_option generate_options[] = {
    BW_OPTION_TEXT(struct generate_values, out, "out", 0, "DIR", "folder to write, or to write again"),
    BW_OPTION_TEXT(struct generate_values, deploy, "deploy", 0, "DIR",
                   "folder deploy of breakwater, with sets and manifests (the installed one)"),
    BW_OPTION_FLAG(struct generate_values, is_offline, "offline", 0, "do not look up the names of hosts"),
    BW_OPTION_FLAG(struct generate_values, is_plan, "plan", 0, "show what would change, and write nothing"),
    BW_OPTION_FLAG(struct generate_values, is_yes, "yes", 0, "skip the confirmation"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command generate_command = {
    .name = "generate",
    .operands = "ANSWERS",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Writes the files of all machines of a cluster from one file of answers: a folder for\n"
            "each witness, site and operator, with certificates, configuration, scripts and an\n"
            "INSTALL.txt. Checks all of it first, as check does. A later run shows what changes,\n"
            "and keeps keys and certificates. The folder ca has the CA's key: it stays here.\n"
            "Exit status: 0 written, or nothing to change; 1 refused.",
    .options = generate_options,
};

static enum bw_exit report(const struct bw_tree *tree)
{
    (void)fprintf(stderr, "error: generate: %s; " CONSEQUENCE "\n", tree->diag.text);
    return bw_exit_of_err(tree->err);
}

/* ---- where the sets are ---------------------------------------------------------------------- */

static bool find_deploy(const char *given, char out_path[PATH_BYTES])
{
    char program[PATH_BYTES];
    ssize_t length;
    char *slash;

    if (given != NULL)
        return bw_copy_text(out_path, PATH_BYTES, given);
    length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    slash = strrchr(program, '/');
    return slash != NULL && (size_t)snprintf(out_path, PATH_BYTES, "%.*s/" DEPLOY_THERE, (int)(slash - program), program) <
                                PATH_BYTES;
}

/* ---- the files that were made ---------------------------------------------------------------- */

struct made {
    const char *files[BW_CHECK_FILES_MAX]; /* below the folder */
    size_t count;
};

static bool ends_in(const char *text, const char *end)
{
    return strlen(text) > strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

/* Each operator has the same groups, and the same witnesses to ask: once is enough. */
static bool is_there(const struct made *made, const char *end)
{
    for (size_t i = 0; i < made->count; i++)
        if (ends_in(made->files[i], end))
            return true;
    return false;
}

static void add(const char *name, void *with)
{
    struct made *made = with;
    const bool is_of_operator = ends_in(name, "/groups.yaml") || ends_in(name, "/cli.yaml");

    if (made->count < BW_CHECK_FILES_MAX && !(is_of_operator && is_there(made, strrchr(name, '/'))))
        made->files[made->count++] = name;
}

/* From inside the folder: it has another name until it is put in place, and what is printed of its files outlives that. */
static bool check_inside(const char *folder, const struct made *made)
{
    const int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const bool is_fine = here != -1 && chdir(folder) == 0 && bw_check_offline(made->files, made->count);
    const bool is_back = here != -1 && fchdir(here) == 0; /* what is written next may have a relative path */

    if (here != -1)
        (void)close(here);
    return is_fine && is_back;
}

static bool is_right(const struct bw_tree *tree, const char *answers)
{
    struct made made = {0};

    bw_generate_each_config(tree, add, &made);
    if (check_inside(tree->fresh, &made))
        return true;
    (void)fflush(stdout);
    (void)fprintf(stderr, "error: generate: files made from %s would be refused, see above; " CONSEQUENCE "\n", answers);
    return false;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static enum bw_exit put_in_place(struct bw_tree *tree, const struct generate_values *values)
{
    const size_t changed = tree->is_replaced ? bw_tree_changes(tree, stdout) : tree->file_count;

    if (tree->err != BW_OK)
        return report(tree);
    if (changed == 0) {
        (void)fprintf(stderr, "Nothing changes in %s.\n", tree->dir);
        return BW_EXIT_FINE;
    }
    if (values->is_plan)
        return BW_EXIT_FINE;
    if (tree->is_replaced && !bw_confirm(&generate_command, values->is_yes, "Write this?", "yes"))
        return BW_EXIT_FAILED;
    if (bw_tree_commit(tree) != BW_OK)
        return report(tree);
    (void)fprintf(stderr, "Wrote %s. Next: less %s/INSTALL.txt\n", tree->dir, tree->dir);
    return BW_EXIT_FINE;
}

/* Compares the answers with the folder that is there. */
static bool is_of_folder(struct bw_answers *answers, struct bw_tree *tree)
{
    struct bw_problems *problems = answers->document.problems;

    if (tree->is_replaced)
        bw_generate_compare(answers, tree);
    bw_problems_print(problems, CONSEQUENCE, stderr);
    return problems->error_count == 0;
}

static enum bw_exit write_all(struct bw_answers *answers, const char *file, const char *deploy,
                              const struct generate_values *values)
{
    struct bw_tree tree;
    enum bw_exit exit;

    if (bw_tree_begin(&tree, values->out) != BW_OK)
        return report(&tree);
    if (!is_of_folder(answers, &tree))
        exit = BW_EXIT_FAILED;
    else if (tree.is_replaced && !bw_confirm_is_possible(&generate_command, values->is_yes || values->is_plan))
        exit = BW_EXIT_USAGE;
    else if (bw_generate(answers, deploy, &tree) != BW_OK)
        exit = report(&tree);
    else
        exit = is_right(&tree, file) ? put_in_place(&tree, values) : BW_EXIT_FAILED;
    bw_tree_end(&tree);
    return exit;
}

enum bw_exit bw_verb_generate(int argc, char **argv)
{
    struct generate_values values = {0};
    struct bw_answers *answers;
    struct bw_problems problems;
    struct bw_operands operands;
    char deploy[PATH_BYTES];
    enum bw_exit exit;

    if (!bw_options_parse(&generate_command, argc, argv, &values, &operands, &exit))
        return exit;
    if (values.out == NULL)
        return bw_usage_error(&generate_command, "needs --out DIR");
    if (!find_deploy(values.deploy, deploy))
        return bw_usage_error(&generate_command, "needs --deploy DIR: no sets are installed beside this program");
    bw_problems_init(&problems);
    answers = bw_answers_load(operands.items[0], deploy, &problems);
    if (answers != NULL && !values.is_offline)
        bw_generate_resolve(answers);
    if (answers == NULL || problems.error_count > 0) {
        bw_problems_print(&problems, CONSEQUENCE, stderr);
        exit = BW_EXIT_FAILED;
    } else {
        exit = write_all(answers, operands.items[0], deploy, &values);
    }
    bw_answers_free(answers);
    bw_problems_deinit(&problems);
    return exit;
}
