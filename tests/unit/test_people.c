/* people: which groups a name may see and change. Design 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/people.h>

static const char *annas[] = {"orders", "billing"};
static const char *boards[] = {"orders"};
static const struct bw_person list[] = {
    {.name = "operator/anna", .groups = annas, .group_count = 2},
    {.name = "viewer/board", .groups = boards, .group_count = 1},
    {.name = "viewer/auditor"},
    {.name = "operator/root"},
};
static const struct bw_people people = {.list = list, .count = 4};

static bool has(const char *name, const char *group)
{
    const struct bw_scope scope = bw_people_scope(&people, name);

    return bw_scope_has(&scope, group);
}

static void without_a_list_everybody_may_everything(void **state)
{
    const struct bw_people none = {.count = 0};
    const struct bw_scope scope = bw_people_scope(&none, "operator/anybody");

    (void)state;
    assert_true(scope.is_everything);
    assert_null(scope.person);
    assert_true(bw_scope_has(&scope, "orders"));
}

static void who_is_limited_has_his_groups_and_no_others(void **state)
{
    const struct bw_scope scope = bw_people_scope(&people, "operator/anna");

    (void)state;
    assert_false(scope.is_everything);
    assert_ptr_equal(scope.person, &list[0]);
    assert_true(has("operator/anna", "orders"));
    assert_true(has("operator/anna", "billing"));
    assert_false(has("operator/anna", "payments"));
    assert_false(has("operator/anna", "order"));
    assert_false(has("operator/anna", "orders2"));
    assert_false(has("operator/anna", ""));
    assert_true(has("viewer/board", "orders"));
    assert_false(has("viewer/board", "billing"));
}

static void who_is_listed_without_groups_has_everything(void **state)
{
    const struct bw_scope scope = bw_people_scope(&people, "operator/root");

    (void)state;
    assert_true(scope.is_everything);
    assert_ptr_equal(scope.person, &list[3]);
    assert_true(has("operator/root", "payments"));
}

static void who_is_not_in_the_list_has_nothing(void **state)
{
    const struct bw_scope scope = bw_people_scope(&people, "operator/mallory");

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
    const struct bw_person *person;
    uint32_t at = 0;

    for (; *names != NULL; names++) {
        person = bw_people_who_may(&people, group, changes, &at);
        assert_non_null(person);
        assert_string_equal(person->name, *names);
    }
    assert_null(bw_people_who_may(&people, group, changes, &at));
    assert_null(bw_people_who_may(&people, group, changes, &at)); /* and still not */
}

static void whom_to_ask_is_who_has_it_and_may_change_it(void **state)
{
    (void)state;
    assert_may("orders", true, (const char *const[]){"operator/anna", "operator/root", NULL});
    assert_may("orders", false,
               (const char *const[]){"operator/anna", "viewer/board", "viewer/auditor",
                                     "operator/root", NULL});
    assert_may("payments", true, (const char *const[]){"operator/root", NULL});
    assert_may(NULL, true, (const char *const[]){"operator/root", NULL});
    assert_may(NULL, false, (const char *const[]){"viewer/auditor", "operator/root", NULL});
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
