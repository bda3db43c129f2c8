/* breakwater steps: what a guard starts in place of a script. It is in no list of verbs: nobody
 * runs it. */
#include <stdio.h>

#include <breakwater/steps/steps.h>

#include "verbs.h"

int bw_verb_steps(void)
{
    const int status = bw_steps_run();

    if (status >= 0)
        return status;
    (void)fputs("error: steps: only a guard starts it (see: breakwater guard --help)\n", stderr);
    return BW_EXIT_USAGE;
}
