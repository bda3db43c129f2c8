/* question.h - proof of leadership without an entry in the log: a leader asks the other voters for their terms, and counts
 * who has answered exactly its own. Design 3.2.2. Pure. Models: members.pml (who counts), lease.pml (what it is for).
 *
 * Why it proves: who was elected above this leader before the question was asked had the votes of a majority, each durable
 * in a higher term before it left; one of those voters is in the majority that answered after that, and terms only grow. */
#ifndef BW_CORE_QUESTION_H
#define BW_CORE_QUESTION_H

#include <stdbool.h>
#include <stdint.h>

#define BW_QUESTION_VOTERS_MAX 16 /* in a configuration; beside a larger one nothing is proved */

/* On the way between two witnesses, both ways. */
struct bw_term_word {
    uint64_t number; /* of the question: in one process and one term there is no other of that number */
    uint64_t asked;  /* the term in which it is asked */
    uint64_t term;   /* of who answers; 0: this is the question */
};

/* The newest that was asked. Zero: none was. */
struct bw_question {
    uint64_t number;
    uint64_t term; /* in which it was asked; 0: it is over */
    uint64_t answered[BW_QUESTION_VOTERS_MAX]; /* ids of who has answered exactly that term */
    uint32_t answered_count;
};

/* Begins one in `term` and says what is to be sent; answers to the one before count no more. */
struct bw_term_word bw_question_ask(struct bw_question *question, uint64_t term);
void bw_question_end(struct bw_question *question);
/* Counts the word of `from`, which its certificate names. */
void bw_question_hear(struct bw_question *question, uint64_t from, const struct bw_term_word *word);
/* Is it proved that whoever asked led then? `own_term`: in which it leads now, 0: it does not. `voters`: all of its
 * configuration, itself too if it is one; at most BW_QUESTION_VOTERS_MAX. */
bool bw_question_proves(const struct bw_question *question, uint64_t self, uint64_t own_term, const uint64_t *voters,
                        uint32_t voter_count);

#endif
