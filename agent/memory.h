#ifndef AGENT_MEMORY_H
#define AGENT_MEMORY_H

#include <stdint.h>

/*
 * How much memory payload bytes may take, from the resident size aimed at: --max-memory
 * (0: not given, then 64 MiB), less where a cgroup, RLIMIT_AS or Slurm allows less.
 */
uint64_t memory_for_payload(uint64_t max_memory);

/* The same of an archive, whose parts are held whole (there is no walk, whose sorting
 * takes as much). */
uint64_t memory_for_archive(uint64_t max_memory);

#endif
