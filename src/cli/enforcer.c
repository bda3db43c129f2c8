/* breakwater enforcer: what a guard starts beside itself. It is in no list of verbs: nobody runs it. */
#include <stdio.h>

#include <breakwater/enforcer/enforcer.h>

#include "verbs.h"

enum bw_exit bw_verb_enforcer(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (bw_enforcer_run())
        return BW_EXIT_FINE;
    (void)fputs("error: enforcer: only a guard starts it (see: breakwater guard --help)\n", stderr);
    return BW_EXIT_USAGE;
}
