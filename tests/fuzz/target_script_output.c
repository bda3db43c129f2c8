/* What a script prints: lines and what is kept of the output (in pieces and whole: the same), the
 * words and key=value lines as the site's machine reads them, and what `systemctl show` answers is
 * cut by the same code. Records: 1 output, 2 the size of the pieces from here on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <breakwater/core/site.h>

#include "../../src/sys/script_output.h"
#include "fuzz.h"

#define LINES_MAX 8192

struct lines_seen {
    size_t count;
    size_t bytes;
    uint64_t hash; /* of all lines, with their ends */
};

static void on_line(const char *line, size_t bytes, void *user)
{
    struct lines_seen *lines_seen = user;

    FUZZ_CHECK(bytes <= BW_SCRIPT_LINE_BYTES_MAX && memchr(line, '\n', bytes) == NULL);
    lines_seen->count++;
    lines_seen->bytes += bytes;
    for (size_t i = 0; i <= bytes; i++)
        lines_seen->hash = lines_seen->hash * 31 + (i < bytes ? (uint8_t)line[i] : 0x100);
}

static struct lines_seen run_lines(const uint8_t *data, size_t size, size_t piece_max,
                                   struct bw_script_store *store)
{
    static struct bw_script_lines lines;
    struct lines_seen lines_seen = {0};

    memset(&lines, 0, sizeof lines);
    for (size_t at = 0; at < size; at += piece_max) {
        const size_t piece = size - at < piece_max ? size - at : piece_max;

        bw_script_lines_add(&lines, (const char *)data + at, piece, on_line, &lines_seen);
        bw_script_store_add(store, (const char *)data + at, piece);
    }
    bw_script_lines_end(&lines, on_line, &lines_seen);
    return lines_seen;
}

/* What is kept is a beginning and an end of what was said, and says how much is missing. */
static void check_store(const struct bw_script_store *store, const uint8_t *data, size_t size)
{
    struct bw_script_kept kept;
    char tail[BW_SCRIPT_TAIL_BYTES_MAX];
    size_t kept_bytes;
    size_t tail_bytes;

    bw_script_store_get(store, &kept);
    kept_bytes = kept.head_bytes + kept.tail_bytes[0] + kept.tail_bytes[1];
    FUZZ_CHECK(kept_bytes <= BW_SCRIPT_OUTPUT_BYTES_MAX);
    FUZZ_CHECK(kept_bytes + kept.dropped_bytes == size);
    FUZZ_CHECK(kept.head_bytes == 0 || memcmp(kept.head, data, kept.head_bytes) == 0);
    tail_bytes = bw_script_tail(&kept, tail, sizeof tail);
    FUZZ_CHECK(tail_bytes < sizeof tail && tail[tail_bytes] == '\0');
    FUZZ_CHECK(tail_bytes == (size < sizeof tail - 1 ? size : sizeof tail - 1));
    FUZZ_CHECK(memcmp(tail, data + size - tail_bytes, tail_bytes) == 0);
}

/* ---- the words, as the machine that asked for them reads them ---- */

static void greet(struct bw_site *site, struct bw_site_actions *actions)
{
    const struct bw_guard_state state = {.reach = BW_REACH_CGROUP, .reach_works = true,
                                         .fence_bound_ms = 1000};
    const struct bw_site_event event = {.kind = BW_SITE_EVENT_GUARD_STATE, .state = &state};

    bw_site_step(site, &event, fuzz_instant_ms(1000), actions);
}

/* The whole of a position, or none: half of one is another one. */
static void check_position(const struct bw_site *site, const char *tail)
{
    const size_t length = strlen(site->position);
    bool is_whole = length == 0;

    for (const char *at = tail; !is_whole && (at = strstr(at, "position=")) != NULL; at++)
        is_whole = strncmp(at + 9, site->position, length) == 0 &&
                   (unsigned char)at[9 + length] <= ' ';
    FUZZ_CHECK(is_whole);
}

/* Whatever is printed: a word of the list, or unknown; a lag and a position that were printed so. */
static void run_observation(enum bw_action_kind action, const char *output)
{
    static struct bw_site site;
    static struct bw_site_actions actions;
    const struct bw_site_memory memory = {0};
    struct bw_site_limits limits = {.check_interval_ns = BW_NS_PER_S, .failure_threshold = 3};
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .group = "harbor"};
    const struct bw_site_event event = {.kind = BW_SITE_EVENT_GUARD_MESSAGE, .message = &message};
    struct bw_sync_group group;

    for (int i = 1; i < BW_ACTION_COUNT; i++) {
        limits.has_script[i] = true;
        limits.timeout_ns[i] = BW_NS_PER_S;
    }
    bw_site_init(&site, "harbor", (struct bw_id){{1}}, (struct bw_id){{2}}, &limits, &memory,
                 fuzz_instant_ms(0));
    greet(&site, &actions);
    for (uint32_t i = 0; i < actions.count; i++)
        if (actions.list[i].kind == BW_SITE_ACTION_SEND &&
            actions.list[i].message.kind == BW_GUARD_MESSAGE_RUN &&
            actions.list[i].message.run.action == action)
            message.ended.run_id = actions.list[i].message.run.run_id;
    if (message.ended.run_id == 0)
        message.ended.run_id = site.observation[action].run_id;
    message.ended.action = action;
    message.ended.result = BW_RUN_OK;
    (void)snprintf(message.ended.line, sizeof message.ended.line, "%s", output);
    message.ended.line[strcspn(message.ended.line, "\n")] = '\0';
    (void)snprintf(message.ended.tail, sizeof message.ended.tail, "%s", output);
    site.observation[action].running = true;
    site.observation[action].run_id = message.ended.run_id;
    bw_site_step(&site, &event, fuzz_instant_ms(1100), &actions);
    FUZZ_CHECK(site.service <= BW_SERVICE_STARTED && site.condition <= BW_CONDITION_FAILED);
    FUZZ_CHECK(action != BW_ACTION_STATUS ||
               (site.service == BW_SERVICE_STARTED) == bw_line_is_word(message.ended.line, "started"));
    FUZZ_CHECK(site.service == BW_SERVICE_UNKNOWN ||
               strcasecmp(message.ended.line,
                          site.service == BW_SERVICE_STARTED ? "started" : "stopped") == 0);
    FUZZ_CHECK(fuzz_is_text(site.position, sizeof site.position));
    check_position(&site, message.ended.tail);
    FUZZ_CHECK(!site.has_lag || strstr(message.ended.tail, "lag_seconds=") != NULL);
    FUZZ_CHECK(!bw_lease_is_alive(&site.lease, fuzz_instant_ms(1100)));
    bw_site_sync_get(&site, fuzz_instant_ms(1200), &group);
    FUZZ_CHECK(fuzz_is_text(group.report.position, sizeof group.report.position));
}

static void run_words(const uint8_t *data, size_t size)
{
    static const enum bw_action_kind actions[] = {BW_ACTION_STATUS, BW_ACTION_CONDITION,
                                                  BW_ACTION_READINESS, BW_ACTION_VERIFY};
    char *text = fuzz_text(data, size < 600 ? size : 600);

    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        run_observation(actions[i], text);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t output[80 * 1024];
    struct bw_script_store whole = {0};
    struct bw_script_store cut = {0};
    struct lines_seen seen_whole;
    struct lines_seen seen_cut;
    size_t used = 0;

    if (size == 0)
        return 0;
    /* The output is repeated so often: a halves' bound is beyond any input. */
    for (unsigned i = 0; i <= (data[0] & 31u) && used + size - 1 <= sizeof output; i++) {
        memcpy(output + used, data + 1, size - 1);
        used += size - 1;
    }
    seen_whole = run_lines(output, used, used > 0 ? used : 1, &whole);
    seen_cut = run_lines(output, used, 1 + (data[0] >> 5) * 7u, &cut);
    FUZZ_CHECK(memcmp(&seen_whole, &seen_cut, sizeof seen_cut) == 0);
    check_store(&whole, output, used);
    check_store(&cut, output, used);
    bw_script_store_deinit(&whole);
    bw_script_store_deinit(&cut);
    run_words(data + 1, size - 1);
    return 0;
}
