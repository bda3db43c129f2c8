/* people_config.h - the list `people` of a file (design 5.3): of witness.yaml, and of the file that `apply` sends. */
#ifndef BW_CONFIG_PEOPLE_CONFIG_H
#define BW_CONFIG_PEOPLE_CONFIG_H

#include <breakwater/config/schema.h>
#include <breakwater/core/people.h>

struct bw_person {
    const char *name;     /* as in the certificate: "operator/anna", "viewer/board" */
    const char **groups;  /* names */
    uint32_t group_count; /* 0: all groups, and the cluster as a whole */
};

struct bw_people_config {
    struct bw_person *list;
    uint32_t count;
    struct bw_people people; /* the same, as the core has it; "": none, or a problem was noted */
};

/* The key `people` at `offset` of a struct, which has a struct bw_people_config there. */
#define BW_PEOPLE_KEY(offset, ...)                                                                                     \
    BW_KEY(LIST, "people", (offset) + offsetof(struct bw_people_config, list), .item = BW_KEY_MAP,                     \
           .table = &bw_person_table, .min = 1, .max = BW_PEOPLE_MAX,                                                  \
           .count_offset = (offset) + offsetof(struct bw_people_config, count), __VA_ARGS__)
extern const struct bw_table bw_person_table;

/* Notes what is wrong with the list, and makes `people` of it. True: it is sound. */
bool bw_people_config_check(struct bw_people_config *config, struct bw_document *document);

#endif
