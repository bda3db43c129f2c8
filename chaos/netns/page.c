/* page.c - the page: for each run a picture, a lane for every process and for every group at every
 * site, against time. One file, nothing from elsewhere, no script. */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/instant.h>
#include <breakwater/dev/timeline.h>

#define LANE_PX        20
#define BAR_PX         12
#define AXIS_PX        24
#define LABEL_PX       150
#define PX_PER_S_MAX   60.0
#define LINE_BYTES     2048
#define FAULT_ROWS_MAX 4
#define MOMENT_MS      50 /* how long a fault is drawn that is only a moment */
#define TICK_PX        90 /* between two times on the axis, about */

struct page {
    FILE *out;
    const struct bw_outcome *outcome;
    uint64_t from_ns;
    uint64_t to_ns;
    double px_per_s;
    int y;
    uint32_t shape_count; /* of the lane */
    uint64_t left_out;    /* shapes, of all lanes */
};

/* ---- text ------------------------------------------------------------------------------------ */

static void put_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            (void)fputs("&lt;", out);
        else if (*text == '&')
            (void)fputs("&amp;", out);
        else if (*text == '"')
            (void)fputs("&quot;", out);
        else
            (void)fputc(*text, out);
    }
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static double x_of(const struct page *page, uint64_t at_ns)
{
    const uint64_t within_ns = at_ns < page->from_ns ? page->from_ns
                               : at_ns > page->to_ns ? page->to_ns
                                                     : at_ns;

    return (double)(within_ns - page->from_ns) / (double)BW_NS_PER_S * page->px_per_s;
}

static double seconds_of(const struct page *page, uint64_t at_ns)
{
    return ((double)at_ns - (double)page->from_ns) / (double)BW_NS_PER_S;
}

/* A bar with words that show when one points at it. `label`: written inside where it fits. */
static void put_bar(struct page *page, const char *class, uint64_t from_ns, uint64_t to_ns,
                    const char *label, const char *words)
{
    const double x = x_of(page, from_ns);
    const double width = x_of(page, to_ns) - x;

    if (page->shape_count >= BW_PAGE_SHAPES_MAX) {
        page->left_out++;
        return;
    }
    page->shape_count++;
    (void)fprintf(page->out,
                  "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"><title>",
                  class, x, page->y + (LANE_PX - BAR_PX) / 2, width < 1 ? 1 : width, BAR_PX);
    put_text(page->out, words);
    (void)fprintf(page->out, " (%.3f s to %.3f s)</title></rect>", seconds_of(page, from_ns),
                  seconds_of(page, to_ns));
    if (label != NULL && width > 7 * (double)strlen(label)) {
        (void)fprintf(page->out, "<text class=\"in\" x=\"%.1f\" y=\"%d\">", x + 3,
                      page->y + LANE_PX - 6);
        put_text(page->out, label);
        (void)fputs("</text>", page->out);
    }
    (void)fputc('\n', page->out);
}

static void next_lane(struct page *page)
{
    (void)fprintf(page->out, "<line class=\"rule\" x1=\"0\" x2=\"%.0f\" y1=\"%d\" y2=\"%d\"/>\n",
                  x_of(page, page->to_ns), page->y + LANE_PX, page->y + LANE_PX);
    page->y += LANE_PX;
    page->shape_count = 0;
}

/* ---- lanes ----------------------------------------------------------------------------------- */

/* Faults of one node that are on at once lie in rows below each other. */
struct fault_bar {
    const struct bw_lab_event *event;
    uint64_t to_ns;
    uint32_t row;
};

/* "fault NAME at NODE" ends with "heal  NAME at NODE"; one that needs no healing is a short bar. */
static uint64_t end_of_fault(const struct bw_lab *lab, uint32_t index)
{
    const size_t head = strlen("fault ");

    for (uint32_t i = index + 1; i < lab->event_count; i++)
        if (lab->events[i].kind == BW_LAB_HEAL &&
            strcmp(lab->events[i].text + head, lab->events[index].text + head) == 0)
            return lab->events[i].at_ns;
    return lab->events[index].at_ns + bw_ms_to_ns(MOMENT_MS);
}

/* Takes the first row that is free; the last one when none is. Returns how many rows there are.
 * `draw` NULL: only counts them. */
static uint32_t lay_faults(struct page *page, int node,
                           void (*draw)(struct page *page, const struct fault_bar *bar))
{
    const struct bw_lab *lab = &page->outcome->lab;
    uint64_t busy_ns[FAULT_ROWS_MAX] = {0};
    uint32_t row_count = 1;

    for (uint32_t i = 0; i < lab->event_count; i++) {
        struct fault_bar bar = {.event = &lab->events[i]};

        if (bar.event->kind != BW_LAB_FAULT || bar.event->node != node)
            continue;
        bar.to_ns = end_of_fault(lab, i);
        while (bar.row + 1 < FAULT_ROWS_MAX && busy_ns[bar.row] > bar.event->at_ns)
            bar.row++;
        busy_ns[bar.row] = bar.to_ns;
        row_count = bar.row + 1 > row_count ? bar.row + 1 : row_count;
        if (draw != NULL)
            draw(page, &bar);
    }
    return row_count;
}

static void draw_fault(struct page *page, const struct fault_bar *bar)
{
    const int y = page->y;
    char label[BW_LAB_TEXT_BYTES];

    (void)snprintf(label, sizeof label, "%s", bar->event->text + strlen("fault "));
    label[strcspn(label, " ")] = '\0';
    page->y += (int)bar->row * LANE_PX;
    put_bar(page, "fault", bar->event->at_ns, bar->to_ns, label, bar->event->text);
    page->y = y;
}

static void draw_faults(struct page *page, int node)
{
    const uint32_t rows = lay_faults(page, node, draw_fault);

    page->y += (int)(rows - 1) * LANE_PX;
    next_lane(page);
}

static void draw_process(struct page *page, int process)
{
    const struct bw_lab *lab = &page->outcome->lab;
    const char *class = "runs";
    const char *words = "runs";
    uint64_t since_ns = page->from_ns;

    for (uint32_t i = 0; i < lab->event_count; i++) {
        const struct bw_lab_event *event = &lab->events[i];
        const char *next = NULL;

        if (event->process != process)
            continue;
        if (event->kind == BW_LAB_FROZEN)
            next = "frozen";
        else if (event->kind == BW_LAB_THAWED || event->kind == BW_LAB_STARTED)
            next = "runs";
        else if (event->kind == BW_LAB_ENDED || event->kind == BW_LAB_PROBLEM)
            next = "dead";
        if (next == NULL)
            continue;
        put_bar(page, class, since_ns, event->at_ns, NULL, words);
        class = next;
        words = event->text;
        since_ns = event->at_ns;
    }
    put_bar(page, class, since_ns, page->to_ns, NULL, words);
    next_lane(page);
}

static bool read_number(const char *line, const char *key, uint64_t *out)
{
    char value[32];
    char *rest;

    if (!bw_log_line_get(line, key, value, sizeof value))
        return false;
    *out = strtoull(value, &rest, 10);
    return rest != value && *rest == '\0';
}

/* An agent that dies or stands still says nothing of the end of its lease: that is a lease later at
 * the latest. */
static uint64_t end_of_lease(const struct page *page, const struct bw_lab_process *agent,
                             uint64_t begun_ns, uint64_t end_ns)
{
    const struct bw_lab *lab = &page->outcome->lab;
    const int process = (int)(agent - lab->processes);

    for (uint32_t i = 0; i < lab->event_count && lab->events[i].at_ns < end_ns; i++) {
        const struct bw_lab_event *event = &lab->events[i];
        const uint64_t latest_ns = event->at_ns + bw_ms_to_ns(lab->plan.timings.lease_ttl_ms);

        if (event->process == process && event->at_ns > begun_ns && latest_ns < end_ns &&
            (event->kind == BW_LAB_ENDED || event->kind == BW_LAB_FROZEN))
            end_ns = latest_ns;
    }
    return end_ns;
}

static bool has_event(const char *line, const char *name)
{
    char value[64];

    return bw_log_line_get(line, "event", value, sizeof value) && strcmp(value, name) == 0;
}

/* From the agent's log: what it says of its leases. Each start of the process is marked there with
 * the shift of its clocks (process.c). */
static void draw_leases(struct page *page, const struct bw_lab_process *agent, const char *group)
{
    FILE *log = fopen(agent->log, "re");
    char line[LINE_BYTES];
    char words[64];
    uint64_t shift_ns = 0;
    uint64_t begun_ns = 0; /* of the lease; 0: none */
    uint64_t epoch = 0;

    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        char name[BW_NAME_MAX + 1];
        uint64_t at_ns;
        long long shift;

        if (sscanf(line, BW_LAB_START_MARK "%lld", &shift) == 1) {
            shift_ns = (uint64_t)shift;
            continue;
        }
        if (!bw_log_line_get(line, "group", name, sizeof name) || strcmp(name, group) != 0 ||
            !read_number(line, "at_boot_ns", &at_ns))
            continue;
        at_ns -= shift_ns;
        if (begun_ns == 0 && has_event(line, "lease.first")) {
            begun_ns = at_ns;
            (void)read_number(line, "epoch", &epoch); /* 0 is shown when it says none */
        } else if (begun_ns != 0 &&
                   (has_event(line, "lease.ended") || has_event(line, "epoch.given_back"))) {
            (void)snprintf(words, sizeof words, "lease of epoch %" PRIu64, epoch);
            put_bar(page, "lease", begun_ns, end_of_lease(page, agent, begun_ns, at_ns), NULL,
                    words);
            begun_ns = 0;
        }
    }
    if (begun_ns != 0) {
        (void)snprintf(words, sizeof words, "lease of epoch %" PRIu64, epoch);
        put_bar(page, "lease", begun_ns, end_of_lease(page, agent, begun_ns, page->to_ns), NULL,
                words);
    }
    if (log != NULL)
        (void)fclose(log); /* only read from */
}

static void draw_group(struct page *page, const struct bw_group_verdict *group, uint32_t site)
{
    const struct bw_outcome *outcome = page->outcome;
    const char *name = outcome->lab.nodes[bw_lab_site_node(site)].name;
    char class[16];
    char label[24];
    char words[BW_LAB_TEXT_BYTES];

    for (uint32_t i = 0; i < outcome->lab.process_count; i++)
        if (outcome->lab.processes[i].role == BW_LAB_AGENT &&
            outcome->lab.processes[i].node == bw_lab_site_node(site))
            draw_leases(page, &outcome->lab.processes[i], group->name);
    (void)snprintf(class, sizeof class, "site%u", (unsigned)site);
    for (uint32_t i = 0; i < group->tenure_count; i++) {
        const struct bw_chaos_tenure *tenure = &group->tenures[i];

        if (strcmp(group->judge.sites[tenure->site], name) != 0)
            continue;
        (void)snprintf(label, sizeof label, "%" PRIu64, tenure->epoch);
        (void)snprintf(words, sizeof words, "%s served at %s under epoch %" PRIu64, group->name,
                       name, tenure->epoch);
        put_bar(page, class, tenure->from_ns, tenure->to_ns, label, words);
    }
    next_lane(page);
}

/* ---- a picture ------------------------------------------------------------------------------- */

static void put_label(struct page *page, const char *class, const char *first, const char *second)
{
    (void)fprintf(page->out, "<text class=\"%s\" x=\"4\" y=\"%d\">", class, page->y + LANE_PX - 6);
    put_text(page->out, first);
    put_text(page->out, second);
    (void)fputs("</text>\n", page->out);
    page->y += LANE_PX;
}

/* Each node: its faults, its processes. Then each group at each site. */
static void draw_labels(struct page *page)
{
    const struct bw_lab *lab = &page->outcome->lab;

    page->y = AXIS_PX;
    for (uint32_t node = 0; node + 1 < lab->node_count; node++) {
        put_label(page, "head", lab->nodes[node].name, ": faults");
        page->y += (int)(lay_faults(page, (int)node, NULL) - 1) * LANE_PX;
        for (uint32_t i = 0; i < lab->process_count; i++)
            if (lab->processes[i].node == node)
                put_label(page, "name", lab->processes[i].name, "");
    }
    for (uint32_t i = 0; i < page->outcome->verdict.group_count; i++)
        for (uint32_t site = 0; site < lab->options->site_count; site++) {
            char name[2 * BW_NAME_MAX + 8];

            (void)snprintf(name, sizeof name, "%.40s at %.40s",
                           page->outcome->verdict.groups[i].name,
                           lab->nodes[bw_lab_site_node(site)].name);
            put_label(page, "head", name, "");
        }
}

static void draw_lanes(struct page *page)
{
    const struct bw_lab *lab = &page->outcome->lab;

    page->y = AXIS_PX;
    for (uint32_t node = 0; node + 1 < lab->node_count; node++) {
        draw_faults(page, (int)node);
        for (uint32_t i = 0; i < lab->process_count; i++)
            if (lab->processes[i].node == node)
                draw_process(page, (int)i);
    }
    for (uint32_t i = 0; i < page->outcome->verdict.group_count; i++)
        for (uint32_t site = 0; site < lab->options->site_count; site++)
            draw_group(page, &page->outcome->verdict.groups[i], site);
}

static void draw_axis(struct page *page, int height)
{
    static const double steps[] = {0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600};
    const double seconds = (double)(page->to_ns - page->from_ns) / (double)BW_NS_PER_S;
    double step = steps[sizeof steps / sizeof steps[0] - 1];

    for (size_t i = sizeof steps / sizeof steps[0]; i-- > 0;)
        if (steps[i] * page->px_per_s >= TICK_PX)
            step = steps[i];
    for (int i = 0; (double)i * step <= seconds; i++) {
        const double x = (double)i * step * page->px_per_s;

        (void)fprintf(page->out,
                      "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                      "<text class=\"time\" x=\"%.1f\" y=\"14\">%.4g s</text>\n",
                      x, x, AXIS_PX - 6, height, x + 3, (double)i * step);
    }
}

static void draw(struct page *page)
{
    const struct bw_lab *lab = &page->outcome->lab;
    uint32_t lanes = lab->process_count +
                     page->outcome->verdict.group_count * lab->options->site_count;
    int height;
    const double seconds = (double)(page->to_ns - page->from_ns) / (double)BW_NS_PER_S;

    for (uint32_t node = 0; node + 1 < lab->node_count; node++)
        lanes += lay_faults(page, (int)node, NULL);
    height = AXIS_PX + (int)lanes * LANE_PX;
    page->px_per_s = BW_PAGE_WIDTH_MAX / seconds;
    if (page->px_per_s > PX_PER_S_MAX)
        page->px_per_s = PX_PER_S_MAX;
    (void)fprintf(page->out,
                  "<div class=\"picture\"><svg class=\"labels\" width=\"%d\" height=\"%d\">\n",
                  LABEL_PX, height);
    draw_labels(page);
    (void)fprintf(page->out,
                  "</svg><div class=\"scroll\"><svg width=\"%.0f\" height=\"%d\" role=\"img\" "
                  "aria-label=\"time line of the run\">\n",
                  seconds * page->px_per_s + 40, height);
    draw_axis(page, height);
    draw_lanes(page);
    (void)fputs("</svg></div></div>\n", page->out);
    if (page->left_out > 0)
        (void)fprintf(page->out, "<p>%" PRIu64 " shapes beyond %d of a lane are not drawn.</p>\n",
                      page->left_out, BW_PAGE_SHAPES_MAX);
}

/* ---- the page -------------------------------------------------------------------------------- */

static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>breakwater-chaos</title>\n"
    "<style>\n"
    "body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem;color:#1b1f24;background:#fff}\n"
    "h1{font-size:1.5rem;margin:0 0 .5rem}h2{font-size:1.15rem;margin:2rem 0 .3rem}\n"
    "table{border-collapse:collapse;margin:.6rem 0}\n"
    "td,th{padding:.15rem .9rem .15rem 0;text-align:right}\n"
    "th:first-child,td:first-child{text-align:left}th{font-weight:600;color:#57606a}\n"
    ".ok{color:#116329;font-weight:600}.broken{color:#b3261e;font-weight:600}\n"
    ".picture{display:flex;border:1px solid #d0d7de;border-radius:6px;overflow:hidden}\n"
    ".labels{flex:none;background:#f6f8fa}.scroll{overflow-x:auto}\n"
    "svg{display:block;font:11px system-ui,sans-serif}\n"
    ".rule{stroke:#eaeef2}.tick{stroke:#d8dee4}.time{fill:#57606a}.name{fill:#57606a}\n"
    ".head{fill:#1b1f24;font-weight:600}.in{fill:#fff;pointer-events:none}\n"
    ".fault{fill:#b3261e;fill-opacity:.8;stroke:#fff;stroke-width:.7}.runs{fill:#d0d7de}\n"
    ".frozen{fill:#54aeff}.dead{fill:#24292f}\n"
    ".lease{fill:#eac54f;fill-opacity:.55;stroke:#9a6700;stroke-width:.6}\n"
    ".site0{fill:#0550ae}.site1{fill:#bc4c00}.site2{fill:#1a7f37}\n"
    ".key span{display:inline-block;margin-right:1.2em}\n"
    ".key i{display:inline-block;width:1.1em;height:.8em;margin-right:.4em}\n"
    "details{margin:.6rem 0}pre{font-size:12px;max-height:24em;overflow:auto;background:#f6f8fa;"
    "padding:.6rem}\n"
    "</style></head><body>\n<h1>breakwater-chaos</h1>\n";

struct key {
    const char *color;
    const char *words;
};
static const struct key keys[] = {
    {"#b3261e", "fault"},          {"#d0d7de", "process runs"},
    {"#54aeff", "stands still"},   {"#24292f", "is dead"},
    {"#eac54f", "lease, at most"}, {"#0550ae", "alpha serves, with its epoch"},
    {"#bc4c00", "beta"},           {"#1a7f37", "gamma"},
};

static void put_key(FILE *out)
{
    (void)fputs("<p class=\"key\">", out);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        (void)fprintf(out, "<span><i style=\"background:%s\"></i>%s</span>\n", keys[i].color,
                      keys[i].words);
    (void)fputs("</p>\n", out);
}

static void put_groups(FILE *out, const struct bw_verdict *verdict)
{
    (void)fputs("<table><tr><th>group</th><th>overlap ms</th><th>failovers</th><th>records</th>"
                "<th>slowest recovery ms</th><th>late</th></tr>\n",
                out);
    for (uint32_t i = 0; i < verdict->group_count; i++) {
        const struct bw_group_verdict *group = &verdict->groups[i];

        (void)fprintf(out,
                      "<tr><td>%s</td><td>%.3f</td><td>%" PRIu32 "</td><td>%" PRIu64
                      "</td><td>%" PRIu64 "</td><td>%" PRIu32 "</td></tr>\n",
                      group->name, (double)group->overlap_us / 1000.0, group->failover_count,
                      group->judge.beat_count, group->worst_recovery_ms, group->late_count);
    }
    (void)fputs("</table>\n", out);
}

static void put_events(FILE *out, const struct bw_lab *lab)
{
    (void)fputs("<details><summary>every event</summary><pre>\n", out);
    for (uint32_t i = 0; i < lab->event_count; i++) {
        (void)fprintf(out, "%9.3f s  ",
                      (double)(lab->events[i].at_ns - lab->begun_ns) / (double)BW_NS_PER_S);
        put_text(out, lab->events[i].text);
        (void)fputc('\n', out);
    }
    (void)fputs("</pre></details>\n", out);
}

static void put_outcome(FILE *out, const struct bw_outcome *outcome)
{
    const struct bw_verdict *verdict = &outcome->verdict;
    struct page page = {.out = out,
                        .outcome = outcome,
                        .from_ns = outcome->lab.begun_ns,
                        .to_ns = outcome->run.end_ns};

    (void)fprintf(out, "<h2>%s <span class=\"%s\">%s</span></h2>\n<p>", outcome->name,
                  bw_outcome_is_ok(outcome) ? "ok" : "broken",
                  bw_outcome_is_ok(outcome)    ? "every promise kept"
                  : outcome->error[0] != '\0' ? "not shown"
                                              : "broken");
    put_text(out, outcome->words);
    (void)fprintf(out,
                  "; seed %" PRIu64 ", %" PRIu32 " rounds of faults, %" PRIu32
                  " failovers, %.3f ms with two sites serving.</p>\n",
                  outcome->options.seed, outcome->run.round_count, verdict->failover_count,
                  (double)verdict->overlap_us / 1000.0);
    if (outcome->options.is_postgres)
        (void)fprintf(out, "<p>%" PRIu64 " rows acknowledged, %" PRIu64 " of them lost.</p>\n",
                      outcome->run.acknowledged_count, outcome->run.lost_count);
    for (uint32_t i = 0; i < verdict->violation_count && i < BW_VIOLATIONS_MAX; i++) {
        (void)fputs("<p class=\"broken\">", out);
        put_text(out, verdict->violations[i]);
        (void)fputs("</p>\n", out);
    }
    if (outcome->error[0] != '\0') {
        (void)fputs("<p class=\"broken\">could not be shown: ", out);
        put_text(out, outcome->error);
        (void)fputs("</p>\n", out);
    }
    put_groups(out, verdict);
    if (page.to_ns > page.from_ns)
        draw(&page);
    put_events(out, &outcome->lab);
}

enum bw_err bw_report_page(const char *path, struct bw_outcome *const *outcomes, uint32_t count,
                           struct bw_diag *diag)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    enum bw_err err;
    uint32_t ok_count = 0;
    bool is_whole;

    if (out == NULL)
        return bw_diag_errno(diag, errno, "write %s", path);
    for (uint32_t i = 0; i < count; i++)
        ok_count += bw_outcome_is_ok(outcomes[i]);
    (void)fputs(page_head, out);
    (void)fprintf(out,
                  "<p><span class=\"%s\">%" PRIu32 " of %" PRIu32 " runs kept every promise"
                  "</span>. Who served when is what the services recorded; leases are what "
                  "the agents said.</p>\n",
                  ok_count == count ? "ok" : "broken", ok_count, count);
    put_key(out);
    for (uint32_t i = 0; i < count; i++)
        put_outcome(out, outcomes[i]);
    (void)fputs("</body></html>\n", out);
    is_whole = !ferror(out);
    if (fclose(out) != 0 || !is_whole)
        err = bw_diag_set(diag, BW_ERR_NOMEM, "write %s: out of memory", path);
    else
        err = bw_lab_write(path, diag, "%s", text);
    free(text);
    return err;
}
