/* mutant.h - protections that can be switched off, one in each deliberately broken build.
 *
 * Whether a test or a harness would notice that a protection is gone is not believed but seen:
 * chaos/mutants/run builds each mutant and demands that what its row in chaos/mutants/table names
 * goes red. Anything else is built without any of these macros: each then folds to 0, so that the
 * object code is the one of a source without them (tests/lint: mutants). */
#ifndef BW_BASE_MUTANT_H
#define BW_BASE_MUTANT_H

/* 1 where the source is compiled with -DBW_MUTANT_<name>=1, otherwise 0: a constant expression,
 * for use where the protection acts, in one line of a .c file. Of a name that is defined as 1 comes
 * COMMA_1, thus a first argument more, and the second one is the 1. */
#define BW_MUTANT(name)              BW_MUTANT_VALUE_(BW_MUTANT_##name)
#define BW_MUTANT_VALUE_(value)      BW_MUTANT_COMMA_(value)
#define BW_MUTANT_COMMA_(value)      BW_MUTANT_PICK_(BW_MUTANT_COMMA_##value)
#define BW_MUTANT_PICK_(comma)       BW_MUTANT_SECOND_(comma 1, 0, 0)
#define BW_MUTANT_SECOND_(a, b, ...) b
#define BW_MUTANT_COMMA_1            0,

#endif
