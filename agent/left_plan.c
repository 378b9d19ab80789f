/*
 * The session's record names its source, from which its checkpoint's file follows; that
 * this is really its plan, and not one of a later session of the same source, the
 * session id in it says.
 */
#include "agent/left_plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/answer.h"
#include "agent/open_uploads.h"
#include "agent/session_files.h"
#include "agent/session_status.h"
#include "base/log.h"

static int abort_planned(struct agent *a, struct checkpoint *plan,
                         const struct version *v, struct error *err)
{
    char *session = checkpoint_get(plan, "session");
    struct text prefix = {0};
    int status = 0;

    text_add_format(&prefix, "%s/v%" PRIu64 "/", v->name, v->number);
    if (session != NULL && strcmp(session, v->session.session) == 0)
        status = open_uploads_abort(a, text_string(&prefix), plan, v->session.part_size,
                                    err);
    text_free(&prefix);
    free(session);
    return status;
}

/* Blocks on the disk: nothing else is under way. */
static int with_plan(struct agent *a, const char *database, const struct version *v,
                     struct error *err)
{
    struct checkpoint *plan;
    bool lock_works;
    int status = checkpoint_open(&plan, &a->loop, database, &lock_works, err);

    if (status != 0 && err->kind == ERROR_CONFLICT)
        return -1;
    if (status != 0) {
        log_line(LOG_INFO, LOG_CHECKPOINT, "%s is of no use: %s", database, err->text);
        return 0;
    }
    status = abort_planned(a, plan, v, err);
    answer_close(plan, &a->loop);
    return status;
}

int left_plan_abort_uploads(struct agent *a, const struct paths *paths,
                            const struct version *v, struct error *err)
{
    struct session_files files;
    int status = 0;

    if (!store_limits(a->store)->lists_exact_key || v->session.source == NULL ||
        v->status == VERSION_SUCCEEDED || v->status == VERSION_UPLOADING)
        return 0;
    session_files_init(&files, paths_of(paths, PATHS_SESSIONS), v->name,
                       store_url(a->store), v->session.source);
    if (access(files.database, R_OK | W_OK) == 0)
        status = with_plan(a, files.database, v, err);
    session_files_free(&files);
    return status;
}

void left_plan_forget_status(struct agent *a, const struct paths *paths,
                             const struct version *v)
{
    struct session_status status;
    struct session_files files;
    struct error ignored;

    if (v->session.source == NULL || v->status == VERSION_SUCCEEDED)
        return;
    session_files_init(&files, paths_of(paths, PATHS_SESSIONS), v->name,
                       store_url(a->store), v->session.source);
    if (session_status_read(&status, files.status, &ignored) == 0 &&
        strcmp(status.session, v->session.session) == 0 &&
        !session_status_is_alive(&status))
        unlink(files.status);
    session_status_free(&status);
    session_files_free(&files);
}
