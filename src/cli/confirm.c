#include "confirm.h"

#include <string.h>
#include <unistd.h>

bool bw_confirm_is_possible(const struct bw_cli_command *command, bool is_yes)
{
    if (is_yes || isatty(STDIN_FILENO))
        return true;
    (void)fprintf(stderr,
                  "error: %s: this changes something, and there is no terminal to confirm it on; "
                  "nothing was changed\n"
                  "  look first:  the same with --plan\n"
                  "  do it:       the same with --yes\n",
                  command->name);
    return false;
}

bool bw_confirm(const struct bw_cli_command *command, bool is_yes, const char *question,
                const char *word)
{
    char line[128];

    if (is_yes)
        return true;
    (void)fflush(stdout); /* what the question is about comes first; an error stays in stdout */
    (void)fprintf(stderr, "%s Type \"%s\" to go on: ", question, word);
    if (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, word) == 0)
            return true;
    }
    (void)fprintf(stderr, "%s: not confirmed; nothing was changed\n", command->name);
    return false;
}
