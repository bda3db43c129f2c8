/* INSTALL.txt: what is typed on each machine, and what is printed then. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "parts.h"

#define NAME_BYTES  (2 * BW_NAME_MAX + 64)
#define VALUE_BYTES 4096

struct steps {
    FILE *out;
    unsigned count;
};

static void step(struct steps *steps, const char *prints, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void step(struct steps *steps, const char *prints, const char *format, ...)
{
    va_list args;

    (void)fprintf(steps->out, "\n%u. ", ++steps->count);
    va_start(args, format);
    (void)vfprintf(steps->out, format, args);
    va_end(args);
    (void)fprintf(steps->out, "\n   %s\n", prints);
}

static FILE *begin(struct bw_generation *generation, const char *folder, char name[NAME_BYTES])
{
    (void)snprintf(name, NAME_BYTES, "%s/INSTALL.txt", folder);
    return bw_tree_open(generation->tree, name, 0644);
}

static void note_units(struct steps *steps)
{
    (void)fputs("   A machine of another system: unpack the tarball of breakwater, and run its install.sh instead\n", steps->out);
}

#define SILENT  "(prints nothing)"
#define PACKAGE "apt install ./breakwater_*.deb"
#define HEAD    "Copy this folder to that machine. There, as root, in this folder. Under each command is what it prints.\n"

/* ---- witnesses ------------------------------------------------------------------------------- */

static void on_machine(struct steps *steps, const struct bw_answers_witness *witness, bool is_first)
{
    char made[256 + BW_NAME_MAX];
    const char *options = is_first ? "" : witness->has_joined ? " --join --cluster-id ID" : " --cluster-id ID";

    step(steps, "Setting up breakwater", PACKAGE);
    note_units(steps);
    step(steps, SILENT, "install -D -m 0644 -t /etc/breakwater ca.pem witness.yaml");
    step(steps, SILENT, "install -o breakwater -m 0600 -t /etc/breakwater witness.pem");
    step(steps, "0 failed, 1 warning: the data directory is not there yet", "breakwater check /etc/breakwater/witness.yaml");
    (void)snprintf(made, sizeof made, "Made %s for witness %s%s", witness->data_dir, witness->name,
                   is_first ? ", and the id of the cluster: the other witnesses need it"
                            : ". A witness that is not made yet does not answer"); /* a long path is cut */
    step(steps, made, "runuser -u breakwater -- breakwater witness init -c /etc/breakwater/witness.yaml%s", options);
    step(steps, witness->has_joined ? "Created symlink" : "Created symlink. The cluster begins when all witnesses run",
         "systemctl enable --now breakwater-witness");
}

static void in_cluster(struct steps *steps, const char *namespace, bool is_first)
{
    step(steps, "created, or configured", "kubectl create namespace %s --dry-run=client -o yaml | kubectl apply -f -",
         namespace);
    if (!is_first)
        step(steps, SILENT, "printf %%s ID >cluster-id");
    step(steps, "statefulset.apps/breakwater-witness created", "kubectl apply -k .");
    step(steps, "the address that the name of the witness has to lead to; and the pod: Running, and Ready when two witnesses are connected",
         "kubectl -n %s get service,pods", namespace);
    if (is_first)
        step(steps, "Made /var/lib/breakwater/data, and the id of the cluster: the other witnesses need it",
             "kubectl -n %s logs breakwater-witness-0 -c init", namespace);
}

void bw_install_witness(struct bw_generation *generation, const struct bw_answers_witness *witness)
{
    char name[NAME_BYTES];
    struct steps steps = {.out = begin(generation, witness->name, name)};
    const bool is_pod = witness->namespace[0] != '\0';
    const struct bw_answers_witness *first = &generation->answers->witnesses[0];
    const bool is_first = witness->is_first;

    if (steps.out == NULL)
        return;
    (void)fprintf(steps.out, "Witness %s of cluster %s, %s %s.\n", witness->name, generation->answers->cluster,
                  is_pod ? "in the namespace" : "on the machine", is_pod ? witness->namespace : witness->host);
    if (witness->has_joined || first->has_joined)
        (void)fputs("`breakwater members` prints the ID of the cluster.\n", steps.out);
    else if (!is_first)
        (void)fprintf(steps.out, "Witness %s comes first: it prints the ID of the cluster.\n", first->name);
    if (is_pod) {
        (void)fputs("In this folder, with a kubeconfig of that cluster. Under each command is what it prints.\n", steps.out);
        in_cluster(&steps, witness->namespace, is_first);
    } else {
        (void)fputs(HEAD, steps.out);
        on_machine(&steps, witness, is_first);
    }
    if (witness->has_joined)
        (void)fprintf(steps.out,
                      "\nThen, as an operator: breakwater members replace OLD %s.\n"
                      "At the address of OLD: breakwater members remove OLD, then breakwater members add %s.\n"
                      "Copy the changed files to all witnesses, sites and operators, and reload.\n", witness->name, witness->name);
    bw_tree_close(generation->tree, steps.out, name);
}

/* ---- sites ----------------------------------------------------------------------------------- */

/* Calls `use` with the value of each variable that is the path of a file which the operator has to put there. */
static void each_file(const struct bw_generation *generation, const struct bw_answers_site *site,
                      void (*use)(const char *variable, const char *path, void *with), void *with)
{
    for (uint32_t g = 0; g < generation->answers->group_count; g++) {
        const struct bw_answers_group *group = &generation->answers->groups[g];

        if (bw_answers_member_at(group, site->name) == NULL)
            continue;
        for (uint32_t v = 0; v < group->variable_count; v++) {
            const struct bw_set_variable *variable = &group->variables[v].of;
            char path[VALUE_BYTES];

            if (variable->is_file &&
                bw_generate_variable(generation->answers, group, site, variable->name, path, sizeof path) && path[0] == '/')
                use(variable->name, path, with);
        }
    }
}

static void put_file(const char *variable, const char *path, void *with)
{
    (void)fprintf(with, "\n   %s, mode 0600 (%s)", path, variable);
}

static void put_from_file(const char *variable, const char *path, void *with)
{
    (void)variable;
    (void)fprintf(with, " --from-file=%s", strrchr(path, '/') + 1); /* it begins with one */
}

static void count_file(const char *variable, const char *path, void *with)
{
    (void)variable;
    (void)path;
    *(unsigned *)with += 1;
}

static unsigned file_count(const struct bw_generation *generation, const struct bw_answers_site *site)
{
    unsigned count = 0;

    each_file(generation, site, count_file, &count);
    return count;
}

static void site_on_machine(struct steps *steps, const struct bw_generation *generation, const struct bw_site_part *part)
{
    const char *config = part->is_second ? "second-enforcer.yaml" : "site.yaml";

    if (file_count(generation, part->site) > 0) {
        (void)fputs("\nBefore step 4 put these files there:", steps->out);
        each_file(generation, part->site, put_file, steps->out);
        (void)putc('\n', steps->out);
    }
    step(steps, "Setting up breakwater", PACKAGE);
    note_units(steps);
    step(steps, SILENT, "install -d /etc/breakwater && cp -r ca.pem %s scripts /etc/breakwater", config);
    step(steps, SILENT, "install -m 0600 -t /etc/breakwater agent.pem");
    step(steps, "0 failed", "breakwater check /etc/breakwater/%s", config);
    if (part->is_second) {
        step(steps, "Created symlink", "systemctl enable --now breakwater-second-enforcer");
        return;
    }
    (void)fputs("\nIf the service does not run anywhere yet, test the scripts and the kill now. This starts, kills and stops the service:\n"
                "   breakwater-chaos scripts -c /etc/breakwater/site.yaml\n"
                "If the service runs, test the kill later: `breakwater prove` kills the service and starts it again.\n",
                steps->out);
    step(steps, "Created symlink", "systemctl enable --now breakwater-guard breakwater-agent");
    step(steps, "agent and guard are connected", "breakwater status --site%s%s", part->site->guard_socket != NULL ? " --socket " : "",
         part->site->guard_socket != NULL ? part->site->guard_socket : "");
}

static void site_in_cluster(struct steps *steps, const struct bw_generation *generation, const struct bw_answers_site *site)
{
    step(steps, "node/NODE1 labeled. Choose two nodes without pods of the service: kubectl get pods --all-namespaces -o wide", "kubectl label node NODE1 NODE2 breakwater=%s",
         site->namespace);
    step(steps, "node/NODE1 tainted", "kubectl taint node NODE1 NODE2 breakwater=%s:NoSchedule", site->namespace);
    step(steps, "created, or configured",
         "kubectl create namespace %s --dry-run=client -o yaml | kubectl apply -f -", site->namespace);
    if (file_count(generation, site) > 0) {
        (void)fputs("\nBefore the next step put these files into this folder, under the last part of the path:", steps->out);
        each_file(generation, site, put_file, steps->out);
        (void)putc('\n', steps->out);
        (void)fprintf(steps->out, "\n%u. kubectl -n %s create secret generic breakwater-parts", ++steps->count, site->namespace);
        each_file(generation, site, put_from_file, steps->out);
        (void)fputs("\n   secret/breakwater-parts created\n", steps->out);
    }
    for (uint32_t g = 0; g < generation->answers->group_count; g++)
        if (generation->answers->groups[g].scripts != NULL && bw_answers_member_at(&generation->answers->groups[g], site->name) != NULL)
            (void)fprintf(steps->out,
                          "\nThe own scripts of %s run as the account disaster-recovery of this namespace. Give the account the rights that "
                          "they need.\n", generation->answers->groups[g].spec.name);
    step(steps, "deployment.apps/disaster-recovery created, or configured: the Deployment of that name is replaced", "kubectl apply -k .");
    step(steps, "successfully rolled out; after a timeout see: kubectl get pods,pvc,events (two volumes are needed)",
         "kubectl -n %s rollout status deployment/disaster-recovery --timeout=60s", site->namespace);
    step(steps, "successfully rolled out", "kubectl -n %s rollout status deployment/disaster-recovery-second --timeout=60s",
         site->namespace);
    step(steps, "0 failed", "kubectl -n %s exec deployment/disaster-recovery -c guard -- /opt/bin/breakwater check /etc/breakwater/site.yaml",
         site->namespace);
}

void bw_install_site(struct bw_generation *generation, const struct bw_site_part *part)
{
    char name[NAME_BYTES];
    struct steps steps = {.out = begin(generation, part->folder, name)};
    const bool is_pod = part->site->namespace[0] != '\0';
    const char *machine = part->is_second ? part->site->second : part->site->host;

    if (steps.out == NULL)
        return;
    (void)fprintf(steps.out, "%s of site %s in cluster %s, %s %s.\n", part->is_second ? "Second enforcer" : "Agent and guard",
                  part->site->name, generation->answers->cluster, is_pod ? "in the namespace" : "on the machine",
                  is_pod ? part->site->namespace : machine);
    if (is_pod) {
        (void)fputs("In this folder, with a kubeconfig of that cluster. Under each command is what it prints.\n", steps.out);
        site_in_cluster(&steps, generation, part->site);
    } else {
        (void)fputs(HEAD, steps.out);
        site_on_machine(&steps, generation, part);
    }
    bw_tree_close(generation->tree, steps.out, name);
}

/* ---- operators, and the order of all --------------------------------------------------------- */

/* Each group by the mode that the answers have for it. */
static void put_modes(struct steps *steps, const struct bw_answers *answers)
{
    static const enum bw_mode modes[] = {BW_MODE_AUTO, BW_MODE_MANUAL, BW_MODE_PAUSED};

    for (size_t m = 0; m < sizeof modes / sizeof modes[0]; m++) {
        const char *only = NULL;
        char *names = NULL;
        size_t size = 0;
        FILE *list = open_memstream(&names, &size);
        unsigned count = 0;

        BW_ASSERT(list != NULL);
        for (uint32_t i = 0; i < answers->group_count; i++) {
            if (answers->groups[i].spec.mode != modes[m])
                continue;
            only = answers->groups[i].spec.name;
            (void)fprintf(list, "%s%s", count > 0 ? " " : "", only);
            count++;
        }
        BW_ASSERT(fclose(list) == 0);
        if (count == 1)
            step(steps, "done: a service that runs goes on as it is, and its site is primary", "breakwater mode %s %s", only,
                 bw_mode_word(modes[m]));
        else if (count > 1)
            step(steps, "done: services that run go on as they are, and their sites are primary",
                 "for group in %s; do breakwater mode $group %s; done", names, bw_mode_word(modes[m]));
        free(names);
    }
}

/* What a site needs before the loss of it needs nobody. */
static void put_proofs(FILE *out, const struct bw_answers *answers)
{
    const char *group = answers->group_count == 1 ? answers->groups[0].spec.name : "GROUP";

    (void)fputs("\nUntil the fence of a site is tested, the loss of this site needs an operator. The test ends the service at the primary and\n"
                "starts it again. Test each site while it is primary, with a planned move in between:\n", out);
    for (uint32_t i = 0; i < answers->site_count; i++) {
        const struct bw_answers_site *site = &answers->sites[i];

        if (site->namespace[0] != '\0')
            (void)fprintf(out, "   %s: kubectl -n %s exec deployment/disaster-recovery -c controller -- /opt/bin/breakwater prove %s -c "
                               "/etc/breakwater/site.yaml --yes\n", site->name, site->namespace, group);
        else
            (void)fprintf(out, "   %s, as root on %s: breakwater prove %s -c /etc/breakwater/site.yaml\n", site->name, site->host, group);
    }
    (void)fprintf(out, "   breakwater switchover %s --to SITE\n", group);
}

void bw_install_operator(struct bw_generation *generation, const char *operator)
{
    char name[NAME_BYTES];
    struct steps steps = {.out = begin(generation, operator, name)};
    const struct bw_answers *answers = generation->answers;

    if (steps.out == NULL)
        return;
    (void)fprintf(steps.out,
                  "Commands of %s in cluster %s, on any machine with breakwater. In this folder, as this user. Under each command is\n"
                  "what it prints.\n",
                  operator, generation->answers->cluster);
    step(&steps, SILENT, "mkdir -p ~/.config/breakwater && cp cli.yaml ca.pem %s.pem ~/.config/breakwater", operator);
    step(&steps, "each group, created in mode unmanaged: nothing is started, stopped or fenced; status and readiness scripts run", "breakwater apply -f groups.yaml --unmanaged");
    step(&steps, "each group: one site started, the others stopped; or all stopped, if the service runs nowhere yet",
         "breakwater status");
    (void)fputs("\nAt each site, disable everything else that starts the service: a unit, a loop, a restart policy.\n", steps.out);
    put_modes(&steps, answers);
    step(&steps, "each group, with its primary; alarms, and exit status 3, until the tests below", "breakwater status");
    put_proofs(steps.out, answers);
    (void)fputs("\nAfter a change: breakwater apply -f groups.yaml. A group keeps the mode that `breakwater mode` has set, unless the\n"
                "answers name a mode.\n",
                steps.out);
    bw_tree_close(generation->tree, steps.out, name);
}

void bw_install_order(struct bw_generation *generation)
{
    const struct bw_answers *answers = generation->answers;
    FILE *out = bw_tree_open(generation->tree, "INSTALL.txt", 0644);

    if (out == NULL)
        return;
    (void)fprintf(out, "Cluster %s. Each folder has an INSTALL.txt. Follow them in this order:\n\n1. the witnesses:", answers->cluster);
    for (uint32_t i = 0; i < answers->witness_count; i++)
        (void)fprintf(out, " %s", answers->witnesses[i].name);
    (void)fputs("\n2. the sites:", out);
    for (uint32_t i = 0; i < answers->site_count; i++)
        (void)fprintf(out, " %s%s%s%s", answers->sites[i].name, answers->sites[i].second != NULL ? " " : "",
                      answers->sites[i].second != NULL ? answers->sites[i].name : "",
                      answers->sites[i].second != NULL ? "-second" : "");
    (void)fprintf(out, "\n3. the operator: %s\n\nca/ca.key signs certificates. Keep the folder ca here, and copy it to no machine.\n",
                  answers->operators[0]);
    bw_tree_close(generation->tree, out, "INSTALL.txt");
}
