#include "agent/commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/catalog.h"
#include "agent/console.h"
#include "agent/exit_code.h"
#include "agent/json_event.h"
#include "agent/memory.h"

/* On stdout, for who reads --json: one event, as an upload tells it. */
static void print_event(struct event *event)
{
    struct text line = {0};

    event->time_ms = agent_clock_ms();
    json_event_add(&line, event);
    fputs(text_string(&line), stdout);
    fflush(stdout);
    text_free(&line);
}

/* Of an upload, `stopped` is the last word in any case. */
static void print_end(const struct options *o, const struct error *err,
                      const char *hint, int code)
{
    struct event error = {.kind = EVENT_ERROR}, stopped = {.kind = EVENT_STOPPED};

    error.error = (struct event_error){
        .kind = error_kind_name(err->kind), .message = err->text, .hint = hint};
    print_event(&error);
    stopped.stopped = (struct event_stopped){.exit_code = code, .reason = err->text};
    if (o->command == COMMAND_CREATE || o->command == COMMAND_RESUME)
        print_event(&stopped);
}

int command_refuse(const struct options *o, const struct error *err, const char *hint,
                   int code)
{
    if (o->json)
        print_end(o, err, hint, code);
    console_print_error(err->text, hint);
    return code;
}

int command_fail(const struct options *o, const struct error *err)
{
    return command_refuse(o, err, exit_hint_for(err), exit_code_for(err));
}

int command_open(struct agent *a, const struct command_context *c, int *code)
{
    struct store_options wanted = {.jobs = c->options->jobs};
    struct error err;

    agent_hurry(&wanted);
    if (agent_open(a, memory_for_payload(c->options->max_memory), &err) != 0) {
        *code = command_fail(c->options, &err);
        return -1;
    }
    if (agent_open_store(a, c->cluster, c->paths, &wanted, &err) == 0)
        return 0;
    *code = command_fail(c->options, &err);
    agent_close(a);
    return -1;
}

int command_open_version(struct agent *a, struct version *v,
                         const struct command_context *c, int *code)
{
    char name[NAME_MAX_BYTES + 1];
    uint64_t number;
    struct error err;

    memset(v, 0, sizeof *v);
    if (name_parse(name, &number, c->options->positional[0], &err) != 0) {
        *code = command_fail(c->options, &err);
        return -1;
    }
    if (command_open(a, c, code) != 0)
        return -1;
    if (catalog_fold_name(a, name, &err) == 0 &&
        catalog_find(a, name, number, v, &err) == 0)
        return 0;
    *code = command_fail(c->options, &err);
    version_free(v);
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
