/* mutant.h - protections that can be switched off, one in each deliberately broken build.
 *
 * Whether a test or a harness would notice that a protection is gone is not believed but seen:
 * chaos/mutants/run switches each mutant on and demands that what its row in chaos/mutants/table names
 * goes red. It alone compiles with BW_MUTANTS_SWITCHED, where each is a variable that the program's
 * beginning sets. Anything else is built without: each then folds to 0, so that the object code is the
 * one of a source without them (tests/lint: mutants). */
#ifndef BW_BASE_MUTANT_H
#define BW_BASE_MUTANT_H

#ifdef BW_MUTANTS_SWITCHED
#define BW_MUTANT(name)                                                                           \
    (__extension__({                                                                              \
        extern int bw_mutant_##name;                                                              \
        bw_mutant_##name;                                                                         \
    }))
#else
#define BW_MUTANT(name) 0
#endif

#endif
