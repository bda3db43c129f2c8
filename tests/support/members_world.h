/* members_world.h - a roster, what its leader knows of each member, and the one step from the one to the
 * other (design 3.9), for the claims about members. */
#ifndef BW_TEST_MEMBERS_WORLD_H
#define BW_TEST_MEMBERS_WORLD_H

#include <stdio.h>

#include <breakwater/core/members.h>

static struct bw_roster roster;
static struct bw_members_facts facts;
static struct bw_members_step step;
static struct bw_diag diag;

static inline struct bw_roster_member witness(uint64_t id)
{
    struct bw_roster_member member = {.id = id, .incarnation = {{1, (uint8_t)id}}};

    (void)snprintf(member.name, sizeof member.name, "w%d", (int)id);
    (void)snprintf(member.address, sizeof member.address, "h%d:7400", (int)id);
    (void)snprintf(member.raft, sizeof member.raft, "h%d:7401", (int)id);
    return member;
}

static inline struct bw_member_fact *fact(uint64_t id)
{
    for (unsigned i = 0; i < facts.count; i++)
        if (facts.list[i].id == id)
            return &facts.list[i];
    facts.list[facts.count] = (struct bw_member_fact){.id = id, .is_live = true, .has_settled = true};
    return &facts.list[facts.count++];
}

/* w1 to w`count` vote, live; w1 leads. */
static inline void begin(unsigned count)
{
    roster = (struct bw_roster){.count = count, .id_max = count};
    facts = (struct bw_members_facts){.self = 1, .has_marker = true};
    diag = (struct bw_diag){0};
    for (unsigned i = 0; i < count; i++) {
        roster.members[i] = witness(i + 1);
        fact(i + 1)->role = BW_MEMBER_VOTER;
    }
}

static inline void drop_fact(uint64_t id)
{
    *fact(id) = facts.list[facts.count - 1];
    facts.count--;
}

static inline void look(void)
{
    bw_members_next(&roster, &facts, &step);
}

static inline void expect(enum bw_members_step_kind kind, const char *rule, uint64_t id)
{
    look();
    assert_int_equal(step.kind, kind);
    assert_string_equal(step.rule, rule);
    assert_int_equal(step.id, id);
}

static inline void expect_nothing(void)
{
    look();
    assert_int_equal(step.kind, BW_MEMBERS_NOTHING);
}

#endif
