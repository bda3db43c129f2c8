#include "confirm.h"

#include <stdio.h>
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

bool bw_api_confirm(const struct bw_api *api, bool is_yes, const char *question, const char *word)
{
    const struct bw_identity *self = bw_credentials_identity(api->credentials);
    char text[BW_API_PATH_BYTES + 3 * BW_NAME_MAX + 256];

    (void)snprintf(text, sizeof text, "In cluster %s, as %s %s%s%s%s: %s", self->cluster,
                   bw_role_text(self->role), self->name, api->config_file[0] != '\0' ? " (" : "",
                   api->config_file, api->config_file[0] != '\0' ? ")" : "", question);
    return bw_confirm(api->command, is_yes, text, word);
}
