/* alarm_ways.c - what to do about a warning of `status`: a line beneath it, with the command that
 * goes on from there. Design 5.2. */
#include "alarm_lines.h"

#include <string.h>

#include <breakwater/base/assert.h>

#include "api.h"

/* %g: the group, %s: the site or witness. */
static const struct {
    enum bw_trouble trouble;
    bool is_special; /* only while nobody holds the group, and somebody may be granted it; of a witness that has no vote */
    const char *way;
} ways[] = {
    {BW_TROUBLE_NO_ACTIVE_SITE, false, "why:  breakwater explain %g"},
    {BW_TROUBLE_SEVERAL_SERVE, false, "stop it by hand where the data may be lost"},
    {BW_TROUBLE_NOT_CONNECTED, false, "look there:  breakwater status --site"},
    {BW_TROUBLE_GUARD_LOST, false, "look there:  systemctl status breakwater-guard"},
    {BW_TROUBLE_ROGUE_START, false,
     "disable what starts it there, or see why its status is not `stopped`; then:\n"
     "  breakwater ack %g rogue_start --site %s"},
    {BW_TROUBLE_LOCAL_RESTARTS, false,
     "why it ended its own log says, there; then:\n"
     "  breakwater ack %g local_restarts --site %s"},
    {BW_TROUBLE_START_FAILED, true,
     "once it is mended, without a pause:  breakwater failover %g --to %s"},
    {BW_TROUBLE_START_FAILED, false,
     "once it is mended:  breakwater ack %g start_failed --site %s"},
    {BW_TROUBLE_STOP_FAILED, false,
     "once its stop is mended:  breakwater ack %g stop_failed --site %s"},
    {BW_TROUBLE_FENCE_FAILED, false,
     "make it stop there: its fence is tried again until one has seen the end"},
    {BW_TROUBLE_FENCE_TOO_SLOW, false,
     "what it waited for, there:  journalctl -u breakwater-guard; or a longer fence_timeout"},
    {BW_TROUBLE_REJOIN_FAILED, false,
     "it is tried again; why it fails, there:  journalctl -u breakwater-guard"},
    {BW_TROUBLE_OUTSIDE_REACH, false,
     "what to write as enforce, there:  journalctl -u breakwater-guard\n"
     "  of an adopted service, there:  breakwater prove %g -c /etc/breakwater/site.yaml"},
    {BW_TROUBLE_REACH_UNPROVED, false,
     "prove it there, which restarts the service once:  breakwater prove %g -c /etc/breakwater/site.yaml"},
    {BW_TROUBLE_RELAYED, false, "mend the way; there:  journalctl -u breakwater-agent"},
    {BW_TROUBLE_ONE_WITNESS, false, "mend the ways; there:  journalctl -u breakwater-agent"},
    {BW_TROUBLE_CERTIFICATE_ENDS, false, "where the CA is:  breakwater pki renew --dir DIR FILE"},
    {BW_TROUBLE_WITNESS_LOST, true,
     "it has no vote yet; there:  systemctl start breakwater-witness\n"
     "  it is lost for good:  breakwater members remove %s"},
    {BW_TROUBLE_WITNESS_LOST, false,
     "there:  systemctl start breakwater-witness\n"
     "  it is lost for good:  breakwater members replace %s NEW"},
    {BW_TROUBLE_DISK_LOW, false,
     "there: its log says which, and why; where room is wanted make it, outside of its data_dir: it then writes the snapshot, "
     "or ends by itself, to be started again"},
    {BW_TROUBLE_PEOPLE_NOT_APPLIED, false,
     "to have one list for all witnesses, write it:  breakwater people >people.yaml\n"
     "  then:  breakwater apply -f people.yaml"},
    {BW_TROUBLE_DECISIONS_LOST, false,
     "to keep it, stop the other witnesses; then on %s:  breakwater recover -c FILE\n"
     "  start %s, and make the others anew\n"
     "  to give it up:  breakwater members replace %s NEW"},
};

/* For decisions_lost, where a site names what the log lacks. */
static const char named_way[] =
    "stop all witnesses; on the one that has it, else on the one with the highest index:  breakwater recover -c FILE\n"
    "  or, before that, breakwater snapshot save SAVED, and on a new one:  breakwater snapshot restore -c FILE - <SAVED\n"
    "  start that one, and make the others anew\n"
    "  if what %s reports is false (a stolen key):  breakwater force-release %g --site %s";

/* Of second_enforcer_lost: by the word that the site's agent has for it (3.4). */
static const struct {
    enum bw_second_word word;
    const char *way;
} seconds[] = {
    {BW_SECOND_IS_SILENT,
     "it has not asked lately: on its machine see that it runs, and reaches the agent of %s"},
    {BW_SECOND_IS_SAME_MACHINE, "it is lost with the guard: run it on another machine of %s"},
    {BW_SECOND_IS_BLIND,
     "it does not see the service: on its machine run the status_script by hand"},
    {BW_SECOND_IS_ELSEWHERE,
     "it does not see what serves there: compare its status_script with the guard's"},
    {BW_SECOND_IS_UNPROVED,
     "it has never seen this service serve: compare its status_script with the guard's"},
    {BW_SECOND_IS_FENCING,
     "it fences this epoch, as its agent did not tell of more: its log, on its machine"},
    {BW_SECOND_IS_UNARMED,
     "it does not know the deadline yet; if this stays: its log, on its machine"},
};

static const char *way_of_second(const json_t *group, const char *of)
{
    const json_t *site = bw_json_find(json_object_get(group, "sites"), "name", of);
    const char *word = bw_json_member(site, "second_enforcer");

    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++)
        if (strcmp(bw_second_word(seconds[i].word), word) == 0)
            return seconds[i].way;
    return NULL;
}

/* The site that a sick primary would go to: one that could follow now, or else any other candidate. */
static const char *other_site(const json_t *group, const char *of)
{
    const char *other = NULL;
    json_t *site;
    size_t i;

    json_array_foreach(json_object_get(group, "sites"), i, site)
    {
        if (strcmp(bw_json_member(site, "name"), of) == 0 || strcmp(bw_json_member(site, "candidate"), "never") == 0)
            continue;
        if (other == NULL || bw_json_truth(site, "eligible"))
            other = bw_json_member(site, "name");
    }
    return other;
}

static void print(const char *way, const char *group, const char *of, FILE *out)
{
    (void)fputs("  ", out);
    for (; *way != '\0'; way++) {
        if (way[0] != '%') {
            (void)fputc(*way, out);
            continue;
        }
        way++;
        BW_ASSERT(*way == 'g' || *way == 's');
        (void)fputs(*way == 'g' ? group : of, out);
    }
    (void)fputc('\n', out);
}

static bool is_vacant(const json_t *group)
{
    const char *phase = json_string_value(json_object_get(group, "phase"));

    return phase != NULL && strcmp(phase, "VACANT") == 0 && strcmp(bw_json_member(group, "mode"), "observe") != 0;
}

void bw_tell_way(const char *word, const json_t *group, const char *of, FILE *out)
{
    const bool is_special = is_vacant(group) || json_is_false(json_object_get(group, "votes"));

    if (strcmp(word, bw_trouble_word(BW_TROUBLE_SECOND_ENFORCER_LOST)) == 0 && of != NULL) {
        const char *way = way_of_second(group, of);

        if (way != NULL)
            print(way, bw_json_member(group, "name"), of, out);
        return;
    }
    if (strcmp(word, bw_trouble_word(BW_TROUBLE_UNHEALTHY)) == 0 && of != NULL) {
        if (other_site(group, of) != NULL)
            print("to move it, whatever its status says:  breakwater switchover %g --to %s", bw_json_member(group, "name"),
                  other_site(group, of), out);
        return;
    }
    if (strcmp(word, bw_trouble_word(BW_TROUBLE_DECISIONS_LOST)) == 0 && json_is_array(json_object_get(group, "claims"))) {
        print(named_way, bw_json_member(group, "name"), of, out);
        return;
    }
    /* A witness answers this command, so it runs. */
    if (strcmp(word, bw_trouble_word(BW_TROUBLE_WITNESS_LOST)) == 0 && json_is_array(json_object_get(group, "reaches"))) {
        print("%s runs: mend the way between the witnesses; why it fails, there:  journalctl -u breakwater-witness", "", of, out);
        return;
    }
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(bw_trouble_word(ways[i].trouble), word) != 0 ||
            (ways[i].is_special && !is_special))
            continue;
        print(ways[i].way, bw_json_member(group, "name"), of != NULL ? of : "", out);
        return;
    }
}
