/* mutant.h - what BW_MUTANT(NAME) means in the sources that chaos/mutants/run has edited: whether this
 * run lacks the protection. It writes one variable for each name, and sets them before main. */
#ifndef BW_MUTANT
#define BW_MUTANT(name)                                                                           \
    (__extension__({                                                                              \
        extern int bw_mutant_##name;                                                              \
        bw_mutant_##name;                                                                         \
    }))
#endif
