#include <breakwater/core/question.h>

#include <breakwater/base/assert.h>

struct bw_term_word bw_question_ask(struct bw_question *question, uint64_t term)
{
    BW_ASSERT(term > 0);
    *question = (struct bw_question){.number = question->number + 1, .term = term};
    return (struct bw_term_word){.number = question->number, .asked = term};
}

void bw_question_end(struct bw_question *question)
{
    *question = (struct bw_question){.number = question->number};
}

static bool has_answered(const struct bw_question *question, uint64_t id)
{
    for (uint32_t i = 0; i < question->answered_count; i++)
        if (question->answered[i] == id)
            return true;
    return false;
}

/* 3.2.2: to this question, not to one of before the renewal came; and no term but its own, which a higher one denies. */
static bool is_yes(const struct bw_question *question, const struct bw_term_word *word)
{
    return question->term != 0 && word->number == question->number && word->asked == question->term &&
           word->term == question->term;
}

void bw_question_hear(struct bw_question *question, uint64_t from, const struct bw_term_word *word)
{
    if (is_yes(question, word) && !has_answered(question, from) &&
        question->answered_count < BW_QUESTION_VOTERS_MAX)
        question->answered[question->answered_count++] = from;
}

/* Its own word, too, counts only as a voter's, and as long as it leads in that term: else it may have voted for another.
 * A sole voter leads again in a term of before (L9), so there the term proves nothing. */
bool bw_question_proves(const struct bw_question *question, uint64_t self, uint64_t own_term, const uint64_t *voters,
                        uint32_t voter_count)
{
    uint32_t yes = 0;

    BW_ASSERT(voter_count <= BW_QUESTION_VOTERS_MAX);
    if (own_term == 0 || own_term != question->term || voter_count < 2)
        return false;
    for (uint32_t i = 0; i < voter_count; i++)
        yes += voters[i] == self || has_answered(question, voters[i]);
    return yes > voter_count / 2;
}
