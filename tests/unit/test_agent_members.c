/* machine/agent: the members that a leader told of, kept for the next start. Whom to ask, never whom to believe (3.9). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/expiry.h>

#include "agent_rig.h"

static const struct bw_id other_cluster = {{8}};

static void name_member(struct bw_member *member, unsigned id)
{
    *member = (struct bw_member){.id = id};
    (void)snprintf(member->name, sizeof member->name, "w%u", id);
    (void)snprintf(member->address, sizeof member->address, "w%u:7400", id);
}

/* The three of these ids, as found on the disk. */
static struct bw_kept_members members_from(unsigned first)
{
    struct bw_kept_members members = {.cluster_id = rig_cluster, .member_count = 3};

    for (unsigned i = 0; i < members.member_count; i++)
        name_member(&members.members[i], first + i);
    return members;
}

/* A leader's answer to the newest sync that names them. */
static struct reply *tells(const struct rig *rig, unsigned first, struct reply *out_reply)
{
    const struct bw_kept_members members = members_from(first);

    reply_of(rig, BW_ORDER_STAND_BY, 7, out_reply);
    out_reply->answer.member_count = members.member_count;
    memcpy(out_reply->answer.members, members.members, sizeof members.members);
    return out_reply;
}

static void kept(struct rig *rig, enum bw_err err)
{
    happen(rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_MEMBERS_KEPT, .err = err});
}

static bool asks_at(const struct rig *rig, const char *address)
{
    for (int i = 0; i < BW_AGENT_WITNESSES_MAX; i++)
        if (rig->machine.witnesses[i].used && !rig->machine.witnesses[i].is_gone &&
            strcmp(rig->machine.witnesses[i].address, address) == 0)
            return true;
    return false;
}

/* ---- after a restart --------------------------------------------------------------------------- */

static void members_of_before_are_asked_beside_those_of_the_file(void **state)
{
    const struct bw_kept_members found = members_from(4);
    struct rig rig;

    (void)state;
    begin_with(&rig, 1, &found);
    assert_true(asks_at(&rig, "w1:7400"));
    assert_true(asks_at(&rig, "w4:7400"));
    assert_true(asks_at(&rig, "w6:7400"));
    wake(&rig);
    assert_asks(&rig, "SYNC:5");
    assert_asks(&rig, "POLL:5");
}

static void answers_as(struct rig *rig, uint32_t witness, const char *name)
{
    struct reply reply;

    (void)reply_of(rig, BW_ORDER_STAND_BY, 7, &reply);
    (void)snprintf(reply.answer.witness, sizeof reply.answer.witness, "%s", name);
    reply.answer.is_leader = false;
    answered(rig, witness, &reply);
}

/* As where the file names it by a name, and the cluster by a number: each order would come twice. */
static void a_witness_of_the_file_is_not_asked_at_another_address_too(void **state)
{
    const struct bw_kept_members found = members_from(4);
    struct rig rig;

    (void)state;
    begin_with(&rig, 1, &found);
    wake(&rig);
    assert_asks(&rig, "SYNC:0");
    assert_asks(&rig, "SYNC:3");
    answers_as(&rig, 0, "w1");
    answers_as(&rig, 3, "w1");
    answers_as(&rig, 4, "w5"); /* nobody of the file */
    forget(&rig);
    rig.now_ms += 2000;
    wake(&rig);
    assert_asks(&rig, "SYNC:0");
    assert_asks(&rig, "SYNC:1");
    assert_asks_not(&rig, "SYNC:3");
    assert_asks(&rig, "SYNC:4");
}

/* The way by the file's address is broken: the other one leads there. */
static void it_is_while_it_does_not_answer_there(void **state)
{
    const struct bw_kept_members found = members_from(4);
    struct rig rig;

    (void)state;
    begin_with(&rig, 1, &found);
    wake(&rig);
    answers_as(&rig, 0, "w1");
    answers_as(&rig, 3, "w1");
    rig.now_ms += 2000;
    wake(&rig);
    happen(&rig, (struct bw_agent_event){
                     .kind = BW_AGENT_EVENT_UNANSWERED, .witness = 0, .exchange = BW_AGENT_SYNC, .text = "timed out"});
    forget(&rig);
    rig.now_ms += 2000;
    wake(&rig);
    assert_asks(&rig, "SYNC:0");
    assert_asks(&rig, "SYNC:3");
}

/* It would take the first word that it hears: the file says whose. */
static void without_a_cluster_of_its_own_only_the_file_says_whom_to_ask(void **state)
{
    const struct bw_kept_members found = members_from(4);
    struct rig rig;

    (void)state;
    begin_with(&rig, 0, &found);
    assert_true(asks_at(&rig, "w1:7400"));
    assert_false(asks_at(&rig, "w4:7400"));
}

static void members_of_another_cluster_are_not_asked(void **state)
{
    struct bw_kept_members found = members_from(4);
    struct rig rig;

    (void)state;
    found.cluster_id = other_cluster;
    begin_with(&rig, 1, &found);
    assert_false(asks_at(&rig, "w4:7400"));
}

/* 3.9: those of before a recovery are asked, since the survivor is among them, and not believed. */
static void who_is_asked_is_not_believed_for_that(void **state)
{
    const struct bw_kept_members found = members_from(4);
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_with(&rig, 1, &found);
    guard_welcomes(&rig);
    wake(&rig);
    rig.state.generation = 2;
    forget(&rig);
    answered(&rig, 4, reply_of(&rig, BW_ORDER_RUN, 7, &reply));
    assert_asks_not(&rig, "order:");
    assert_asks(&rig, "note:3"); /* WITNESS_REFUSED */
}

static void as_many_as_there_can_be_of_both_have_a_place(void **state)
{
    struct bw_kept_members found = {.cluster_id = rig_cluster, .member_count = BW_WITNESSES_MAX};
    struct rig rig;

    (void)state;
    for (unsigned i = 0; i < found.member_count; i++)
        name_member(&found.members[i], 11 + i);
    begin_with(&rig, 1, &found);
    assert_asks_not(&rig, "note:2"); /* WITNESS_IGNORED */
    assert_true(asks_at(&rig, "w3:7400"));
    assert_true(asks_at(&rig, "w17:7400"));
}

static void an_address_that_is_none_is_passed_over(void **state)
{
    struct bw_kept_members found = members_from(4);
    struct rig rig;

    (void)state;
    (void)snprintf(found.members[0].address, sizeof found.members[0].address, "nonsense");
    begin_with(&rig, 1, &found);
    assert_false(asks_at(&rig, "nonsense"));
    assert_true(asks_at(&rig, "w5:7400"));
}

/* ---- what is kept ------------------------------------------------------------------------------ */

static void what_a_leader_tells_is_kept_once(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    answered(&rig, 0, tells(&rig, 4, &reply));
    assert_asks(&rig, "KEEP:3");
    assert_string_equal(rig.keeping.members[2].address, "w6:7400");
    assert_true(bw_id_equal(rig.keeping.cluster_id, rig_cluster));
    kept(&rig, BW_OK);
    live_until(&rig, rig.now_ms + 2100);
    forget(&rig);
    answered(&rig, 1, tells(&rig, 4, &reply));
    assert_asks_not(&rig, "KEEP");
    answered(&rig, 2, tells(&rig, 5, &reply));
    assert_asks(&rig, "KEEP:3");
}

static void what_was_kept_before_the_start_is_not_written_again(void **state)
{
    const struct bw_kept_members found = members_from(4);
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_with(&rig, 1, &found);
    wake(&rig);
    answered(&rig, 0, tells(&rig, 4, &reply));
    assert_asks_not(&rig, "KEEP");
}

static void what_a_follower_or_an_older_generation_tells_is_not_kept(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    tells(&rig, 4, &reply);
    reply.answer.is_leader = false;
    answered(&rig, 0, &reply);
    assert_false(asks_at(&rig, "w4:7400"));
    rig.state.generation = 2;
    answered(&rig, 1, tells(&rig, 4, &reply));
    assert_asks_not(&rig, "KEEP");
    assert_false(asks_at(&rig, "w4:7400"));
}

static void a_disk_that_refuses_is_asked_again_later_and_nothing_waits_for_it(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    answered(&rig, 0, tells(&rig, 4, &reply));
    assert_asks(&rig, "order:0");
    assert_true(asks_at(&rig, "w4:7400"));
    kept(&rig, BW_ERR_IO);
    live_until(&rig, rig.now_ms + 2100);
    forget(&rig);
    answered(&rig, 1, tells(&rig, 4, &reply));
    assert_asks_not(&rig, "KEEP");
    live_until(&rig, rig.now_ms + 30000);
    answered(&rig, 2, tells(&rig, 4, &reply));
    assert_asks(&rig, "KEEP:3");
}

static void what_is_told_while_a_write_is_under_way_is_kept_after_it(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    answered(&rig, 0, tells(&rig, 4, &reply));
    forget(&rig);
    live_until(&rig, rig.now_ms + 2100);
    answered(&rig, 1, tells(&rig, 5, &reply));
    assert_asks_not(&rig, "KEEP");
    kept(&rig, BW_OK);
    live_until(&rig, rig.now_ms + 2100);
    answered(&rig, 2, tells(&rig, 5, &reply));
    assert_asks(&rig, "KEEP:3");
    assert_string_equal(rig.keeping.members[0].name, "w5");
}

/* ---- how long a lease may be (3.8) ----------------------------------------------------------- */

static uint32_t wait_after(struct rig *rig, uint32_t longest_ms)
{
    struct reply reply;

    live_until(rig, rig->now_ms + 3000);
    tells(rig, 1, &reply);
    reply.answer.longest_wait_ms = longest_ms;
    answered(rig, 0, &reply);
    if (rig->machine.is_keeping)
        kept(rig, BW_OK);
    return bw_agent_machine_override_wait_ms(&rig->machine, 0);
}

/* Who has stolen the key of a witness may say that it leads, and that no lease is long. */
static void the_longest_wait_that_was_ever_told_counts(void **state)
{
    struct bw_kept_members found;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    assert_int_equal(bw_agent_machine_override_wait_ms(&rig.machine, 0), 0);
    assert_int_equal(wait_after(&rig, 60000), 60000);
    assert_int_equal(wait_after(&rig, 1), 60000);
    found = rig.keeping;
    assert_int_equal(found.longest_wait_ms, 60000);

    begin_with(&rig, 1, &found);
    assert_int_equal(bw_agent_machine_override_wait_ms(&rig.machine, 0), 60000);
}

static void no_longer_wait_is_believed_than_there_can_be(void **state)
{
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    assert_int_equal(wait_after(&rig, UINT32_MAX), BW_LONGEST_WAIT_MS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_before_are_asked_beside_those_of_the_file),
        cmocka_unit_test(a_witness_of_the_file_is_not_asked_at_another_address_too),
        cmocka_unit_test(it_is_while_it_does_not_answer_there),
        cmocka_unit_test(without_a_cluster_of_its_own_only_the_file_says_whom_to_ask),
        cmocka_unit_test(members_of_another_cluster_are_not_asked),
        cmocka_unit_test(who_is_asked_is_not_believed_for_that),
        cmocka_unit_test(as_many_as_there_can_be_of_both_have_a_place),
        cmocka_unit_test(an_address_that_is_none_is_passed_over),
        cmocka_unit_test(what_a_leader_tells_is_kept_once),
        cmocka_unit_test(what_was_kept_before_the_start_is_not_written_again),
        cmocka_unit_test(what_a_follower_or_an_older_generation_tells_is_not_kept),
        cmocka_unit_test(a_disk_that_refuses_is_asked_again_later_and_nothing_waits_for_it),
        cmocka_unit_test(what_is_told_while_a_write_is_under_way_is_kept_after_it),
        cmocka_unit_test(the_longest_wait_that_was_ever_told_counts),
        cmocka_unit_test(no_longer_wait_is_believed_than_there_can_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
