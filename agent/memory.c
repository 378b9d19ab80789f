#include "agent/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/text.h"

/*
 * A quarter of the resident size is payload: the program, its libraries and thread
 * stacks take some 12 MiB, SQLite's caches, the walk's sorting and the manifest's
 * compression up to 16 MiB more (measured with 200,000 files).
 */
enum { MIB = 1 << 20, DEFAULT_MIB = 64, LEAST_PAYLOAD_MIB = 2, SHARE = 4 };

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t limit_of_file(const char *path)
{
    char line[64];
    uint64_t limit = UINT64_MAX;
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return UINT64_MAX;
    if (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (text_parse_u64(line, &limit) != 0)
            limit = UINT64_MAX; /* "max" */
    }
    fclose(file);
    return limit;
}

/* Of our own group, as cgroup v2 shows it; the root group has no such file. */
static uint64_t cgroup_limit(void)
{
    char line[512], path[600];
    uint64_t limit = UINT64_MAX;
    FILE *file = fopen("/proc/self/cgroup", "re");

    if (file == NULL)
        return UINT64_MAX;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "0::", 3) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", line + 3);
        limit = limit_of_file(path);
    }
    fclose(file);
    return limit;
}

/* Slurm counts in MiB, a node or a task's processors. */
static uint64_t slurm_limit(void)
{
    const char *node = getenv("SLURM_MEM_PER_NODE");
    const char *cpu = getenv("SLURM_MEM_PER_CPU");
    uint64_t mib;

    if (node != NULL && text_parse_u64(node, &mib) == 0 && mib > 0)
        return mib * MIB;
    if (cpu != NULL && text_parse_u64(cpu, &mib) == 0 && mib > 0)
        return mib * MIB;
    return UINT64_MAX;
}

static uint64_t address_space_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur / 2; /* stacks and mappings count there, resident or not */
}

uint64_t memory_for_archive(uint64_t max_memory)
{
    return 2 * memory_for_payload(max_memory);
}

uint64_t memory_for_payload(uint64_t max_memory)
{
    uint64_t aim = max_memory > 0 ? max_memory : (uint64_t)DEFAULT_MIB * MIB;
    uint64_t payload;

    aim = least(aim, cgroup_limit());
    aim = least(aim, slurm_limit());
    aim = least(aim, address_space_limit());
    payload = aim / SHARE;
    return payload < LEAST_PAYLOAD_MIB * MIB ? LEAST_PAYLOAD_MIB * MIB : payload;
}
