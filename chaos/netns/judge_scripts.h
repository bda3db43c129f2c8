/* judge_scripts.h - `breakwater-chaos scripts`: an operator's own scripts under trial. */
#ifndef BW_CHAOS_JUDGE_SCRIPTS_H
#define BW_CHAOS_JUDGE_SCRIPTS_H

/* The verb with its arguments; argv[0] is "scripts". Returns the exit status of the program: 0 all
 * is well, 1 something is a problem or the trial could not be finished, 2 usage, 3 warnings only,
 * 6 refused because it would be unsafe. Starts children of its own; the caller has none. */
int bw_chaos_scripts(int argc, char **argv);

#endif
