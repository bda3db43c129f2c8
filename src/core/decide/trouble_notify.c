/* trouble_notify.c - which alarms whoever leads has to tell people of by itself: each beginning and
 * each end once, none that comes and goes in between, and by one witness if that can be.
 * Design 5.2. */
#include <breakwater/core/trouble.h>

#include <breakwater/base/assert.h>

void bw_trouble_book_led(struct bw_trouble_book *book, const struct bw_leadership *leadership,
                         bool is_led, struct bw_instant now)
{
    if (leadership->leads && book->led.term != leadership->term) {
        book->led.term = leadership->term;
        book->led.before = book->led.newest;
    }
    if (is_led)
        book->led.newest = now;
}

/* It began, or was over, when the one that led before still told of everything. */
static bool is_before(const struct bw_trouble_book *book, struct bw_instant then)
{
    return bw_instant_elapsed_ns(book->led.before, then) >= BW_TROUBLE_HANDOVER_NS;
}

/* It is over, and was so for long enough, or so often, while another led that this one told of it. */
static bool was_told_before_its_end(const struct bw_trouble_book *book,
                                    const struct bw_trouble_entry *entry)
{
    return bw_instant_elapsed_ns(book->led.before, entry->begun) >= BW_TROUBLE_SETTLED_NS &&
           (bw_instant_elapsed_ns(entry->since, entry->begun) >= BW_TROUBLE_SETTLED_NS ||
            entry->count >= BW_TROUBLE_FLAPS);
}

/* Each witness sees it in its own way, by whom it hears: that it is on here says nothing of another. */
static bool is_own_view(enum bw_trouble trouble)
{
    return trouble == BW_TROUBLE_NOT_CONNECTED || trouble == BW_TROUBLE_GROUP_UNKNOWN ||
           trouble == BW_TROUBLE_SEVERAL_AGENTS || trouble == BW_TROUBLE_RELAYED ||
           trouble == BW_TROUBLE_CLOCK_RATE || trouble == BW_TROUBLE_NO_FAILOVER;
}

/* What the one that led before has told, as far as this witness saw it too: where that is in doubt it is told twice
 * rather than never. Where nobody can have led between two terms of this one it is what this one has told. */
static void begin_term(const struct bw_trouble_book *book, struct bw_trouble_entry *entry)
{
    const bool is_own = entry->notified.term != 0 && entry->notified.term + 1 == book->led.term;

    entry->notified.term = book->led.term;
    if (is_own)
        return;
    entry->notified.is_on = entry->is_on ? is_before(book, entry->begun) && !is_own_view(entry->trouble)
                                         : !is_before(book, entry->since) &&
                                               was_told_before_its_end(book, entry);
    entry->notified.count = 0;
    entry->notified.has_at = false;
}

static bool is_settled(const struct bw_trouble_entry *entry, struct bw_instant now)
{
    return bw_instant_elapsed_ns(now, entry->since) >= BW_TROUBLE_SETTLED_NS ||
           (entry->is_on && entry->count - entry->notified.count >= BW_TROUBLE_FLAPS);
}

static bool is_due(const struct bw_trouble_book *book, struct bw_trouble_entry *entry,
                   struct bw_instant now)
{
    if (entry->notified.term != book->led.term)
        begin_term(book, entry);
    return entry->is_on != entry->notified.is_on && is_settled(entry, now) &&
           (!entry->notified.has_at ||
            bw_instant_elapsed_ns(now, entry->notified.at) >= BW_TROUBLE_NOTIFY_GAP_NS);
}

struct bw_trouble_entry *bw_trouble_book_due(struct bw_trouble_book *book, uint32_t index,
                                             const struct bw_leadership *leadership,
                                             struct bw_instant now)
{
    BW_ASSERT(index < BW_TROUBLE_CHAINS);
    const bool leads = leadership->leads && book->led.term == leadership->term;

    for (uint32_t number = leads ? book->chains[index].first : 0; number != 0;
         number = book->entries[number - 1].next)
        if (is_due(book, &book->entries[number - 1], now))
            return &book->entries[number - 1];
    return NULL;
}

void bw_trouble_note_notified(struct bw_trouble_entry *entry,
                              const struct bw_leadership *leadership, struct bw_instant now)
{
    BW_ASSERT(leadership->leads);
    entry->notified.term = leadership->term;
    entry->notified.is_on = entry->is_on;
    entry->notified.count = entry->count;
    entry->notified.has_at = true;
    entry->notified.at = now;
}
