/*
 * The program `grid`: options, configuration, and the command they ask for.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/commands.h"
#include "agent/exit_code.h"
#include "base/span.h"

typedef int command_fn(const struct command_context *c);

static command_fn *const commands[] = {
    [COMMAND_LOGIN] = command_login,
    [COMMAND_LOGOUT] = command_logout,
    [COMMAND_CLUSTER_CHECK] = command_check,
    [COMMAND_CLUSTER_DELETE] = command_cluster,
    [COMMAND_USER] = command_user,
    [COMMAND_USER_SET_CONTEXT] = command_user,
    [COMMAND_CLUSTER] = command_cluster,
    [COMMAND_CREATE] = command_create,
    [COMMAND_RESUME] = command_resume,
    [COMMAND_LIST] = command_list,
    [COMMAND_STATUS] = command_status,
    [COMMAND_STOP] = command_stop,
    [COMMAND_DIFF] = command_diff,
    [COMMAND_FILES] = command_files,
    [COMMAND_VERIFY] = command_verify,
    [COMMAND_DOWNLOAD] = command_download,
    [COMMAND_DELETE] = command_delete,
    [COMMAND_PRUNE] = command_prune,
    [COMMAND_URL] = command_url,
    [COMMAND_CLEARCACHE] = command_clearcache,
    [COMMAND_CREDENTIAL] = command_credential,
    [COMMAND_CREDENTIAL_CREATE] = command_credential,
    [COMMAND_CREDENTIAL_DELETE] = command_credential,
    [COMMAND_COMPLETION_BASH] = command_completion,
    [COMMAND_COMPLETION_ZSH] = command_completion,
    [COMMAND_COMPLETION_FISH] = command_completion,
    [COMMAND_CAT] = command_cat,
    [COMMAND_UI] = command_ui,
};

/* Many files, many connections: take what the system gives. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Logging in makes one; others do without, and the page works with all of them. */
static bool chooses_cluster(const struct options *o)
{
    return o->command != COMMAND_LOGIN && o->command != COMMAND_CLUSTER_DELETE &&
           o->command != COMMAND_CREDENTIAL &&
           o->command != COMMAND_CREDENTIAL_DELETE && o->command != COMMAND_UI &&
           o->command < COMMAND_COMPLETION_BASH;
}

static int run(const struct options *o)
{
    struct paths paths = {0};
    struct config config = {0};
    struct command_context c = {.options = o, .paths = &paths, .config = &config};
    struct error err;
    int code;

    if (paths_find(&paths, &err) != 0 || config_load(&config, &paths, &err) != 0 ||
        (chooses_cluster(o) &&
         config_choose_cluster(&c.cluster, &config, o->cluster, &err) != 0))
        code = command_fail(o, &err);
    else
        code = commands[o->command](&c);
    config_free(&config);
    paths_free(&paths);
    return code;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct error err;
    int code = EXIT_DONE;

    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    if (options_parse(&options, argc, argv, &err) != 0)
        code = command_fail(&options, &err);
    else if (options.command == COMMAND_VERSION)
        puts("grid " GRID_VERSION);
    else if (options.command != COMMAND_HELP)
        code = run(&options);
    options_free(&options);
    if (fflush(stdout) != 0 && code == EXIT_DONE)
        code = EXIT_FAILED;
    return code;
}
