/* verb.h - `breakwater-chaos scripts`: an operator's own scripts under trial. */
#ifndef BW_TRIALS_VERB_H
#define BW_TRIALS_VERB_H

/* The verb with its arguments; argv[0] is "scripts". Returns the exit status of the program: 0 all
 * is well, 1 something is a problem or the trial could not be finished, 2 usage, 3 warnings only,
 * 6 refused because it would be unsafe. Starts children of its own; the caller has none. */
int bw_trials_verb(int argc, char **argv);

#endif
