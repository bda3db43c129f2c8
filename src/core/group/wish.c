/* wish.c - what a person asks for, as far as it is replicated: one wish, and how the newest
 * that ended did. Design 4. */
#include <breakwater/core/group.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/utf8.h>
#include <breakwater/base/words.h>

BW_WORDS(bw_wish_word, enum bw_wish_kind, BW_WISH_LIST, "none")
BW_WORDS(bw_wish_end_word, enum bw_wish_end, BW_WISH_END_LIST, "none")

const struct bw_wish *bw_group_wish(const struct bw_group *group)
{
    return group->wish_count > 0 ? &group->wishes[0] : NULL;
}

const struct bw_wish_over *bw_group_wish_over(const struct bw_group *group)
{
    return group->wish_over_count > 0 ? &group->wishes_over[0] : NULL;
}

uint64_t bw_group_wish_of(const struct bw_group *group, struct bw_id request_id)
{
    const struct bw_wish *wish = bw_group_wish(group);
    const struct bw_wish_over *over = bw_group_wish_over(group);

    if (bw_id_is_none(request_id))
        return 0;
    if (wish != NULL && bw_id_equal(wish->id, request_id))
        return wish->index;
    return over != NULL && bw_id_equal(over->id, request_id) ? over->index : 0;
}

uint64_t bw_group_wish_epoch(const struct bw_group *group, uint64_t index)
{
    const struct bw_wish *wish = bw_group_wish(group);
    const struct bw_wish_over *over = bw_group_wish_over(group);

    if (wish != NULL && wish->index == index)
        return wish->epoch;
    return over != NULL && over->index == index ? over->epoch : 0;
}

/* "operator/anna: kernel update", as far as it fits; no character is cut in two. */
static void put_words(const char *by, const char *text, char out_words[BW_REASON_MAX + 1])
{
    char words[2 * BW_REASON_MAX + 3];

    (void)snprintf(words, sizeof(words), "%s%s%s", by, by[0] != '\0' && text[0] != '\0' ? ": " : "",
                   text);
    bw_utf8_copy(out_words, BW_REASON_MAX + 1, words);
}

void bw_group_end_wish(struct bw_group *group, enum bw_wish_end end, const char *by,
                       const char *text)
{
    const struct bw_wish *wish = bw_group_wish(group);
    struct bw_wish_over over = {.end = end};

    if (wish == NULL)
        return;
    over.index = wish->index;
    over.epoch = wish->epoch;
    over.kind = wish->kind;
    over.id = wish->id;
    put_words(by, text, over.words);
    group->wishes_over[0] = over;
    group->wish_over_count = 1;
    group->wishes[0] = (struct bw_wish){.kind = BW_WISH_NONE};
    group->wish_count = 0;
}

void bw_group_take_wish(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    struct bw_wish wish = {
        .kind = command->wish,
        .accept_data_loss = command->accept_data_loss,
        .epoch = command->epoch,
        .timeout_ms = command->duration_ms < UINT32_MAX ? (uint32_t)command->duration_ms
                                                        : UINT32_MAX,
        .index = index,
        .id = command->request_id,
    };

    BW_ASSERT(command->kind == BW_COMMAND_WISH && index != 0);
    BW_COPY_FIELD(wish.to, command->target);
    BW_COPY_FIELD(wish.by, command->by);
    BW_COPY_FIELD(wish.text, command->text);
    bw_group_end_wish(group, BW_WISH_END_REPLACED, command->by, bw_wish_word(command->wish));
    group->wishes[0] = wish;
    group->wish_count = 1;
}

/* ---- what is over ---- */

/* What a group keeps of its epochs that are over, and of who vouched for an end (3.1). */

const struct bw_history_entry *bw_group_history_at(const struct bw_group *group, uint32_t number)
{
    BW_ASSERT(group->history_first < BW_HISTORY_MAX && group->history_count <= BW_HISTORY_MAX);
    if (number >= group->history_count)
        return NULL;
    return &group->history[(group->history_first + group->history_count - 1 - number) %
                           BW_HISTORY_MAX];
}

const struct bw_voucher *bw_group_voucher(const struct bw_group *group, uint64_t epoch)
{
    for (uint32_t i = 0; i < group->voucher_count; i++)
        if (group->vouchers[i].epoch == epoch)
            return &group->vouchers[i];
    return NULL;
}
