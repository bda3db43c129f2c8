/* The proof of leadership by the terms of a majority. Design 3.2.2. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/question.h>

#define TERM 7

static const uint64_t three[] = {1, 2, 3};

/* The question of witness 1, in TERM. */
static struct bw_term_word ask(struct bw_question *question)
{
    *question = (struct bw_question){.number = 40};
    return bw_question_ask(question, TERM);
}

static void answer(struct bw_question *question, uint64_t from, struct bw_term_word word, uint64_t term)
{
    word.term = term;
    bw_question_hear(question, from, &word);
}

static bool proves(const struct bw_question *question)
{
    return bw_question_proves(question, 1, TERM, three, 3);
}

static void a_majority_that_answers_its_own_term_proves_it(void **state)
{
    static const uint64_t five[] = {1, 2, 3, 4, 5};
    struct bw_question question;
    const struct bw_term_word word = ask(&question);

    (void)state;
    assert_int_equal(word.asked, TERM);
    assert_int_equal(word.term, 0);
    assert_false(proves(&question));
    answer(&question, 3, word, TERM);
    assert_true(proves(&question));
    assert_false(bw_question_proves(&question, 1, TERM, five, 5));
    for (int i = 0; i < BW_QUESTION_VOTERS_MAX; i++)
        answer(&question, 3, word, TERM); /* once more: it is one voter, and leaves room for others */
    assert_false(bw_question_proves(&question, 1, TERM, five, 5));
    answer(&question, 5, word, TERM);
    assert_true(bw_question_proves(&question, 1, TERM, five, 5));
}

/* Half of four is no majority. */
static void half_of_the_voters_prove_nothing(void **state)
{
    static const uint64_t four[] = {1, 2, 3, 4};
    struct bw_question question;
    const struct bw_term_word word = ask(&question);

    (void)state;
    answer(&question, 2, word, TERM);
    assert_false(bw_question_proves(&question, 1, TERM, four, 4));
    answer(&question, 3, word, TERM);
    assert_true(bw_question_proves(&question, 1, TERM, four, 4));
}

static void an_answer_of_another_term_counts_for_nothing(void **state) /* I1, members.pml */
{
    struct bw_question question;
    const struct bw_term_word word = ask(&question);

    (void)state;
    answer(&question, 2, word, TERM + 1);
    answer(&question, 3, word, TERM - 1);
    answer(&question, 3, word, 0); /* a question */
    assert_false(proves(&question));
}

static void an_answer_to_an_earlier_question_counts_for_nothing(void **state) /* I1, members.pml */
{
    struct bw_question question;
    const struct bw_term_word earlier = ask(&question);
    const struct bw_term_word word = bw_question_ask(&question, TERM);

    (void)state;
    assert_int_not_equal(word.number, earlier.number);
    answer(&question, 2, earlier, TERM);
    assert_false(proves(&question));
    answer(&question, 2, word, TERM);
    assert_true(proves(&question));
    (void)bw_question_ask(&question, TERM); /* nor what was counted for the one before */
    assert_false(proves(&question));
}

/* A process that was started anew counts from 1 again, and leads in a term of its own. */
static void an_answer_to_a_question_of_another_term_counts_for_nothing(void **state)
{
    struct bw_question question;
    struct bw_term_word word = ask(&question);

    (void)state;
    word.asked = TERM - 1;
    answer(&question, 2, word, TERM);
    assert_false(proves(&question));
}

static void who_is_no_voter_does_not_count(void **state) /* I1, members.pml */
{
    static const uint64_t without_the_leader[] = {2, 3, 4};
    struct bw_question question;
    const struct bw_term_word word = ask(&question);

    (void)state;
    answer(&question, 4, word, TERM); /* was removed */
    assert_false(proves(&question));
    assert_false(bw_question_proves(&question, 1, TERM, without_the_leader, 3));
    answer(&question, 2, word, TERM);
    assert_true(bw_question_proves(&question, 1, TERM, without_the_leader, 3));
}

static void who_leads_that_term_no_more_proves_nothing(void **state) /* I1, members.pml */
{
    struct bw_question question;
    const struct bw_term_word word = ask(&question);

    (void)state;
    answer(&question, 2, word, TERM);
    assert_false(bw_question_proves(&question, 1, 0, three, 3));
    assert_false(bw_question_proves(&question, 1, TERM + 1, three, 3));
    assert_true(proves(&question));
    bw_question_end(&question);
    assert_false(proves(&question));
    assert_false(bw_question_proves(&question, 1, 0, three, 3));
    answer(&question, 2, word, TERM); /* late */
    assert_false(proves(&question));
}

static void a_sole_voter_proves_nothing(void **state) /* L9 */
{
    struct bw_question question;

    (void)state;
    (void)ask(&question);
    assert_false(bw_question_proves(&question, 1, TERM, three, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_majority_that_answers_its_own_term_proves_it),
        cmocka_unit_test(half_of_the_voters_prove_nothing),
        cmocka_unit_test(an_answer_of_another_term_counts_for_nothing),
        cmocka_unit_test(an_answer_to_an_earlier_question_counts_for_nothing),
        cmocka_unit_test(an_answer_to_a_question_of_another_term_counts_for_nothing),
        cmocka_unit_test(who_is_no_voter_does_not_count),
        cmocka_unit_test(who_leads_that_term_no_more_proves_nothing),
        cmocka_unit_test(a_sole_voter_proves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
