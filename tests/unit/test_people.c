/* people: which groups a name may see and change, and which lists there may be. Design 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/core/people.h>

static const char list[] = "operator/anna orders billing\n"
                           "operator/root\n"
                           "viewer/auditor\n"
                           "viewer/board orders\n";

static bool has(const char *name, const char *group)
{
    const struct bw_scope scope = bw_people_scope(list, name);

    return bw_scope_has(&scope, group);
}

static void without_a_list_everybody_may_everything(void **state)
{
    const struct bw_scope scope = bw_people_scope("", "operator/anybody");

    (void)state;
    assert_true(scope.is_everything);
    assert_null(scope.person);
    assert_true(bw_scope_has(&scope, "orders"));
}

static void who_is_limited_has_his_groups_and_no_others(void **state)
{
    const struct bw_scope scope = bw_people_scope(list, "operator/anna");

    (void)state;
    assert_false(scope.is_everything);
    assert_ptr_equal(scope.person, list);
    assert_true(has("operator/anna", "orders"));
    assert_true(has("operator/anna", "billing"));
    assert_false(has("operator/anna", "payments"));
    assert_false(has("operator/anna", "order"));
    assert_false(has("operator/anna", "orders2"));
    assert_false(has("operator/anna", "operator/anna"));
    assert_false(has("operator/anna", ""));
    assert_true(has("viewer/board", "orders"));
    assert_false(has("viewer/board", "billing"));
}

static void who_is_listed_without_groups_has_everything(void **state)
{
    const struct bw_scope scope = bw_people_scope(list, "operator/root");

    (void)state;
    assert_true(scope.is_everything);
    assert_ptr_equal(scope.person, strstr(list, "operator/root"));
    assert_true(has("operator/root", "payments"));
}

static void who_is_not_in_the_list_has_nothing(void **state)
{
    const struct bw_scope scope = bw_people_scope(list, "operator/mallory");

    (void)state;
    assert_false(scope.is_everything);
    assert_null(scope.person);
    assert_false(has("operator/mallory", "orders"));
}

/* The name of a role and a person is one: what anna may as an operator, no viewer of that name may. */
static void a_name_counts_with_its_role(void **state)
{
    (void)state;
    assert_false(has("viewer/anna", "orders"));
    assert_false(has("operator/board", "orders"));
    assert_false(has("operator/ann", "orders"));
    assert_false(has("operator/anna2", "orders"));
    assert_false(has("operator/Anna", "orders"));
}

/* Who forgot to ask for one sees nothing. */
static void a_zeroed_scope_has_nothing(void **state)
{
    const struct bw_scope scope = {.is_everything = false};

    (void)state;
    assert_false(bw_scope_has(&scope, "orders"));
}

static void assert_may(const char *group, bool changes, const char *const *names)
{
    const char *at = list;
    char name[BW_PERSON_TEXT_BYTES];

    for (; *names != NULL; names++) {
        const char *person = bw_people_who_may(&at, group, changes);

        assert_non_null(person);
        assert_true(bw_people_word(&person, name));
        assert_string_equal(name, *names);
    }
    assert_null(bw_people_who_may(&at, group, changes));
    assert_null(bw_people_who_may(&at, group, changes)); /* and still not */
}

static void whom_to_ask_is_who_has_it_and_may_change_it(void **state)
{
    (void)state;
    assert_may("orders", true, (const char *const[]){"operator/anna", "operator/root", NULL});
    assert_may("orders", false,
               (const char *const[]){"operator/anna", "operator/root", "viewer/auditor", "viewer/board", NULL});
    assert_may("payments", true, (const char *const[]){"operator/root", NULL});
    assert_may(NULL, true, (const char *const[]){"operator/root", NULL});
    assert_may(NULL, false, (const char *const[]){"operator/root", "viewer/auditor", NULL});
}

/* ---- making a list ---- */

static void a_list_is_the_same_in_whatever_order_it_is_made(void **state)
{
    struct bw_people people = {.text = ""};

    (void)state;
    assert_int_equal(bw_people_add(&people, "viewer/board", (const char *const[]){"orders"}, 1), BW_OK);
    assert_int_equal(bw_people_add(&people, "operator/root", NULL, 0), BW_OK);
    assert_int_equal(bw_people_add(&people, "viewer/auditor", NULL, 0), BW_OK);
    assert_int_equal(bw_people_add(&people, "operator/anna", (const char *const[]){"orders", "billing"}, 2), BW_OK);
    assert_string_equal(people.text, list);
    assert_int_equal(bw_people_add(&people, "operator/anna", NULL, 0), BW_ERR_EXISTS);
    assert_string_equal(people.text, list);
    assert_int_equal(bw_people_check(people.text), BW_OK);
}

static void no_name_makes_a_line_of_another_one(void **state)
{
    static const char *const wrong[] = {"", "anna", "agent/dc-a", "operator/", "operator/a b", "operator/a\nviewer/b",
                                        "viewer/\n"};
    struct bw_people people = {.text = ""};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(bw_people_add(&people, wrong[i], NULL, 0), BW_ERR_INVALID);
    assert_int_equal(bw_people_add(&people, "operator/anna", (const char *const[]){"orders\noperator/root"}, 1),
                     BW_ERR_INVALID);
    assert_int_equal(bw_people_add(&people, "operator/anna", (const char *const[]){"orders", ""}, 2), BW_ERR_INVALID);
    assert_string_equal(people.text, "");
}

static void what_does_not_fit_is_refused(void **state)
{
    static const char longest[] = "a23456789012345678901234567890123456789012345678901234567890123";
    const char *groups[BW_PERSON_GROUPS_MAX + 1];
    struct bw_people people = {.text = ""};
    char name[BW_PERSON_TEXT_BYTES];
    unsigned count = 0;

    (void)state;
    for (size_t i = 0; i <= BW_PERSON_GROUPS_MAX; i++)
        groups[i] = longest;
    assert_int_equal(bw_people_add(&people, "operator/a", groups, BW_PERSON_GROUPS_MAX + 1), BW_ERR_LIMIT);
    do
        (void)snprintf(name, sizeof name, "operator/%u", count++);
    while (bw_people_add(&people, name, groups, BW_PERSON_GROUPS_MAX) == BW_OK);
    assert_int_equal(count, 4); /* three lines of 4 KiB each, and the next was too many bytes */
    people.text[0] = '\0';
    for (unsigned i = 0; i < BW_PEOPLE_MAX; i++) {
        (void)snprintf(name, sizeof name, "operator/%u", i);
        assert_int_equal(bw_people_add(&people, name, NULL, 0), BW_OK);
    }
    assert_int_equal(bw_people_add(&people, "operator/z", NULL, 0), BW_ERR_LIMIT);
    assert_int_equal(bw_people_check(people.text), BW_OK);
}

/* Text from the log or a file may be anything. */
static void what_no_list_is_made_like_is_refused(void **state)
{
    static const char *const wrong[] = {
        "operator/root",                            /* the line has no end */
        "operator/root \n",                         /* nothing behind the space */
        "operator/root  orders\n",
        " operator/root\n",
        "\noperator/root\n",
        "operator/root\n\n",
        "operator/root\noperator/anna\n",           /* not in order */
        "operator/root\noperator/root\n",           /* twice */
        "operator/root\nviewer/board or/ders\n",
        "operator/root\nagent/dc-a\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (bw_people_check(wrong[i]) != BW_ERR_INVALID)
            fail_msg("taken: %s", wrong[i]);
}

static void a_list_that_nobody_could_change_again_is_refused(void **state)
{
    (void)state;
    assert_int_equal(bw_people_check(""), BW_ERR_REFUSED);
    assert_int_equal(bw_people_check("operator/anna orders\nviewer/root\n"), BW_ERR_REFUSED);
    assert_int_equal(bw_people_check("operator/anna orders\noperator/root\n"), BW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_list_everybody_may_everything),
        cmocka_unit_test(who_is_limited_has_his_groups_and_no_others),
        cmocka_unit_test(who_is_listed_without_groups_has_everything),
        cmocka_unit_test(who_is_not_in_the_list_has_nothing),
        cmocka_unit_test(a_name_counts_with_its_role),
        cmocka_unit_test(a_zeroed_scope_has_nothing),
        cmocka_unit_test(whom_to_ask_is_who_has_it_and_may_change_it),
        cmocka_unit_test(a_list_is_the_same_in_whatever_order_it_is_made),
        cmocka_unit_test(no_name_makes_a_line_of_another_one),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(what_no_list_is_made_like_is_refused),
        cmocka_unit_test(a_list_that_nobody_could_change_again_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
