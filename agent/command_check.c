/*
 * `grid cluster check`: a doctor for the store of a cluster, and for this machine's place
 * of checkpoints.
 */
#include <string.h>

#include "agent/commands.h"
#include "agent/console.h"
#include "agent/doctor.h"
#include "agent/doctor_dir.h"
#include "agent/doctor_s3.h"
#include "agent/exit_code.h"
#include "agent/memory.h"

static int examine(const struct command_context *c)
{
    struct doctor d = {.c = c};
    struct agent a;
    struct error err;

    if (agent_open(&a, memory_for_payload(0), &err) != 0)
        return command_fail(c->options, &err);
    d.agent = &a;
    if (strncmp(c->cluster->store, "s3://", 5) == 0)
        doctor_s3_run(&d);
    else
        doctor_dir_store(&d);
    doctor_dir_state(&d);
    agent_close(&a);
    return d.is_refused ? EXIT_REFUSED : d.n_failed > 0 ? EXIT_FAILED : EXIT_DONE;
}

int command_check(const struct command_context *c)
{
    struct command_context named = *c;
    struct error err;

    if (c->options->positional[0] != NULL &&
        config_choose_cluster(&named.cluster, c->config, c->options->positional[0],
                              &err) != 0)
        return command_fail(c->options, &err);
    return examine(&named);
}
