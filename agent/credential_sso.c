/*
 *   [renew the token -->] ask the portal --> keys
 *
 * IAM Identity Center: `aws sso login` leaves a token in ~/.aws/sso/cache, in a file that
 * is called after the session, or the start url where the profile has no session; the
 * portal gives a role's keys for it (GetRoleCredentials).  Logging in takes a browser and
 * is left to the AWS tools; a session's token is renewed without one (credential_token.c).
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/credential_impl.h"
#include "agent/credential_provider.h"
#include "base/log.h"
#include "base/mem.h"
#include "manifest/digest_sha1.h"

enum { TIMEOUT_MS = 10 * 1000, RENEW_MS = 15 * 60 * 1000 /* before its end */ };

/* ---- the plan ---- */

static const char *get(const struct planner *p, const char *key)
{
    return aws_config_get(&p->config, p->profile, key);
}

static int log_in(const char *profile, const char *why, struct error *err)
{
    return error_set(err, ERROR_EXPIRED, 0,
                     "profile %.60s: %.100s; log in: aws sso login --profile %.60s",
                     profile, why, profile);
}

static char *token_file(const char *name)
{
    uint8_t sha1[DIGEST_SHA1_BYTES];
    struct text rest = {0};
    char *path;

    if (!digest_sha1(sha1, name, strlen(name)))
        return NULL;
    text_add(&rest, ".aws/sso/cache/");
    text_add_hex(&rest, sha1, sizeof sha1);
    text_add(&rest, ".json");
    path = aws_config_home(text_string(&rest));
    text_free(&rest);
    return path;
}

/* Tokens of a session can be renewed; those of a start url alone cannot. */
static int judge_token(struct planner *p, char **file, const char *json,
                       bool is_session)
{
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    struct credential_plan *plan = p->plan;

    log_hide(plan->token);
    if (is_session && plan->token_ends_ms - now_ms < RENEW_MS &&
        credential_json_renewal(&plan->renewal, json, now_ms)) {
        plan->renewal.file = *file;
        *file = NULL;
        log_hide(plan->renewal.client_secret);
        log_hide(plan->renewal.refresh_token);
        return 0;
    }
    return plan->token_ends_ms > now_ms
               ? 0
               : log_in(p->profile, "its SSO login has run out", p->err);
}

static int read_token(struct planner *p, const char *name, bool is_session)
{
    char *file = token_file(name), *json = NULL;
    struct error ignored;
    int status = -1;

    if (file != NULL)
        status = credential_read_file(&json, file, "token", &ignored);
    if (status == 0)
        status = credential_json_token(&p->plan->token, &p->plan->token_ends_ms, json,
                                       &ignored);
    status = status == 0 ? judge_token(p, &file, json, is_session)
                         : log_in(p->profile, "nobody is logged in to its SSO", p->err);
    if (json != NULL)
        explicit_bzero(json, strlen(json));
    free(json);
    free(file);
    return status;
}

static int missing(const struct planner *p, const char *key)
{
    return error_set(p->err, ERROR_AUTH, 0, "profile %.80s uses SSO, but has no %s",
                     p->profile, key);
}

/* Of the session, or of the profile where that has none. */
static const char *session_setting(const struct planner *p, const char *session,
                                   const char *key)
{
    return session != NULL ? aws_config_get_session(&p->config, session, key)
                           : get(p, key);
}

static int take(struct planner *p, const char *session)
{
    const char *start = session_setting(p, session, "sso_start_url");
    const char *region = session_setting(p, session, "sso_region");
    const char *account = get(p, "sso_account_id"), *role = get(p, "sso_role_name");

    if (start == NULL || region == NULL || account == NULL || role == NULL)
        return missing(p, start == NULL     ? "sso_start_url"
                          : region == NULL  ? "sso_region"
                          : account == NULL ? "sso_account_id"
                                            : "sso_role_name");
    p->plan->sso_region = mem_copy_string(region);
    p->plan->sso_account = mem_copy_string(account);
    p->plan->sso_role = mem_copy_string(role);
    return read_token(p, session != NULL ? session : start, session != NULL);
}

int credential_sso_plan(struct planner *p)
{
    const char *session = get(p, "sso_session");
    struct text origin = {0};

    if (get(p, "sso_account_id") == NULL && get(p, "sso_role_name") == NULL)
        return 0;
    if (session != NULL && !aws_config_has_session(&p->config, session))
        return error_set(p->err, ERROR_AUTH, 0,
                         "profile %.80s: there is no [sso-session %.80s] in %.100s",
                         p->profile, session, p->config.file[AWS_FILE_CONFIG]);
    if (take(p, session) != 0)
        return -1;
    p->plan->base = CREDENTIAL_SSO;
    text_add_format(&origin, "SSO, role %s of account %s, profile %s",
                    p->plan->sso_role, p->plan->sso_account, p->profile);
    free(p->plan->origin);
    p->plan->origin = text_take(&origin);
    return 1;
}

/* ---- asking ---- */

static void judge(struct credential_ask *ask)
{
    const struct credential_http *http = &ask->http;
    const struct credential_plan *plan = ask->plan;

    if (http->status == 401)
        (void)log_in(plan->profile, "its SSO login counts no more", &ask->err);
    else if (http->status / 100 != 2)
        error_set(&ask->err,
                  http->status == 429   ? ERROR_THROTTLED
                  : http->status >= 500 ? ERROR_TRANSIENT
                                        : ERROR_AUTH,
                  http->status,
                  "profile %.60s: the SSO portal does not give role %.60s of account "
                  "%.20s: status %d",
                  plan->profile, plan->sso_role, plan->sso_account, http->status);
    else if (credential_json_sso(&ask->keys, &http->body, &ask->err) != 0)
        error_wrap(&ask->err, "the SSO portal");
}

static void on_answer(void *ctx)
{
    struct credential_ask *ask = ctx;

    ask->err = ask->http.err;
    if (ask->err.kind == ERROR_NONE)
        judge(ask);
    else
        error_wrap(&ask->err, "the SSO portal");
    ask->done(ask->ctx);
}

static void make_url(struct credential_ask *ask)
{
    const struct credential_plan *plan = ask->plan;
    struct text url = {0};

    if (plan->sso_endpoint != NULL)
        text_add(&url, plan->sso_endpoint);
    else
        text_add_format(&url, "https://portal.sso.%s.amazonaws.com%s", plan->sso_region,
                        strncmp(plan->sso_region, "cn-", 3) == 0 ? ".cn" : "");
    while (url.size > 0 && url.data[url.size - 1] == '/')
        url.data[--url.size] = '\0';
    text_add(&url, "/federation/credentials?role_name=");
    text_add_uri(&url, plan->sso_role, strlen(plan->sso_role), false);
    text_add(&url, "&account_id=");
    text_add_uri(&url, plan->sso_account, strlen(plan->sso_account), false);
    free(ask->url);
    ask->url = text_take(&url);
}

static void ask_portal(struct credential_ask *ask)
{
    const char *token = ask->fresh.token != NULL ? ask->fresh.token : ask->plan->token;

    make_url(ask);
    credential_http_clear(&ask->http); /* of the renewal */
    text_clear(&ask->header);
    text_add_format(&ask->header, "x-amz-sso_bearer_token: %s", token);
    ask->http = (struct credential_http){
        .loop = ask->loop,
        .method = "GET",
        .url = ask->url,
        .headers = {text_string(&ask->header), "Accept: application/json", NULL},
        .ca_file = ask->plan->ca_file,
        .timeout_ms = TIMEOUT_MS,
        .done = on_answer,
        .ctx = ask,
    };
    credential_http_start(&ask->http);
}

void credential_sso_ask(struct credential_ask *ask)
{
    if (ask->plan->renewal.file != NULL)
        credential_token_renew(ask, ask_portal);
    else
        ask_portal(ask);
}
