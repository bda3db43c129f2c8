/* The script files themselves: what can be known of them without running one. */
#include "trial.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/os/path_owner.h>

#define HEAD_BYTES 65536 /* of a script that are looked at for its line ends */

/* ---- one script ------------------------------------------------------------------------------ */

static void judge_interpreter(struct bw_trial_report *report, const char *key, const char *head)
{
    char name[PATH_MAX];
    size_t length;

    if (strncmp(head, "#!", 2) != 0) {
        if (strncmp(head, "\177ELF", 4) != 0)
            bw_trial_find(report, BW_TRIAL_FILE_SHELL, BW_TRIAL_WARNING, "%s has no #! line", key);
        return;
    }
    head += 2 + strspn(head + 2, " \t");
    length = strcspn(head, " \t\n");
    if (length == 0 || length >= sizeof name) {
        bw_trial_find(report, BW_TRIAL_FILE_INTERPRETER, BW_TRIAL_PROBLEM,
                      "%s: #! names no interpreter", key);
        return;
    }
    memcpy(name, head, length);
    name[length] = '\0';
    if (name[length - 1] == '\r')
        bw_trial_find(report, BW_TRIAL_FILE_INTERPRETER, BW_TRIAL_PROBLEM,
                      "%s: the #! line ends in a carriage return: no such interpreter", key);
    else if (access(name, X_OK) != 0)
        bw_trial_find(report, BW_TRIAL_FILE_INTERPRETER, BW_TRIAL_PROBLEM, "%s: %.200s: %s", key,
                      name, strerror(errno));
    else
        bw_trial_pass(report, BW_TRIAL_FILE_INTERPRETER, "of every script");
}

static void judge_text(struct bw_trial_report *report, const char *key, int fd)
{
    char *head = calloc(1, HEAD_BYTES + 1);
    const ssize_t got = head == NULL ? -1 : read(fd, head, HEAD_BYTES);

    if (got < 0) {
        bw_trial_find(report, BW_TRIAL_FILE_INTERPRETER, BW_TRIAL_PROBLEM, "%s: read: %s", key,
                      strerror(head == NULL ? ENOMEM : errno));
    } else {
        judge_interpreter(report, key, head);
        if (strncmp(head, "\177ELF", 4) != 0 && memmem(head, (size_t)got, "\r\n", 2) != NULL)
            bw_trial_find(report, BW_TRIAL_FILE_LINE_ENDS, BW_TRIAL_PROBLEM,
                          "%s has lines that end in CR LF: a shell takes the CR for a part of each "
                          "last word",
                          key);
        else
            bw_trial_pass(report, BW_TRIAL_FILE_LINE_ENDS, "in every script");
    }
    free(head);
}

static void judge_owner(struct bw_trial_report *report, const char *key, const char *path,
                        bool is_allowed)
{
    char changed[BW_PATH_OWNER_BYTES];

    if (bw_path_is_writable(path, changed))
        bw_trial_find(report, BW_TRIAL_FILE_OWNER,
                      is_allowed ? BW_TRIAL_WARNING : BW_TRIAL_PROBLEM,
                      "%s: %.200s can be changed by others than root and the guard's user%s", key,
                      changed, is_allowed ? "" : ": the guard refuses it");
    else
        bw_trial_pass(report, BW_TRIAL_FILE_OWNER, "every script and all directories above it");
}

static void judge_file(struct bw_trial_report *report, const char *key, const char *path,
                       bool is_allowed)
{
    const int fd = bw_script_file_open(path);

    if (fd < 0) {
        bw_trial_find(report, BW_TRIAL_FILE_INTERPRETER, BW_TRIAL_WARNING,
                      "%s cannot be read here: %s", key,
                      errno == EINVAL ? "it is no file" : strerror(errno));
        return;
    }
    if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
        bw_trial_find(report, BW_TRIAL_FILE_SHELL, BW_TRIAL_WARNING, "%s is not executable", key);
    judge_owner(report, key, path, is_allowed);
    judge_text(report, key, fd);
    (void)close(fd); /* only read from */
}

/* ---- public ---------------------------------------------------------------------------------- */

static void judge_steps(struct bw_trial_report *report, const struct bw_steps_config *steps,
                        bool is_allowed)
{
    for (uint32_t i = 0; i < steps->count; i++)
        judge_file(report, steps->items[i].name, steps->items[i].script, is_allowed);
}

void bw_trial_judge_files(struct bw_trial_report *report, const struct bw_group_config *group)
{
    judge_steps(report, &group->start_steps, group->allow_writable_scripts);
    judge_steps(report, &group->stop_steps, group->allow_writable_scripts);
    for (int action = 0; action < BW_ACTION_COUNT; action++)
        if (group->scripts[action] != NULL)
            judge_file(report, bw_script_key((enum bw_action_kind)action), group->scripts[action],
                       group->allow_writable_scripts);
    bw_trial_pass(report, BW_TRIAL_FILE_SHELL, "every script");
    bw_trial_skip(report, BW_TRIAL_FILE_INTERPRETER, "no script names one");
}
