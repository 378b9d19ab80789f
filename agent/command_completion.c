#include <stdio.h>

#include "agent/commands.h"
#include "agent/completion.h"
#include "agent/exit_code.h"

int command_completion(const struct command_context *c)
{
    struct text script = {0};

    if (c->options->command == COMMAND_COMPLETION_BASH)
        completion_add_bash(&script);
    else if (c->options->command == COMMAND_COMPLETION_ZSH)
        completion_add_zsh(&script);
    else
        completion_add_fish(&script);
    fputs(text_string(&script), stdout);
    text_free(&script);
    return EXIT_DONE;
}
