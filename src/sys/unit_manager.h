/* unit_manager.h - what units.c asks of each manager that runs units. Private to sys. */
#ifndef BW_SYS_UNIT_MANAGER_H
#define BW_SYS_UNIT_MANAGER_H

#include <breakwater/base/instant.h>
#include <breakwater/sys/units.h>

#define BW_UNIT_MANAGER_ARGS_MAX 8 /* before the names */

struct bw_unit_manager {
    const char *name;     /* "systemd"; NULL: that of the tool's file */
    const char *noun;     /* what a group names: "units" */
    const char *expected; /* what a bad name is not, for people */
    const char *no_tool;
    const char *advice; /* see bw_units_restart_advice */
    const char *shell;  /* runs the look instead of the tool; NULL: the tool does */
    bool has_no_signal; /* its units are signaled by their cgroups */
    uint64_t limit_ns;  /* for one call of the tool */
    bool (*is_name)(const char *name);
    const char *(*find_tool)(void); /* NULL: there is none */
    /* At most BW_UNIT_MANAGER_ARGS_MAX, the names follow. Returns how many. */
    size_t (*look_arguments)(const struct bw_units *units, const char **out_args);
    /* A line of the look, into `seen`. */
    void (*take_line)(struct bw_units *units, const char *line, size_t bytes);
    /* The look has ended well: `units` from `seen`. On an error `units` may be half of it. */
    enum bw_err (*take_over)(struct bw_units *units, struct bw_diag *diag);
};

extern const struct bw_unit_manager bw_unit_manager_systemd;
extern const struct bw_unit_manager bw_unit_manager_compose;

/* One that its manager calls down, and that has processes left in its cgroup, is up. */
void bw_unit_judge_left(struct bw_unit *unit);
/* How many processes its cgroup has; none without one, or where that is gone. */
BW_MUST_CHECK enum bw_err bw_unit_count_processes(const struct bw_unit *unit, size_t *out_count,
                                                  struct bw_diag *diag);

#endif
