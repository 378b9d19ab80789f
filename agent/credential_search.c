/*
 *   PLANNING on a worker --> ASKING the provider --> ASSUMING role after role --> done
 *                               |         ^               |      ^
 *                               +- trouble that may pass: PAUSING +
 *
 * Trouble that may pass is borne for a few seconds: whoever needs keys now has nothing
 * else to do, and who has some that live on will ask again.
 */
#include "agent/credential_search.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

enum { FAILURES_MAX = 3, PAUSE_MS = 500 /* doubled each time */ };

static void advance(struct credential_search *s);

static bool has_base(const struct credential_search *s)
{
    return s->found.access_key != NULL;
}

/* ---- the end ---- */

static void on_end(void *ctx)
{
    struct credential_search *s = ctx;

    s->phase = SEARCH_IDLE;
    credential_ask_clear(&s->ask);
    sts_clear(&s->sts);
    credential_plan_free(&s->plan);
    if (s->err.kind != ERROR_NONE)
        credentials_free(&s->found);
    s->done(s->ctx);
}

static void end(struct credential_search *s)
{
    s->phase = SEARCH_CLOSING;
    loop_defer(s->loop, &s->soon, on_end, s);
}

static void give_up(struct credential_search *s)
{
    error_set(&s->err, ERROR_CANCELLED, 0, "cancelled");
    end(s);
}

static void fail(struct credential_search *s, const struct error *err)
{
    s->err = *err;
    end(s);
}

/* There is no logging in to env; a cluster that is logged in to has no name yet. */
static bool can_log_in(const struct cluster *cluster)
{
    return cluster->name != NULL && strcmp(cluster->name, "env") != 0;
}

static void add_places(struct text *text, const struct credential_search *s)
{
    const char *profile = s->plan.profile;

    text_add_format(text, "AWS_ACCESS_KEY_ID, profile %.40s of ~/.aws%s%s",
                    profile != NULL ? profile : "default",
                    s->has_no_instance ? ", the instance metadata service" : "",
                    can_log_in(s->cluster) ? ", `grid login`" : "");
}

static void say_none(struct credential_search *s)
{
    const struct cluster *cluster = s->cluster;
    const char *store = cluster->store != NULL ? cluster->store : "s3://BUCKET";
    struct text places = {0};

    s->has_none = true;
    add_places(&places, s);
    if (can_log_in(cluster))
        error_set(&s->err, ERROR_AUTH, 0,
                  "no credentials for cluster %.60s (looked for in %s); log in: grid "
                  "login --cluster %.60s",
                  cluster->name, text_string(&places), cluster->name);
    else
        error_set(
            &s->err, ERROR_AUTH, 0,
            "no credentials for %.80s (looked for in %s); set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or log in: grid login --store %.80s",
            store, text_string(&places), store);
    text_free(&places);
    end(s);
}

/* ---- trouble that may pass ---- */

static void on_paused(uv_handle_t *timer)
{
    struct credential_search *s = timer->data;

    advance(s);
}

static void on_pause_over(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, on_paused);
}

static bool may_pass(const struct error *err)
{
    return err->kind == ERROR_NETWORK || err->kind == ERROR_TRANSIENT ||
           err->kind == ERROR_THROTTLED;
}

static void bear(struct credential_search *s, const struct error *err)
{
    if (s->is_cancelled || !may_pass(err) || ++s->failures >= FAILURES_MAX) {
        fail(s, err);
        return;
    }
    log_line(LOG_INFO, LOG_SESSION, "looking for keys once more: %s", err->text);
    s->phase = SEARCH_PAUSING;
    uv_timer_init(&s->loop->uv, &s->pause);
    s->pause.data = s;
    uv_timer_start(&s->pause, on_pause_over, (uint64_t)PAUSE_MS << s->failures, 0);
}

/* ---- roles ---- */

static int give_keys(void *ctx, struct s3_keys *out, struct error *err)
{
    const struct credentials *keys = ctx;

    (void)err;
    *out = (struct s3_keys){.access_key = keys->access_key,
                            .secret_key = keys->secret_key,
                            .session_token = keys->session_token};
    return 0;
}

static void take(char **out, char **from)
{
    free(*out);
    *out = *from;
    *from = NULL;
}

/* In place of those it was asked with; where they come from stays what the plan says. */
static void take_assumed(struct credential_search *s)
{
    struct credentials *found = &s->found;

    if (found->secret_key != NULL)
        explicit_bzero(found->secret_key, strlen(found->secret_key));
    take(&found->access_key, &s->sts.access_key);
    take(&found->secret_key, &s->sts.secret_key);
    take(&found->session_token, &s->sts.session_token);
    found->expires_at_ms = s->sts.expires_at_ms;
}

static void on_assumed(struct sts *sts, void *ctx)
{
    struct credential_search *s = ctx;

    if (sts->err.kind != ERROR_NONE) {
        bear(s, &sts->err);
        return;
    }
    if (has_base(s))
        s->n_assumed++;
    take_assumed(s);
    s->failures = 0;
    advance(s);
}

static void assume(struct credential_search *s, const struct credential_role *role,
                   enum sts_action action, const struct s3_options *at)
{
    s->phase = SEARCH_ASSUMING;
    s->sts_options = (struct s3_options){
        .endpoint = at != NULL ? at->endpoint : s->plan.sts_endpoint,
        .region = at != NULL ? at->region : s->plan.region,
        .ca_file = at != NULL ? at->ca_file : s->plan.ca_file,
        .keys = give_keys,
        .keys_ctx = &s->found,
    };
    s->sts = (struct sts){
        .loop = s->loop,
        .options = &s->sts_options,
        .action = action,
        .role = {.role_arn = role->role_arn,
                 .session_name = role->session_name,
                 .external_id = role->external_id,
                 .web_identity = s->plan.token,
                 .duration_s = role->duration_s},
        .done = on_assumed,
        .ctx = s,
    };
    sts_start(&s->sts);
}

/* ---- the provider ---- */

/* *from is empty afterwards. */
static void take_found(struct credential_search *s, struct credentials *from)
{
    free(from->origin);
    from->origin = NULL;
    s->found = *from;
    memset(from, 0, sizeof *from);
}

static void on_asked(void *ctx)
{
    struct credential_search *s = ctx;

    if (s->ask.err.kind == ERROR_NOT_FOUND && s->plan.n_roles == 0) {
        s->has_no_instance = true;
        say_none(s);
        return;
    }
    if (s->ask.err.kind == ERROR_NOT_FOUND)
        s->ask.err.kind = ERROR_AUTH; /* a role has named it */
    if (s->ask.err.kind != ERROR_NONE) {
        bear(s, &s->ask.err);
        return;
    }
    take_found(s, &s->ask.keys);
    s->failures = 0;
    advance(s);
}

static void ask(struct credential_search *s)
{
    static void (*const asks[])(struct credential_ask *) = {
        [CREDENTIAL_PROCESS] = credential_process_ask,
        [CREDENTIAL_SSO] = credential_sso_ask,
        [CREDENTIAL_CONTAINER] = credential_container_ask,
        [CREDENTIAL_INSTANCE] = credential_instance_ask,
    };

    s->phase = SEARCH_ASKING;
    credential_ask_clear(&s->ask);
    s->ask = (struct credential_ask){
        .loop = s->loop, .plan = &s->plan, .done = on_asked, .ctx = s};
    asks[s->plan.base](&s->ask);
}

/* ---- the way ---- */

static void finish(struct credential_search *s)
{
    struct credentials *found = &s->found;
    struct text origin = {0};

    if (s->role != NULL)
        text_add_format(&origin, "role %s, with the keys of ", s->role->role_arn);
    text_add(&origin, s->plan.origin);
    found->origin = text_take(&origin);
    found->provider = s->role != NULL ? "role" : s->plan.provider;
    log_hide(found->secret_key);
    log_hide(found->session_token);
    end(s);
}

/* What is still to be done, in order. */
static void advance(struct credential_search *s)
{
    size_t n_roles = s->plan.n_roles;

    if (s->is_cancelled)
        give_up(s);
    else if (!has_base(s) && s->plan.base == CREDENTIAL_NONE)
        say_none(s);
    else if (!has_base(s) && s->plan.base == CREDENTIAL_WEB_IDENTITY)
        assume(s, &s->plan.web, STS_ASSUME_ROLE_WITH_WEB_IDENTITY, NULL);
    else if (!has_base(s))
        ask(s);
    else if (s->n_assumed < n_roles)
        assume(s, &s->plan.roles[s->n_assumed], STS_ASSUME_ROLE, NULL);
    else if (s->role != NULL && s->n_assumed == n_roles)
        assume(s, s->role, STS_ASSUME_ROLE, s->role_sts);
    else
        finish(s);
}

static void plan_work(void *ctx)
{
    struct credential_search *s = ctx;

    error_clear(&s->err);
    (void)credential_plan_make(&s->plan, s->cluster, s->paths, s->how, &s->err);
}

static void on_planned(void *ctx)
{
    struct credential_search *s = ctx;

    if (s->err.kind != ERROR_NONE) {
        end(s);
        return;
    }
    if (s->plan.base == CREDENTIAL_KEYS)
        take_found(s, &s->plan.keys);
    advance(s);
}

void credential_search_start(struct credential_search *s)
{
    memset(&s->found, 0, sizeof s->found);
    s->n_assumed = 0;
    s->failures = 0;
    s->is_cancelled = false;
    s->has_none = s->has_no_instance = false;
    s->phase = SEARCH_PLANNING;
    loop_work(s->loop, &s->work, plan_work, on_planned, s);
}

void credential_search_cancel(struct credential_search *s)
{
    s->is_cancelled = true;
    switch (s->phase) {
    case SEARCH_ASKING:
        credential_ask_cancel(&s->ask);
        break;
    case SEARCH_ASSUMING:
        sts_cancel(&s->sts);
        break;
    case SEARCH_PAUSING:
        if (!uv_is_closing((uv_handle_t *)&s->pause))
            uv_close((uv_handle_t *)&s->pause, on_paused);
        break;
    case SEARCH_IDLE:
    case SEARCH_PLANNING:
    case SEARCH_CLOSING:
        break;
    }
}

static void on_waited(void *ctx)
{
    bool *is_over = ctx;

    *is_over = true;
}

int credential_search_wait(struct credential_search *s, struct error *err)
{
    struct loop own;
    bool is_over = false, has_own = s->loop == NULL;
    int status = has_own ? loop_open(&own) : 0;

    if (status != 0)
        return error_set(err, ERROR_INTERNAL, status, "libuv: %s", uv_strerror(status));
    if (has_own)
        s->loop = &own;
    s->done = on_waited;
    s->ctx = &is_over;
    credential_search_start(s);
    loop_run_until(s->loop, &is_over);
    if (has_own) {
        loop_close(&own);
        s->loop = NULL;
    }
    *err = s->err;
    return err->kind == ERROR_NONE ? 0 : -1;
}
