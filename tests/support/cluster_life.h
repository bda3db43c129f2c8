/* cluster_life.h - what the tests of the programs as people run them begin and end with: a cluster
 * for each. Include it after cmocka.h. */
#ifndef CLUSTER_LIFE_H
#define CLUSTER_LIFE_H

#include "real_cluster.h"

static struct real_cluster cluster;

static inline int set_up(void **state)
{
    (void)state;
    real_cluster_init(&cluster, 2, false);
    return 0;
}

static inline int set_up_three_sites(void **state)
{
    (void)state;
    real_cluster_init(&cluster, 3, false);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    real_cluster_deinit(&cluster);
    return 0;
}

/* What the services wrote down is judged first. */
static inline int tear_down_judged(void **state)
{
    real_assert_no_overlap(&cluster); /* I1 */
    return tear_down(state);
}

#endif
