#ifndef AGENT_SITE_H
#define AGENT_SITE_H

#include "base/text.h"

/*
 * What a site does to processes that stay behind when their user leaves: systemd-logind
 * with KillUserProcesses=yes (logind.conf(5)), and Slurm at the end of a step.
 */
struct site {
    const char *root; /* "" of this machine: where /etc and /proc are looked for */
    const char *user; /* whose processes; may be NULL */
    const char *job, *step; /* of Slurm, NULL outside */
};

/* Of this process.  user is borrowed, the rest is of the environment. */
void site_look(struct site *site, const char *user);

/* A sentence for each thing that will end a process that is left behind, with what to do
 * about it; nothing where nothing is known to.  Blocks for a few small files. */
void site_add_limits(const struct site *site, struct text *out);

#endif
