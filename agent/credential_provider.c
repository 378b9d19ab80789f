#include <stdlib.h>
#include <string.h>

#include "agent/credential_impl.h"
#include "agent/credential_provider.h"
#include "base/log.h"

static void on_process(void *ctx)
{
    struct credential_ask *ask = ctx;

    ask->err = ask->process.err;
    if (ask->err.kind == ERROR_NONE)
        (void)credential_json_keys(&ask->keys, &ask->process.out, "SessionToken",
                                   &ask->err);
    if (ask->err.kind != ERROR_NONE && ask->err.kind != ERROR_CANCELLED)
        error_wrap(&ask->err, "%s", ask->plan->origin);
    ask->done(ask->ctx);
}

void credential_process_ask(struct credential_ask *ask)
{
    ask->process = (struct credential_process){.loop = ask->loop,
                                               .command = ask->plan->command,
                                               .done = on_process,
                                               .ctx = ask};
    credential_process_start(&ask->process);
}

void credential_ask_cancel(struct credential_ask *ask)
{
    ask->is_cancelled = true;
    credential_http_cancel(&ask->http);
    credential_process_cancel(&ask->process);
}

void credential_ask_clear(struct credential_ask *ask)
{
    credential_http_clear(&ask->http);
    credential_process_clear(&ask->process);
    credentials_free(&ask->keys);
    if (ask->body.data != NULL)
        explicit_bzero(ask->body.data, ask->body.size);
    text_free(&ask->body);
    credential_fresh_free(&ask->fresh);
    free(ask->url);
    free(ask->role);
    if (ask->header.data != NULL)
        explicit_bzero(ask->header.data, ask->header.size);
    text_free(&ask->header);
    ask->url = ask->role = NULL;
}
