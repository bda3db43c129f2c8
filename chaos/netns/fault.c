/* fault.c - what can be broken: the table, and the few ways in which its rows work. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/instant.h>

#include "ways.h"

#define FLAP_MS 300

/* ---- links ----------------------------------------------------------------------------------- */

static void add_link(struct bw_hub_link *link, const struct bw_hub_link *more)
{
    uint32_t *to = (uint32_t *)link;
    const uint32_t *from = (const uint32_t *)more;

    _Static_assert(sizeof *link % sizeof *to == 0, "a row is numbers only");
    for (size_t i = 0; i < sizeof *link / sizeof *to; i++)
        if (from[i] != 0)
            to[i] = from[i];
}

/* Of the pair in the fault's direction, or of a node and all others. */
static void shape(struct bw_lab *lab, const struct bw_lab_fault *fault)
{
    const struct bw_fault *kind = fault->kind;

    for (uint32_t other = 0; other < lab->hub.count; other++) {
        if (other == fault->node || (kind->target == BW_FAULT_AT_PAIR && other != fault->peer))
            continue;
        if ((kind->direction & BW_FAULT_OUT) != 0)
            add_link(&lab->hub.links[fault->node][other], &kind->link);
        if ((kind->direction & BW_FAULT_IN) != 0)
            add_link(&lab->hub.links[other][fault->node], &kind->link);
    }
}

/* Witnesses and sites in a circle: each sees its two neighbours only. */
static void shape_ring(struct bw_lab *lab, const struct bw_lab_fault *fault)
{
    const uint32_t count = lab->hub.count - 1; /* all but who gives commands */

    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = 0; b < count; b++)
            if (a != b && (a + 1) % count != b && (b + 1) % count != a)
                add_link(&lab->hub.links[a][b], &fault->kind->link);
}

/* Links have no memory: what is on is laid over perfect ones anew. */
static void shape_all(struct bw_lab *lab, const struct bw_faults *faults)
{
    bw_hub_heal(&lab->hub);
    for (uint32_t i = 0; i < BW_LAB_FAULTS_MAX; i++) {
        const struct bw_lab_fault *fault = &faults->list[i];

        if (fault->kind == NULL || !fault->is_on || fault->kind->part != BW_FAULT_OF_NETWORK)
            continue;
        if (fault->kind->target == BW_FAULT_AT_ALL)
            shape_ring(lab, fault);
        else
            shape(lab, fault);
    }
}

/* ---- the table ------------------------------------------------------------------------------- */

#define LINKS(named, meaning, where, way, ...)                                                     \
    {                                                                                              \
        .name = (named), .words = (meaning), .target = BW_FAULT_AT_##where,                        \
        .part = BW_FAULT_OF_NETWORK, .is_random = true, .direction = BW_FAULT_##way, .link = {     \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define PROCESS(named, meaning, where, of, began, ended, ...)                                      \
    {                                                                                              \
        .name = (named), .words = (meaning), .target = BW_FAULT_AT_##where,                        \
        .part = BW_FAULT_OF_DAEMONS, .is_random = true, .role = BW_LAB_##of, .begin = (began),     \
        .end = (ended), __VA_ARGS__                                                                \
    }
#define DISK(named, meaning, where, of, line)                                                      \
    {                                                                                              \
        .name = (named), .words = (meaning), .target = BW_FAULT_AT_##where,                        \
        .part = BW_FAULT_OF_DISK, .is_random = true, .role = BW_LAB_##of,                          \
        .begin = bw_begin_preload, .end = bw_end_preload, .text = (line)                           \
    }
#define SCRIPT(named, meaning)                                                                     \
    {                                                                                              \
        .name = (named), .words = (meaning), .target = BW_FAULT_AT_SITE,                           \
        .part = BW_FAULT_OF_SCRIPTS, .is_random = true, .begin = bw_begin_mode,                    \
        .end = bw_end_mode, .text = (named)                                                        \
    }
#define NODE(named, meaning, where, of, bound, drawn, began, ended, ...)                           \
    {                                                                                              \
        .name = (named), .words = (meaning), .target = BW_FAULT_AT_##where,                        \
        .scope = BW_FAULT_##bound, .part = BW_FAULT_OF_##of, .is_random = (drawn),                 \
        .begin = (began), .end = (ended), __VA_ARGS__                                              \
    }

#define NAMES(named, meaning, line)                                                                \
    {                                                                                              \
        .name = (named), .words = (meaning), .target = BW_FAULT_AT_ALL,                            \
        .part = BW_FAULT_OF_NAMES, .is_random = true, .text = (line)                               \
    }

/* Errno values as numbers: that is what the preload reads. EIO 5, EMFILE 24, ENOSPC 28. */
const struct bw_fault bw_fault_table[] = {
    NAMES("names-silent", "no name server answers, whoever looks a name up", "silent\n"),
    NAMES("names-late", "name servers answer 2.5 s late", "late 2500\n"),
    NAMES("names-gone", "name servers say that none of the names is there", "nobody\n"),
    NODE("witness-moved", "a witness's machine gets another address, which its name has from then on", WITNESS, NAMES,
         PROMISED, true, bw_begin_moved, bw_end_moved, .text = ""),
    LINKS("isolated", "nothing passes to or from the node, in silence", NODE, BOTH, .down = 1),
    LINKS("mute", "one way: nothing that the node sends arrives, it hears all", NODE, OUT,
          .down = 1),
    LINKS("deaf", "one way: nothing reaches the node, all it sends arrives", NODE, IN, .down = 1),
    LINKS("refused", "every TCP packet to or from the node is answered with a reset", NODE, BOTH,
          .reset = 1),
    LINKS("refused-out", "one way: what the node sends is answered with a reset", NODE, OUT,
          .reset = 1),
    LINKS("apart", "two nodes cannot see each other, all others see both (a bridge)", PAIR, BOTH,
          .down = 1),
    LINKS("apart-one-way", "what the first sends never reaches the second", PAIR, OUT, .down = 1),
    LINKS("ring", "each node sees only its two neighbours in a circle", ALL, BOTH, .down = 1),
    LINKS("lossy", "40 % of the packets to and from the node are lost", NODE, BOTH, .loss = 40),
    LINKS("lossy-lightly", "1 % of the packets to and from the node are lost", NODE, BOTH, .loss = 1),
    LINKS("stormy", "50 ms more in each direction, give or take 40; 5 % are lost, 10 % overtake others", NODE, BOTH,
          .delay_ms = 50, .jitter_ms = 40, .loss = 5, .reorder = 10),
    LINKS("lossy-out", "one way: 40 % of what the node sends is lost", NODE, OUT, .loss = 40),
    LINKS("narrow", "256 kbit/s to and from the node, with a queue", NODE, BOTH, .rate_kbit = 256),
    LINKS("mtu-hole", "packets above 600 bytes vanish, to and from the node", NODE, BOTH,
          .mtu = 600),
    LINKS("mtu-hole-out", "one way: packets above 600 bytes that the node sends vanish", NODE, OUT,
          .mtu = 600),
    LINKS("forgotten", "a firewall forgets the node's connections: what they carry vanishes, new ones pass", NODE, BOTH,
          .forgets = 1),
    LINKS("far", "20 ms more in each direction, give or take 10", NODE, BOTH, .delay_ms = 20,
          .jitter_ms = 10),
    LINKS("reordered", "30 % of the node's packets overtake the others", NODE, BOTH, .delay_ms = 15,
          .reorder = 30),
    LINKS("doubled", "half of the node's packets arrive twice", NODE, BOTH, .duplicate = 50),
    LINKS("corrupt", "5 % of the node's packets have a wrong bit, which checksums show", NODE, BOTH,
          .corrupt = 5),
    LINKS("mangled", "2 % of the node's packets are changed so that only TLS can tell", NODE, BOTH,
          .mangle = 2),
    {.name = "flapping",
     .words = "the node's link goes down and up every 300 ms",
     .target = BW_FAULT_AT_NODE,
     .part = BW_FAULT_OF_NETWORK,
     .is_random = true,
     .direction = BW_FAULT_BOTH,
     .number = FLAP_MS,
     .link = {.down = 1}},

    PROCESS("agent-frozen", "the agent stands still (SIGSTOP)", SITE, AGENT, bw_begin_freeze,
            bw_end_freeze, .number = 0),
    PROCESS("guard-frozen", "the guard stands still", SITE, GUARD, bw_begin_freeze, bw_end_freeze,
            .number = 0),
    PROCESS("witness-frozen", "a witness stands still", WITNESS, WITNESS, bw_begin_freeze,
            bw_end_freeze, .number = 0),
    PROCESS("agent-down", "the agent dies (SIGKILL) and is not started anew", SITE, AGENT,
            bw_begin_kill, bw_end_kill, .number = 0),
    PROCESS("guard-down", "the guard dies and is not started anew", SITE, GUARD, bw_begin_kill,
            bw_end_kill, .number = 0),
    PROCESS("witness-down", "a witness dies and is not started anew", WITNESS, WITNESS,
            bw_begin_kill, bw_end_kill, .number = 0),
    PROCESS("agent-killed", "the agent dies, its supervisor starts it", SITE, AGENT,
            bw_begin_kill_once, NULL, .is_momentary = true),
    PROCESS("guard-killed", "the guard dies, its supervisor starts it", SITE, GUARD,
            bw_begin_kill_once, NULL, .is_momentary = true),
    PROCESS("witness-killed", "a witness dies, its supervisor starts it", WITNESS, WITNESS,
            bw_begin_kill_once, NULL, .is_momentary = true),
    PROCESS("agent-few-files", "the agent can open no more files", SITE, AGENT, bw_begin_few_files,
            bw_end_few_files, .number = 5),
    PROCESS("guard-few-files", "the guard can open no more files", SITE, GUARD, bw_begin_few_files,
            bw_end_few_files, .number = 5),
    PROCESS("witness-few-files", "a witness can open no more files", WITNESS, WITNESS,
            bw_begin_few_files, bw_end_few_files, .number = 5),
    PROCESS("services-killed", "all services of a site die (SIGKILL)", SITE, GUARD,
            bw_begin_signal_services, NULL, .number = SIGKILL, .is_momentary = true),
    PROCESS("services-frozen", "all services of a site stand still", SITE, GUARD,
            bw_begin_signal_services, bw_end_signal_services, .number = SIGSTOP),

    NODE("host-lost", "power cut: all of the node dies, and boots with new boot id and clocks",
         NODE, DAEMONS, PROMISED, true, bw_begin_host_lost, bw_end_host_lost, .number = 0),
    NODE("copied",
         "a copy of the site's machine wakes up: its state, another boot id; it dies in the end",
         SITE, DAEMONS, PROMISED, true, bw_begin_copy, bw_end_copy, .number = 0, .is_single = true),
    NODE("copied-in-boot",
         "daemons begin on a copy of the site's state, in the same boot of the kernel; they die in the end",
         SITE, DAEMONS, PROMISED, true, bw_begin_copy, bw_end_copy, .number = 1, .is_single = true),
    {.name = "thin-snapshot",
     .words = "a witness is away while a MiB of state comes to be, and gets it behind 256 kbit/s; until it has it",
     .target = BW_FAULT_AT_WITNESS,
     .part = BW_FAULT_OF_NETWORK,
     .role = BW_LAB_WITNESS,
     .direction = BW_FAULT_BOTH,
     .link = {.rate_kbit = 256},
     .begin = bw_begin_thin_snapshot,
     .end = bw_end_thin_snapshot},
    NODE("witness-wiped",
         "a witness loses its data directory, another is made under its id; in the end it is found",
         WITNESS, DISK, PROMISED, false, bw_begin_wipe, bw_end_wipe, .role = BW_LAB_WITNESS),
    NODE("daemons-killed", "agent and guard die at once, their supervisor starts both", SITE,
         DAEMONS, PROMISED, true, bw_begin_kill_both, NULL, .is_momentary = true),
    NODE("daemons-down", "agent and guard die at once and are not started anew", SITE, DAEMONS,
         PROMISED, true, bw_begin_down_both, bw_end_down_both, .number = 0),
    NODE("daemons-stopped", "agent and guard are told to end and are not started anew", SITE,
         DAEMONS, PROMISED, true, bw_begin_stop_both, bw_end_down_both, .number = 0),
    NODE("daemons-refused", "the site's file is spoiled, and agent and guard are started anew",
         SITE, DAEMONS, PROMISED, true, bw_begin_spoil_file, bw_end_spoil_file, .number = 0),
    NODE("site-hung-disk", "no fsync of agent and guard comes back", SITE, DISK, PROMISED, true,
         bw_begin_hang_both, bw_end_hang_both, .text = "hang disk/ 600000"),
    NODE("site-hung-scripts", "whoever looks at a script, agent and guard too, waits for 8 s", SITE,
         SCRIPTS, PROMISED, true, bw_begin_hang_both, bw_end_hang_both, .text = "hang .sh 8000"),
    NODE("site-frozen", "agent, guard, scripts and services of a site stand still", SITE, DAEMONS,
         BEYOND, false, bw_begin_freeze_site, bw_end_freeze_site, .number = 0),
    NODE("starved", "a site's daemons get a twentieth of a processor", SITE, DAEMONS, BEYOND, false,
         bw_begin_starve, bw_end_starve, .number = 0),

    NODE("greedy-agent", "300 connections to each witness with the certificate of a site's agent",
         SITE, DAEMONS, PROMISED, true, bw_begin_greedy, bw_end_greedy, .text = "%s-agent.pem"),
    NODE("greedy-operator", "300 connections to each witness with an operator's certificate", SITE,
         DAEMONS, PROMISED, true, bw_begin_greedy, bw_end_greedy, .text = "chaos.pem"),

    DISK("agent-fsync-eio", "the agent's fsync fails with EIO", SITE, AGENT, "fsync disk/ 5"),
    DISK("guard-fsync-eio", "the guard's fsync fails with EIO", SITE, GUARD, "fsync disk/ 5"),
    DISK("witness-fsync-eio", "a witness's fsync fails with EIO (vote file)", WITNESS, WITNESS,
         "fsync disk/ 5"),
    DISK("agent-hung-disk", "no fsync of the agent comes back", SITE, AGENT, "hang disk/ 600000"),
    DISK("guard-hung-disk", "no fsync of the guard comes back", SITE, GUARD, "hang disk/ 600000"),
    DISK("agent-slow-disk", "each fsync of the agent takes 300 ms", SITE, AGENT, "slow disk/ 300"),
    DISK("guard-slow-disk", "each fsync of the guard takes 300 ms", SITE, GUARD, "slow disk/ 300"),
    DISK("witness-slow-disk", "each fsync of a witness takes 300 ms", WITNESS, WITNESS,
         "slow disk/ 300"),
    DISK("agent-enospc", "the agent's writes fail with ENOSPC", SITE, AGENT, "write disk/ 28"),
    DISK("guard-enospc", "the guard's writes fail with ENOSPC", SITE, GUARD, "write disk/ 28"),
    DISK("witness-enospc", "a witness's writes fail with ENOSPC (all but its log)", WITNESS,
         WITNESS, "write disk/ 28"),
    DISK("agent-short-writes", "the agent's writes are done by halves", SITE, AGENT,
         "short disk/ 1"),
    DISK("guard-short-writes", "the guard's writes are done by halves", SITE, GUARD,
         "short disk/ 1"),
    DISK("agent-rename-eio", "the agent's renames fail with EIO", SITE, AGENT, "rename disk/ 5"),
    DISK("guard-rename-eio", "the guard's renames fail with EIO", SITE, GUARD, "rename disk/ 5"),
    DISK("agent-open-emfile", "the agent can open no state file", SITE, AGENT, "open disk/ 24"),
    DISK("guard-mirror-eio", "the guard cannot write its mirror in /run", SITE, GUARD,
         "write -guard/ 5"),
    NODE("disk-full", "the node's disk is full", NODE, DISK, PROMISED, true, bw_fill_disk,
         bw_empty_disk, .number = 0),

    NODE("wall-ahead", "the wall clock of a node is an hour ahead", NODE, CLOCK, PROMISED, true,
         bw_begin_wall, bw_end_wall, .number = 3600),
    NODE("wall-behind", "the wall clock of a node is an hour behind", NODE, CLOCK, PROMISED, true,
         bw_begin_wall, bw_end_wall, .number = -3600),
    NODE("fast", "a node's clocks run 900 ppm too fast, within the bound", NODE, CLOCK, PROMISED,
         true, bw_begin_drift, bw_end_drift, .number = 900),
    NODE("slow", "a node's clocks run 900 ppm too slow, within the bound", NODE, CLOCK, PROMISED,
         true, bw_begin_drift, bw_end_drift, .number = -900),
    NODE("far-too-slow", "a site's clocks run at four fifths of their rate", SITE, CLOCK, BEYOND,
         false, bw_begin_drift, bw_end_drift, .number = -200000),

    SCRIPT("stop-hangs", "the stop script ignores TERM and never ends"),
    SCRIPT("stop-hangs-late", "the stop script ends the service, ignores TERM and never ends"),
    SCRIPT("stop-slow", "the stop script takes two seconds where the service runs"),
    SCRIPT("stop-lies", "the stop script does nothing and says that it did"),
    SCRIPT("fence-hangs", "the fence script ignores TERM and never ends"),
    SCRIPT("fence-fails", "the fence script does nothing and fails"),
    SCRIPT("fence-lies", "the fence script does nothing and says that it did"),
    SCRIPT("status-hangs", "the status script never ends"),
    SCRIPT("start-hangs", "the start script never ends"),
    SCRIPT("start-fails", "the start script fails"),
    SCRIPT("forks-away", "the start script leaves a process in a session of its own"),
    NODE("all-fail", "stop does nothing and fails; from then on so does fence, and status knows nothing",
         SITE, SCRIPTS, PROMISED, false, bw_begin_mode, bw_end_mode, .text = "stop-fails"),
    NODE("status-unknown", "the status script knows nothing, stop and fence fail", SITE, SCRIPTS, PROMISED, false,
         bw_begin_mode, bw_end_mode, .text = "all-fail"),
    NODE("scripts-writable",
         "others than root can write the site's scripts, and status is another one", SITE, SCRIPTS,
         PROMISED, false, bw_begin_open_scripts, bw_end_open_scripts, .number = 0),
    NODE("scripts-missing", "the site's scripts are not there", SITE, SCRIPTS, PROMISED, false,
         bw_begin_no_scripts, bw_end_no_scripts, .number = 0),
    NODE("outside", "what a start begins at this site runs where its guard does not reach", SITE,
         SCRIPTS, PROMISED, false, bw_begin_outside, bw_end_outside, .text = ""),
    NODE("outside-with-helper", "the same, and a start leaves a process where its guard reaches it", SITE, SCRIPTS,
         PROMISED, false, bw_begin_outside, bw_end_outside, .text = "helper\n"),
    NODE("override", "an operator gives the site a manual lease of the first group, once no leader answers", SITE,
         SCRIPTS, MANUAL, false, bw_begin_override, NULL, .is_momentary = true),
    NODE("claim-awaited", "nothing more until the site's claim on the first group is in the leader's log", SITE,
         SCRIPTS, PROMISED, false, bw_begin_await_claim, NULL, .is_momentary = true),
    NODE("paused", "an operator pauses the first group, and resumes it", ALL, SCRIPTS, PROMISED, false,
         bw_begin_pause, bw_end_pause, .number = 0),
    NODE("force-release", "an operator vouches that the site is off, and is believed", SITE,
         SCRIPTS, PROMISED, false, bw_begin_force_release, NULL, .is_momentary = true, .number = 0),
    NODE("force-release-early", "an operator vouches for a site that still answers, and is refused",
         SITE, SCRIPTS, PROMISED, false, bw_begin_force_release, NULL, .is_momentary = true,
         .number = 6),
    NODE("switchover", "an operator moves a group to this site", SITE, SCRIPTS, PROMISED, true,
         bw_begin_switchover, NULL, .is_momentary = true),
};
const uint32_t bw_fault_count = sizeof bw_fault_table / sizeof bw_fault_table[0];
_Static_assert(sizeof bw_fault_table / sizeof bw_fault_table[0] <=
                   sizeof((struct bw_faults *)0)->fired_counts / sizeof(uint32_t),
               "every row has its counter");

const struct bw_fault *bw_fault_find(const char *name)
{
    for (uint32_t i = 0; i < bw_fault_count; i++)
        if (strcmp(bw_fault_table[i].name, name) == 0)
            return &bw_fault_table[i];
    return NULL;
}

const char *bw_fault_why_not(const struct bw_lab *lab, const struct bw_fault *kind)
{
    const bool needs_preload = kind->begin == bw_begin_preload || kind->begin == bw_begin_hang_both || kind->begin == bw_begin_wall ||
                               kind->begin == bw_begin_drift;

    if (needs_preload && lab->options->preload == NULL)
        return "the library for it was not built in";
    if (kind->part == BW_FAULT_OF_NAMES && !lab->box->has_names)
        return "no /etc/resolv.conf in whose place another one could be";
    if (kind->begin == bw_begin_freeze_site && lab->box->cgroup[0] == '\0')
        return "no writable cgroup v2";
    if (kind->begin == bw_begin_starve && lab->box->cpu_cgroup[0] == '\0')
        return "no writable cgroup v1 controller `cpu`";
    if (kind->begin == bw_begin_host_lost && access("/proc/self/ns/time", F_OK) != 0)
        return "no time namespaces";
    if (kind->begin == bw_begin_copy && access("/usr/bin/unshare", X_OK) != 0)
        return "no unshare (util-linux)";
    return NULL;
}

/* ---- on and off ------------------------------------------------------------------------------ */

static void say_fault(struct bw_lab *lab, const struct bw_lab_fault *fault, bool is_begin)
{
    const char *peer = fault->kind->target == BW_FAULT_AT_PAIR ? lab->nodes[fault->peer].name : "";
    const char *node = fault->kind->target == BW_FAULT_AT_ALL ? "all"
                                                              : lab->nodes[fault->node].name;

    bw_lab_say(lab, is_begin ? BW_LAB_FAULT : BW_LAB_HEAL, (int)fault->node, -1, "%s %s at %s%s%s",
               is_begin ? "fault" : "heal ", fault->kind->name, node, peer[0] != '\0' ? ", " : "",
               peer);
}

/* Its end is known once it has ended. */
static void excuse(const struct bw_lab *lab, struct bw_faults *faults, struct bw_lab_fault *fault)
{
    struct bw_judge_excuse *excuse = &faults->excuses[faults->excuse_count];

    if (fault->kind->scope == BW_FAULT_PROMISED ||
        faults->excuse_count == sizeof faults->excuses / sizeof faults->excuses[0])
        return;
    *excuse = (struct bw_judge_excuse){.from_ns = fault->begun_ns,
                                       .to_ns = UINT64_MAX,
                                       .is_of_order = fault->kind->scope == BW_FAULT_MANUAL};
    (void)bw_copy_text(excuse->site, sizeof excuse->site, lab->nodes[fault->node].name); /* fits */
    fault->excuse = ++faults->excuse_count;
}

/* By then the site has renewed what it holds, or the lease that it last had is over by its own right
 * clocks, and its fence has ended (design 3.2, 3.3). */
static void end_excuse(const struct bw_lab *lab, struct bw_faults *faults,
                       const struct bw_lab_fault *fault)
{
    const struct bw_lab_timings *t = &lab->plan.timings;
    const uint64_t more_ms = (uint64_t)t->lease_ttl_ms * 1001 / 999 + t->margin_ms +
                             t->fence_timeout_ms;

    if (fault->excuse != 0)
        faults->excuses[fault->excuse - 1].to_ns = bw_lab_now_ns() + bw_ms_to_ns(more_ms);
}

enum bw_err bw_fault_begin(struct bw_lab *lab, struct bw_faults *faults,
                           const struct bw_fault *kind, uint32_t node, uint32_t peer,
                           uint64_t end_at_ns, struct bw_diag *diag)
{
    struct bw_lab_fault *fault = NULL;
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < BW_LAB_FAULTS_MAX && fault == NULL; i++)
        if (faults->list[i].kind == NULL)
            fault = &faults->list[i];
    if (fault == NULL)
        return bw_diag_set(diag, BW_ERR_LIMIT, "more than %d faults at once", BW_LAB_FAULTS_MAX);
    *fault = (struct bw_lab_fault){.kind = kind,
                                   .node = node,
                                   .peer = peer,
                                   .begun_ns = bw_lab_now_ns(),
                                   .end_at_ns = end_at_ns,
                                   .is_on = true};
    excuse(lab, faults, fault);
    say_fault(lab, fault, true);
    if (kind->begin != NULL)
        err = kind->begin(lab, fault, diag);
    faults->fired_counts[kind - bw_fault_table] += !(fault->is_refused || fault->is_void);
    faults->refused_count += fault->is_refused;
    if (kind->part == BW_FAULT_OF_NETWORK)
        shape_all(lab, faults);
    if (kind->part == BW_FAULT_OF_NAMES && err == BW_OK)
        err = bw_name_server_tell(lab, faults, diag);
    if (kind->is_momentary)
        fault->kind = NULL;
    return err == BW_OK ? BW_OK : bw_diag_wrap(diag, err, "fault %s", kind->name);
}

enum bw_err bw_fault_end_due(struct bw_lab *lab, struct bw_faults *faults, uint64_t now_ns,
                             struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    for (uint32_t i = 0; i < BW_LAB_FAULTS_MAX && err == BW_OK; i++) {
        struct bw_lab_fault *fault = &faults->list[i];
        const struct bw_fault *kind = fault->kind;

        if (kind == NULL || now_ns < fault->end_at_ns)
            continue;
        if (kind->end != NULL)
            err = kind->end(lab, fault, diag);
        say_fault(lab, fault, false);
        end_excuse(lab, faults, fault);
        fault->kind = NULL;
        if (kind->part == BW_FAULT_OF_NETWORK)
            shape_all(lab, faults);
        if (kind->part == BW_FAULT_OF_NAMES && err == BW_OK)
            err = bw_name_server_tell(lab, faults, diag);
        if (err != BW_OK)
            (void)bw_diag_wrap(diag, err, "heal %s", kind->name);
    }
    return err;
}

void bw_fault_turn(struct bw_lab *lab, struct bw_faults *faults)
{
    bool has_changed = false;

    for (uint32_t i = 0; i < BW_LAB_FAULTS_MAX; i++) {
        struct bw_lab_fault *fault = &faults->list[i];
        bool is_on;

        if (fault->kind == NULL || fault->kind->part != BW_FAULT_OF_NETWORK ||
            fault->kind->number == 0)
            continue;
        is_on = (bw_lab_now_ns() - fault->begun_ns) /
                    bw_ms_to_ns((uint64_t)fault->kind->number) % 2 ==
                0;
        has_changed = has_changed || is_on != fault->is_on;
        fault->is_on = is_on;
    }
    if (has_changed)
        shape_all(lab, faults);
}
