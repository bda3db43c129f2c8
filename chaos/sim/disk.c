/* disk.c - files that are replaced whole, as os/durable does it, on disks that fail. */
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "check_override.h"
#include "site.h"

static struct sim_file *find(struct sim_host *host, const char *name)
{
    for (uint32_t i = 0; i < SIM_FILES_MAX; i++)
        if (strcmp(host->files[i].name, name) == 0)
            return &host->files[i];
    return NULL;
}

static void changed(const struct sim_host *host, const char *name)
{
    if (host->kind == SIM_HOST_SITE && strcmp(name, SIM_AGENT_FILE) == 0)
        sim_check_override_kept(host);
}

const struct sim_file *sim_file_load(const struct sim_host *host, const char *name)
{
    return find((struct sim_host *)(uintptr_t)host, name); /* only looked at */
}

void sim_file_remove(struct sim_host *host, const char *name)
{
    struct sim_file *file = find(host, name);

    if (file == NULL)
        return;
    free(file->bytes);
    *file = (struct sim_file){.size = 0};
    changed(host, name);
}

static void replace(struct sim_host *host, const char *name, bool is_volatile, const void *bytes,
                    size_t size)
{
    struct sim_file *file = find(host, name);
    uint8_t *copy = malloc(size > 0 ? size : 1);

    BW_ASSERT(copy != NULL);
    if (file == NULL)
        file = find(host, "");
    BW_ASSERT(file != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    free(file->bytes); /* nobody copies a file onto itself */
    BW_ASSERT(bw_copy_text(file->name, sizeof file->name, name));
    file->is_volatile = is_volatile;
    file->bytes = copy;
    file->size = size;
    file->version = ++host->world->file_versions;
    changed(host, name);
}

bool sim_file_copy(struct sim_host *host, const char *from, const char *to)
{
    const struct sim_file *file = find(host, from);

    if (file == NULL)
        return false;
    replace(host, to, file->is_volatile, file->bytes, file->size);
    return true;
}

#define SAVE_NS_MAX  (2 * SIM_MS)
#define LATE_PERCENT 10 /* of the saves; of an fsync beside others */
#define LATE_NS_MAX  (60 * SIM_MS)

uint64_t sim_disk_takes_ns(struct sim_process *process, bool is_volatile, uint64_t begin_ns)
{
    const struct sim_disk_faults *faults = &process->disk;
    const uint64_t hung_until_ns = is_volatile ? faults->run_hung_until_ns : faults->hung_until_ns;
    uint64_t ns = bw_prng_below(&process->chance, is_volatile ? SIM_MS / 4 : SAVE_NS_MAX);

    if (!is_volatile && sim_chance(&process->chance, LATE_PERCENT * 10000))
        ns += bw_prng_below(&process->chance, LATE_NS_MAX);
    if (!is_volatile && faults->slow_ms > 0)
        ns += bw_prng_below(&process->chance, faults->slow_ms * SIM_MS);
    if (hung_until_ns > begin_ns) {
        sim_count(sim_world_of(process), is_volatile ? "disk:run_hangs" : "disk:hangs");
        ns += hung_until_ns - begin_ns;
    }
    return ns;
}

enum bw_err sim_file_save(struct sim_process *process, const char *name, bool is_volatile,
                          const void *bytes, size_t size)
{
    struct sim_host *host = process->host;
    const struct sim_disk_faults *faults = &process->disk;
    struct bw_prng *chance = &process->chance;

    if (sim_crash_point(process, "crash:before-save"))
        return BW_ERR_UNKNOWN;
    if (!is_volatile && faults->slow_ms > 0 && !process->saves_beside)
        sim_process_stall(process, bw_prng_below(chance, faults->slow_ms * SIM_MS));
    if ((is_volatile && sim_chance(chance, faults->run_fail_percent * 10000)) ||
        (!is_volatile &&
         (faults->is_full || sim_chance(chance, faults->fail_percent * 10000)))) {
        sim_count(host->world, "disk:failed");
        sim_tell(host->world, process->name, "cannot write %s", name);
        return BW_ERR_IO;
    }
    if (!is_volatile && sim_chance(chance, faults->unknown_percent * 10000)) {
        sim_count(host->world, "disk:unknown");
        sim_tell(host->world, process->name, "does not know what it has written to %s", name);
        if (sim_chance(chance, 500000))
            replace(host, name, is_volatile, bytes, size);
        return BW_ERR_UNKNOWN;
    }
    replace(host, name, is_volatile, bytes, size);
    if (sim_crash_point(process, "crash:after-save"))
        return BW_ERR_UNKNOWN;
    return BW_OK;
}
