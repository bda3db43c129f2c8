/* confirm.h - asking the person before something is changed. Design 5.2. */
#ifndef BW_CLI_CONFIRM_H
#define BW_CLI_CONFIRM_H

#include "api.h"
#include "options.h"

/* Somebody can be asked, or need not be. False: end with BW_EXIT_USAGE; it was said that --yes is
 * needed without a terminal. */
bool bw_confirm_is_possible(const struct bw_cli_command *command, bool is_yes);

/* Asks on the terminal and waits for exactly `word` ("yes", or a name that is to be typed). True
 * without asking when `is_yes`. False: end with BW_EXIT_FAILED; it was said that nothing changed. */
bool bw_confirm(const struct bw_cli_command *command, bool is_yes, const char *question,
                const char *word);
/* The same of what `api` is asked by its command. The question says in which cluster, as whom, and which file has led
 * there: another shell has another one. */
bool bw_api_confirm(const struct bw_api *api, bool is_yes, const char *question, const char *word);

#endif
