#include "agent/commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/console.h"
#include "agent/exit_code.h"
#include "agent/memory.h"

int command_fail(const struct error *err)
{
    console_print_error(err->text, exit_hint_for(err));
    return exit_code_for(err);
}

int command_open(struct agent *a, const struct command_context *c, int *code)
{
    struct store_options wanted = {.jobs = c->options->jobs};
    struct error err;

    agent_hurry(&wanted);
    if (agent_open(a, memory_for_payload(c->options->max_memory), &err) != 0) {
        *code = command_fail(&err);
        return -1;
    }
    if (agent_open_store(a, c->cluster, c->paths, &wanted, &err) == 0)
        return 0;
    *code = command_fail(&err);
    agent_close(a);
    return -1;
}

bool command_confirm(const struct command_context *c, const char *question, int *code)
{
    char answer[16] = "";

    if (c->options->yes)
        return true;
    if (!isatty(STDIN_FILENO)) {
        console_print_error(
            "this needs a confirmation, and there is no terminal to ask on",
            "add --yes if you are sure");
        *code = EXIT_USAGE;
        return false;
    }
    fprintf(stderr, "%s [y/N] ", question);
    if (fgets(answer, sizeof answer, stdin) != NULL &&
        (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    fprintf(stderr, "nothing was changed\n");
    *code = EXIT_FAILED;
    return false;
}
