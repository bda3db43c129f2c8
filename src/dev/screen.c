/* screen.c - what a person sees: the state redrawn in place on a terminal, else one line for each
 * thing that happened. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/sys/clock.h>

#define ERASE_LINE "\x1b[2K"
#define BOLD       "\x1b[1m"
#define PLAIN      "\x1b[0m"
#define DIM        "\x1b[2m"

static double elapsed_s(const struct bw_dev *dev)
{
    return (double)(bw_clock_now().boot_ns - dev->screen.begun_boot_ns) / (double)BW_NS_PER_S;
}

void bw_dev_screen_open(struct bw_dev *dev)
{
    struct bw_dev_screen *screen = &dev->screen;

    screen->out = dev->options->is_json ? stderr : stdout;
    screen->is_live = isatty(fileno(screen->out)) == 1;
    screen->begun_boot_ns = bw_clock_now().boot_ns;
}

/* A failed write to the terminal loses a picture, nothing else: the results are checked by whoever
 * prints them. */
void bw_dev_say(struct bw_dev *dev, const char *format, ...)
{
    struct bw_dev_screen *screen = &dev->screen;
    char *event = screen->events[screen->event_count++ % BW_DEV_EVENTS];
    va_list values;
    int length = snprintf(event, sizeof screen->events[0], "%8.3f  ", elapsed_s(dev));

    va_start(values, format);
    (void)vsnprintf(event + length, sizeof screen->events[0] - (size_t)length, format, values);
    va_end(values);
    if (!screen->is_live) {
        (void)fprintf(screen->out, "%s\n", event);
        (void)fflush(screen->out);
        return;
    }
    bw_dev_screen_show(dev);
}

/* ---- in words -------------------------------------------------------------------------------- */

static void compare_site(struct bw_dev *dev, uint32_t i, const struct bw_dev_view *before)
{
    const struct bw_dev_site_view *was = &before->sites[i];
    const struct bw_dev_site_view *is = &dev->view.sites[i];
    const char *name = dev->sites[i].name;

    if (was->is_connected != is->is_connected)
        bw_dev_say(dev, is->is_connected ? "%s reports to the witnesses" : "%s is silent", name);
}

/* By its process, on this machine: the report of a site that was cut off may be old. */
static void compare_service(struct bw_dev *dev, uint32_t i, const struct bw_dev_view *before)
{
    if (before->sites[i].has_service != dev->view.sites[i].has_service)
        bw_dev_say(dev, "the service at %s %s", dev->sites[i].name,
                   dev->view.sites[i].has_service ? "is started" : "is stopped");
}

void bw_dev_screen_compare(struct bw_dev *dev, const struct bw_dev_view *before)
{
    const struct bw_dev_view *view = &dev->view;

    if (view->leader[0] != '\0' && strcmp(before->leader, view->leader) != 0)
        bw_dev_say(dev, "witness %s leads", view->leader);
    for (uint32_t i = 0; i < BW_DEV_SITES; i++)
        compare_service(dev, i, before);
    if (!view->is_from_leader || !before->is_from_leader)
        return; /* others know the sites only by what they heard before */
    for (uint32_t i = 0; i < BW_DEV_SITES; i++)
        compare_site(dev, i, before);
    if (view->epoch != before->epoch && view->holder[0] != '\0')
        bw_dev_say(dev, "epoch %" PRIu64 " is granted to %s", view->epoch, view->holder);
    else if (before->holder[0] != '\0' && view->holder[0] == '\0')
        bw_dev_say(dev, "epoch %" PRIu64 " is over", before->epoch);
}

/* ---- the picture ----------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void line(struct bw_dev_screen *screen,
                                                       const char *format, ...)
{
    va_list values;

    (void)fputs(ERASE_LINE, screen->out);
    va_start(values, format);
    (void)vfprintf(screen->out, format, values);
    va_end(values);
    (void)fputc('\n', screen->out);
    screen->lines++;
}

static const char *process_word(struct bw_dev *dev, enum bw_lab_role role, uint32_t index)
{
    return bw_dev_process(dev, role, index)->pid != 0 ? "up" : "DOWN";
}

static void draw_witnesses(struct bw_dev *dev)
{
    for (uint32_t i = 0; i < BW_LAB_WITNESSES; i++) {
        const char *name = bw_dev_process(dev, BW_LAB_WITNESS, i)->name;
        const bool leads = strcmp(name, dev->view.leader) == 0;

        line(&dev->screen, "  witness %-8s %-5s %s", name, process_word(dev, BW_LAB_WITNESS, i),
             leads ? BOLD "leads" PLAIN : "");
    }
}

static void draw_site(struct bw_dev *dev, uint32_t i)
{
    const struct bw_dev_site_view *view = &dev->view.sites[i];
    char lease[64] = "";

    if (view->is_primary)
        (void)snprintf(lease, sizeof lease, "epoch %" PRIu64 ", lease %.1f s", dev->view.epoch,
                       (double)dev->view.lease_left_ms / 1000.0);
    else if (view->blocked_by[0] != '\0')
        (void)snprintf(lease, sizeof lease, "not ready: %.48s", view->blocked_by);
    line(&dev->screen, "  site %-8s agent %-5s guard %-5s %s%-8s%s service %-8s %s",
         dev->sites[i].name, process_word(dev, BW_LAB_AGENT, i), process_word(dev, BW_LAB_GUARD, i),
         view->is_primary ? BOLD : DIM, view->is_primary ? "primary" : "standby", PLAIN,
         view->has_service ? "started" : "stopped", lease);
}

void bw_dev_screen_show(struct bw_dev *dev)
{
    struct bw_dev_screen *screen = &dev->screen;
    const uint64_t shown = screen->event_count < BW_DEV_EVENTS ? screen->event_count
                                                               : BW_DEV_EVENTS;

    if (!screen->is_live)
        return;
    if (screen->lines > 0)
        (void)fprintf(screen->out, "\x1b[%" PRIu32 "A\r", screen->lines);
    screen->lines = 0;
    draw_witnesses(dev);
    for (uint32_t i = 0; i < BW_DEV_SITES; i++)
        draw_site(dev, i);
    line(screen, "%s", "");
    for (uint64_t i = 0; i < BW_DEV_EVENTS; i++)
        line(screen, "%s",
             i < shown ? screen->events[(screen->event_count - shown + i) % BW_DEV_EVENTS] : "");
    (void)fflush(screen->out);
}

void bw_dev_screen_leave(struct bw_dev *dev)
{
    dev->screen.lines = 0;
    dev->screen.is_live = false;
}

void bw_dev_screen_hint(struct bw_dev *dev)
{
    const uint32_t here = strcmp(dev->view.holder, dev->sites[1].name) == 0 ? 1 : 0;
    const char *holder = dev->sites[here].name;
    const char *other = dev->sites[1 - here].name;
    const struct bw_dev_process *guard = bw_dev_process(dev, BW_LAB_GUARD, here);
    const struct bw_dev_process *agent = bw_dev_process(dev, BW_LAB_AGENT, here);
    FILE *out = dev->screen.out;

    (void)fprintf(out,
                  "\nIn another terminal (everything is in %s):\n"
                  "  %s status --config %s/cli.yaml\n"
                  "  %s switchover %s --to %s --config %s/cli.yaml\n"
                  "  %s history %s --config %s/cli.yaml\n"
                  "  kill -STOP %ld     the agent of %s freezes: its guard fences, %s takes over\n"
                  "  kill -KILL %ld     the guard of %s is gone: its agent fences\n"
                  "Ctrl-C ends everything.\n\n",
                  dev->dir, dev->program, dev->dir, dev->program, dev->group, other, dev->dir,
                  dev->program, dev->group, dev->dir, (long)agent->pid, holder, other,
                  (long)guard->pid, holder);
    (void)fflush(out);
    dev->screen.lines = 0; /* the picture goes on below it */
}
