/* main.c - breakwater-sim: lives through seeds, one or a campaign of them. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "campaign.h"
#include "plan.h"
#include "shrink.h"
#include "story.h"

#define LENGTH_S_DEFAULT 3600
#define FOR_S_DEFAULT    240
#define MUST_COVER_HOURS 100
#define STORY_LINES      200
#define SHRINK_RUNS_MAX  2000

enum { EXIT_USAGE = 2 };

static const char help[] =
    "usage: breakwater-sim [OPTION]...\n"
    "Runs simulated worlds: the real core, codec, consensus adapter and libraft in virtual time, under\n"
    "faults that are drawn from a seed. Checks each run against the promises of breakwater.\n"
    "\n"
    "one world:\n"
    "  --seed N           run the world of seed N, and print its trace hash\n"
    "  --story[=LINES]    also print the last LINES of its events (200)\n"
    "  --without LIST     leave out these incidents, such as 3,7-9 (printed by --shrink)\n"
    "  --shrink           find a shorter schedule that still fails\n"
    "  --plan             print the incidents of the seed\n"
    "a campaign (the default: all seeds from 1 on, for 4 minutes; each rule and fault must fire):\n"
    "  --for DURATION     real time: 30s, 4m, 2h\n"
    "  --hours H          simulated time\n"
    "  --seeds A-B        these seeds\n"
    "  --from N           seeds from N on (1)\n"
    "  --jobs N           number of worlds that run in parallel (cores)\n"
    "  --resume FILE      keep the totals in FILE, and continue from them\n"
    "  --go-on            continue after a failure\n"
    "  --first FILE       first the worlds of this file, a line each: seed mode length [fault]\n"
    "  --cover            each rule and fault must fire; end the campaign after the last one has\n"
    "both:\n"
    "  --mode MODE        safety: faults without end; liveness: faults, then calm (both, in a campaign)\n"
    "  --length DURATION  of one world (1h)\n"
    "  --often FAULT      make every second incident this one, such as disk-fails (as --plan names it)\n"
    "  --help             print this\n"
    "exit status: 0 all checks passed, 1 a check failed, or a rule or fault never fired, 2 wrong usage\n";

struct arguments {
    struct sim_campaign campaign;
    struct sim_order order;
    bool has_seed, has_limit, shrinks, prints_plan;
    uint32_t without[SIM_PLAN_MAX];
};

static _Noreturn void usage(const char *what, const char *value)
{
    (void)fprintf(stderr, "breakwater-sim: %s%s%s; see --help\n", what, value == NULL ? "" : ": ",
                  value == NULL ? "" : value);
    exit(EXIT_USAGE);
}

static uint64_t read_number(const char *name, const char *text, uint64_t least, uint64_t most)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < least ||
        value > most)
        usage(name, text);
    return value;
}

static uint64_t read_duration_s(const char *name, const char *text, uint64_t most_s)
{
    char *end;
    uint64_t value, unit;

    errno = 0;
    value = strtoull(text, &end, 10);
    unit = strcmp(end, "s") == 0 ? 1 : strcmp(end, "m") == 0 ? 60 : strcmp(end, "h") == 0 ? 3600 : 0;
    if (text[0] < '0' || text[0] > '9' || errno != 0 || unit == 0 || value == 0 ||
        value > most_s / unit)
        usage(name, text);
    return value * unit;
}

/* 3,7-9 */
static void read_without(struct arguments *arguments, const char *text)
{
    const char *at = text;
    char *end;

    while (*at != '\0') {
        uint64_t first = strtoull(at, &end, 10), last = first;

        if (end == at)
            usage("--without takes numbers such as 3,7-9", text);
        at = end;
        if (*at == '-') {
            last = strtoull(at + 1, &end, 10);
            at = end;
        }
        if (first > last || last >= SIM_PLAN_MAX || (*at != ',' && *at != '\0'))
            usage("--without takes numbers such as 3,7-9", text);
        for (uint64_t i = first; i <= last && arguments->order.left_out_count < SIM_PLAN_MAX; i++)
            arguments->without[arguments->order.left_out_count++] = (uint32_t)i;
        at += *at == ',' ? 1 : 0;
    }
    arguments->order.left_out = arguments->without;
}

static void read_seeds(struct sim_campaign *campaign, const char *text)
{
    uint64_t first, last;
    char end;

    if (sscanf(text, "%" SCNu64 "-%" SCNu64 "%c", &first, &last, &end) != 2 || first > last)
        usage("--seeds takes a range such as 1-100", text);
    campaign->first_seed = first;
    campaign->seed_count = last - first + 1;
}

static void read_first(struct sim_campaign *campaign, const char *path)
{
    struct bw_diag diag = {0};

    if (sim_listed_load(path, campaign->listed, &campaign->listed_count, &diag) != BW_OK)
        usage("--first", diag.text);
}

static void read_mode(struct arguments *arguments, const char *text)
{
    const bool is_liveness = strcmp(text, "liveness") == 0;

    if (!is_liveness && strcmp(text, "safety") != 0)
        usage("--mode is safety or liveness", text);
    arguments->order.mode = is_liveness ? SIM_MODE_LIVENESS : SIM_MODE_SAFETY;
    arguments->campaign.is_safety = !is_liveness;
    arguments->campaign.is_liveness = is_liveness;
}

static void check_often(const struct arguments *arguments)
{
    const char *often = arguments->campaign.often;
    const bool is_liveness = arguments->has_seed ? arguments->order.mode == SIM_MODE_LIVENESS
                                                 : arguments->campaign.is_liveness;

    if (often != NULL && !sim_incident_kind_is_drawn(often, false))
        usage("--often takes an incident as --plan names it", often);
    if (often != NULL && is_liveness && !sim_incident_kind_is_drawn(often, true))
        usage("this incident is drawn with --mode safety only", often);
}

static void check_arguments(struct arguments *arguments)
{
    const struct sim_campaign *campaign = &arguments->campaign;

    arguments->order.length_ns = campaign->length_ns;
    arguments->order.often = campaign->often;
    check_often(arguments);
    if (arguments->has_seed && campaign->ends_covered)
        usage("--cover is about a campaign, not about one world", NULL);
    if (campaign->listed_count > 0 && (arguments->has_seed || campaign->resume_path != NULL))
        usage("--first is about a campaign that begins: without --seed and --resume", NULL);
    if (!arguments->has_seed && (arguments->shrinks || arguments->prints_plan ||
                                 arguments->order.story_lines > 0 ||
                                 arguments->order.left_out_count > 0))
        usage("--story, --without, --shrink and --plan are about one world: give --seed", NULL);
}

enum { SEED = 256, STORY, WITHOUT, SHRINK, PLAN, FOR, HOURS, SEEDS, FROM, JOBS, RESUME, GO_ON,
       FIRST, COVER, MODE, LENGTH, OFTEN, HELP };
static const struct option options[] = {
    {"seed", required_argument, NULL, SEED},
    {"story", optional_argument, NULL, STORY},
    {"without", required_argument, NULL, WITHOUT},
    {"shrink", no_argument, NULL, SHRINK},
    {"plan", no_argument, NULL, PLAN},
    {"for", required_argument, NULL, FOR},
    {"hours", required_argument, NULL, HOURS},
    {"seeds", required_argument, NULL, SEEDS},
    {"from", required_argument, NULL, FROM},
    {"jobs", required_argument, NULL, JOBS},
    {"resume", required_argument, NULL, RESUME},
    {"go-on", no_argument, NULL, GO_ON},
    {"first", required_argument, NULL, FIRST},
    {"cover", no_argument, NULL, COVER},
    {"mode", required_argument, NULL, MODE},
    {"length", required_argument, NULL, LENGTH},
    {"often", required_argument, NULL, OFTEN},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static void read_arguments(int argc, char **argv, struct arguments *arguments)
{
    struct sim_campaign *campaign = &arguments->campaign;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case SEED:
            arguments->order.seed = read_number("--seed", optarg, 0, UINT64_MAX);
            arguments->has_seed = true;
            break;
        case STORY:
            arguments->order.story_lines =
                optarg == NULL ? STORY_LINES
                               : (uint32_t)read_number("--story", optarg, 1, UINT32_MAX);
            break;
        case WITHOUT:
            read_without(arguments, optarg);
            break;
        case SHRINK:
            arguments->shrinks = true;
            break;
        case PLAN:
            arguments->prints_plan = true;
            break;
        case FOR:
            campaign->for_s = read_duration_s("--for", optarg, 30 * 86400);
            break;
        case HOURS:
            campaign->hours = read_number("--hours", optarg, 1, 10000000);
            break;
        case SEEDS:
            read_seeds(campaign, optarg);
            break;
        case FROM:
            campaign->first_seed = read_number("--from", optarg, 0, UINT64_MAX / 2);
            break;
        case JOBS:
            campaign->jobs = (uint32_t)read_number("--jobs", optarg, 1, SIM_JOBS_MAX);
            break;
        case RESUME:
            campaign->resume_path = optarg;
            break;
        case GO_ON:
            campaign->goes_on = true;
            break;
        case FIRST:
            read_first(campaign, optarg);
            break;
        case COVER:
            campaign->ends_covered = true;
            break;
        case MODE:
            read_mode(arguments, optarg);
            break;
        case LENGTH:
            campaign->length_ns = read_duration_s("--length", optarg, 24 * 3600) * SIM_S;
            break;
        case OFTEN:
            campaign->often = optarg;
            break;
        case HELP:
            (void)fputs(help, stdout);
            exit(0);
        default:
            exit(EXIT_USAGE); /* getopt has said why */
        }
    if (optind < argc)
        usage("what is this for", argv[optind]);
    check_arguments(arguments);
}

/* ---- one world ---- */

static void print_list(const uint32_t *numbers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t last = i;

        while (last + 1 < count && numbers[last + 1] == numbers[last] + 1)
            last++;
        (void)printf("%s%" PRIu32, i == 0 ? "" : ",", numbers[i]);
        if (last > i)
            (void)printf("-%" PRIu32, numbers[last]);
        i = last;
    }
}

static void print_plan(const struct arguments *arguments)
{
    struct sim_setting setting;
    struct sim_plan *plan;

    sim_setting_draw(&setting, arguments->order.seed,
                     arguments->order.mode == SIM_MODE_LIVENESS, arguments->order.length_ns,
                     arguments->order.often);
    plan = sim_plan_new(&setting);
    if (plan == NULL)
        usage("no memory", NULL);
    for (uint32_t i = 0; i < plan->count; i++)
        (void)printf("%5" PRIu32 " %10.3f s  %s\n", i,
                     (double)(plan->incidents[i].at_ns - SIM_BEGIN_NS) / 1e9,
                     sim_incident_kind_at(plan->incidents[i].kind)->name);
    sim_plan_free(plan);
}

static int end_world(const struct sim_result *result)
{
    (void)printf("seed %" PRIu64 " (%s): %.0f s, %" PRIu64 " events, %" PRIu64
                 " grants, %" PRIu64 " failovers\n",
                 result->seed, sim_mode_word(result->mode), (double)result->lived_ns / 1e9,
                 result->events, result->tally.grants, result->tally.failovers);
    (void)printf("trace hash: %016" PRIx64 "\n", result->hash);
    if (result->has_failed)
        sim_campaign_print_replay(result, stdout);
    return result->has_failed ? 1 : 0;
}

static int run_world(const struct arguments *arguments)
{
    struct sim_result result;

    sim_run(&arguments->order, &result, NULL, stdout);
    return end_world(&result);
}

static int shrink_world(struct arguments *arguments)
{
    struct sim_result result;

    sim_run_apart(&(struct sim_order){.seed = arguments->order.seed,
                                      .mode = arguments->order.mode,
                                      .length_ns = arguments->order.length_ns,
                                      .often = arguments->order.often},
                  &result);
    if (!result.has_failed) {
        (void)printf("seed %" PRIu64 " (%s) does not fail\n", result.seed,
                     sim_mode_word(result.mode));
        return 0;
    }
    sim_shrink(&arguments->order, SHRINK_RUNS_MAX, arguments->without,
               &arguments->order.left_out_count, &result);
    arguments->order.left_out = arguments->without;
    arguments->order.story_lines = STORY_LINES;
    sim_run_apart(&arguments->order, &result);
    (void)printf("breakwater-sim --seed %" PRIu64 " --mode %s --length %" PRIu64
                 "s%s%s --story --without ",
                 result.seed, sim_mode_word(result.mode), arguments->order.length_ns / SIM_S,
                 arguments->order.often == NULL ? "" : " --often ",
                 arguments->order.often == NULL ? "" : arguments->order.often);
    print_list(arguments->without, arguments->order.left_out_count);
    (void)printf("\n");
    return end_world(&result);
}

/* ---- a campaign ---- */

static int run_campaign(struct sim_campaign *campaign)
{
    uint32_t silent = 0;
    int status;

    if (campaign->for_s == 0 && campaign->hours == 0 && campaign->seed_count == 0)
        campaign->for_s = FOR_S_DEFAULT;
    if (campaign->jobs == 0)
        campaign->jobs = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) > SIM_JOBS_MAX
                             ? SIM_JOBS_MAX
                             : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    status = sim_campaign_run(campaign);
    if (status == EXIT_USAGE)
        return status;
    sim_campaign_print(campaign, stdout);
    if (campaign->must_cover)
        silent = sim_campaign_print_silent(campaign, stdout);
    return status != 0 || silent > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    static struct arguments arguments = {
        .campaign = {.first_seed = 1,
                     .length_ns = LENGTH_S_DEFAULT * SIM_S,
                     .is_safety = true,
                     .is_liveness = true},
    };

    read_arguments(argc, argv, &arguments);
    if (arguments.prints_plan) {
        print_plan(&arguments);
        return 0;
    }
    if (arguments.shrinks)
        return shrink_world(&arguments);
    if (arguments.has_seed)
        return run_world(&arguments);
    arguments.campaign.must_cover =
        arguments.campaign.ends_covered ||
        (arguments.campaign.is_safety && arguments.campaign.is_liveness &&
        arguments.campaign.seed_count == 0 &&
        (arguments.campaign.for_s == 0 ? arguments.campaign.hours == 0 ||
                                             arguments.campaign.hours >= MUST_COVER_HOURS
                                       : arguments.campaign.for_s >= FOR_S_DEFAULT));
    return run_campaign(&arguments.campaign);
}
