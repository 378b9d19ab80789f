#ifndef AGENT_COMMANDS_H
#define AGENT_COMMANDS_H

#include "agent/config.h"
#include "agent/options.h"
#include "agent/paths.h"

/*
 * The commands beside `create`: each does its work, says what there is to say, and
 * returns the program's exit code.
 */
struct command_context {
    const struct options *options;
    const struct paths *paths;
    struct config *config;
    const struct cluster *cluster; /* the chosen one; NULL for login and ui */
};

int command_login(const struct command_context *c);
int command_logout(const struct command_context *c);
int command_create(const struct command_context *c);
int command_resume(const struct command_context *c);
int command_list(const struct command_context *c);
int command_status(const struct command_context *c);
int command_stop(const struct command_context *c);
int command_clearcache(const struct command_context *c);
int command_completion(const struct command_context *c);
int command_diff(const struct command_context *c);
int command_files(const struct command_context *c);
int command_cat(const struct command_context *c);
int command_url(const struct command_context *c);
int command_verify(const struct command_context *c);
int command_download(const struct command_context *c);
int command_delete(const struct command_context *c);
int command_prune(const struct command_context *c);
int command_user(const struct command_context *c);
int command_check(const struct command_context *c);
int command_cluster(const struct command_context *c);
int command_credential(const struct command_context *c);
int command_ui(const struct command_context *c);

/* "error: ..." and a hint (may be NULL) on stderr; with --json the same as events on
 * stdout.  Returns code. */
int command_refuse(const struct options *o, const struct error *err, const char *hint,
                   int code);

/* The same, with the hint and the exit code that follow from the error. */
int command_fail(const struct options *o, const struct error *err);

/* Open the agent with the store of c->cluster; on failure command_fail() has been
 * called and its code is in *code. */
struct agent;
int command_open(struct agent *a, const struct command_context *c, int *code);

/* The same, and find the published NAME[:VERSION] of the first positional argument, to be
 * freed where this returns 0. */
struct version;
int command_open_version(struct agent *a, struct version *v,
                         const struct command_context *c, int *code);

/* Ask on the terminal; without one (or with --yes given) the answer follows from that.
 */
bool command_confirm(const struct command_context *c, const char *question, int *code);

#endif
