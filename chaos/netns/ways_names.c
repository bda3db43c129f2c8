/* ways_names.c - the nodes find each other by names, which one process answers at 127.0.0.1 of each of their networks. */
#include "ways.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "zone.h"

#define NAME_SERVER_HOST "127.0.0.1"
#define ZONE_BYTES       1024 /* a line for each node and fault: short ones */

/* In a child of the harness. A socket stays in the network in which it was made. */
__attribute__((noreturn)) static void serve(const struct bw_lab *lab)
{
    int sockets[BW_ZONE_SOCKETS_MAX];

    _Static_assert(BW_HUB_NODES_MAX <= BW_ZONE_SOCKETS_MAX, "one for each node");
    if (prctl(PR_SET_NAME, "names") != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        _exit(EXIT_FAILURE);
    for (uint32_t i = 0; i < lab->node_count; i++) {
        sockets[i] = setns(lab->hub.namespaces[i], CLONE_NEWNET) == 0 ? bw_zone_listen(NAME_SERVER_HOST) : -1;
        if (sockets[i] < 0) {
            perror("error: serve names at " NAME_SERVER_HOST);
            _exit(EXIT_FAILURE);
        }
    }
    bw_zone_serve(lab->zone, sockets, lab->node_count);
}

enum bw_err bw_name_server_start(struct bw_lab *lab, struct bw_diag *diag)
{
    enum bw_err err;

    if (!lab->box->has_names)
        return BW_OK;
    err = bw_lab_path(lab->zone, lab->dir, "zone", diag);
    if (err == BW_OK)
        err = bw_name_server_tell(lab, NULL, diag);
    if (err != BW_OK)
        return err;
    (void)fflush(NULL); /* so that the child has nothing of ours to write */
    lab->name_server = fork();
    if (lab->name_server == 0)
        serve(lab);
    return lab->name_server > 0 ? BW_OK : bw_diag_errno(diag, errno, "start the name server");
}

enum bw_err bw_name_server_tell(const struct bw_lab *lab, const struct bw_faults *faults, struct bw_diag *diag)
{
    char text[ZONE_BYTES];
    size_t used = 0;

    for (uint32_t i = 0; i < lab->node_count && used < sizeof text; i++) {
        char host[BW_LAB_HOST_BYTES];
        char address[BW_HUB_ADDRESS_BYTES];

        bw_lab_host(lab, i, host);
        if (lab->nodes[i].is_elsewhere)
            bw_hub_address_elsewhere(i, address);
        else
            bw_hub_address(i, address);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s %s\n", host, address);
    }
    for (uint32_t i = 0; faults != NULL && i < BW_LAB_FAULTS_MAX && used < sizeof text; i++)
        if (faults->list[i].kind != NULL && faults->list[i].kind->part == BW_FAULT_OF_NAMES)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s", faults->list[i].kind->text);
    return used < sizeof text ? bw_lab_write(lab->zone, diag, "%s", text)
                              : bw_diag_set(diag, BW_ERR_LIMIT, "the names need more than %d bytes", ZONE_BYTES);
}

static enum bw_err move(struct bw_lab *lab, uint32_t node, bool is_elsewhere, struct bw_diag *diag)
{
    lab->nodes[node].is_elsewhere = is_elsewhere;
    return bw_hub_move(&lab->hub, node, is_elsewhere, diag);
}

enum bw_err bw_begin_moved(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return move(lab, fault->node, true, diag);
}

enum bw_err bw_end_moved(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    return move(lab, fault->node, false, diag);
}
