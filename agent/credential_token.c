/*
 * A token of `aws sso login` that is about to end is exchanged for a fresh one (CreateToken
 * of the IAM Identity Center OIDC API Reference), as the AWS tools do it themselves:
 *
 *   ask --> write it into its file, on a worker --> renewed
 *    |
 *    +-- refused or no answer: the old one, while it is good; else log in again
 *
 * The exchange may make the old refresh token worthless, so what comes is written whole or
 * not at all.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/credential_provider.h"
#include "base/log.h"

enum { TIMEOUT_MS = 10 * 1000 };

static int64_t now_ms(void)
{
    return (int64_t)time(NULL) * 1000;
}

/* ---- into its file ---- */

static int write_all(const char *file, const struct text *content)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_written =
        fd >= 0 && write(fd, content->data, content->size) == (ssize_t)content->size &&
        fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return is_written ? 0 : -1;
}

static int replace(const char *file, const struct text *content)
{
    struct text aside = {0};
    int status;

    text_add_format(&aside, "%s.%d", file, (int)getpid());
    status = write_all(text_string(&aside), content);
    if (status == 0)
        status = rename(text_string(&aside), file);
    if (status != 0)
        unlink(text_string(&aside));
    text_free(&aside);
    return status;
}

static void save_work(void *ctx)
{
    struct credential_ask *ask = ctx;
    const char *file = ask->plan->renewal.file;
    struct text content = {0};
    struct error err;
    char *old = NULL;

    if (credential_read_file(&old, file, "token", &err) != 0 ||
        credential_json_exchange(&content, old, &ask->fresh) != 0 ||
        replace(file, &content) != 0)
        log_line(LOG_WARNING, LOG_SESSION, "a renewed token cannot be written: %s",
                 file);
    if (content.data != NULL)
        explicit_bzero(content.data, content.size);
    text_free(&content);
    if (old != NULL)
        explicit_bzero(old, strlen(old));
    free(old);
}

static void on_saved(void *ctx)
{
    struct credential_ask *ask = ctx;

    if (!ask->is_cancelled) {
        ask->renewed(ask);
        return;
    }
    error_set(&ask->err, ERROR_CANCELLED, 0, "cancelled");
    ask->done(ask->ctx);
}

/* ---- the exchange ---- */

static bool is_gone(const struct error *err)
{
    return err->kind == ERROR_AUTH;
}

/* The old one is as good as it was. */
static void go_without(struct credential_ask *ask, const struct error *why)
{
    const struct credential_plan *plan = ask->plan;

    log_line(LOG_WARNING, LOG_SESSION, "the SSO login is not renewed: %s", why->text);
    if (plan->token_ends_ms > now_ms()) {
        ask->renewed(ask);
        return;
    }
    ask->err = *why;
    if (is_gone(why))
        error_set(&ask->err, ERROR_EXPIRED, why->code,
                  "profile %.60s: its SSO login has run out; log in: aws sso login "
                  "--profile %.60s",
                  plan->profile, plan->profile);
    ask->done(ask->ctx);
}

static void judge(struct credential_ask *ask, struct error *err)
{
    const struct credential_http *http = &ask->http;

    *err = http->err;
    if (err->kind == ERROR_NONE && http->status / 100 != 2)
        error_set(err,
                  http->status >= 500 || http->status == 429 ? ERROR_TRANSIENT
                                                             : ERROR_AUTH,
                  http->status, "status %d", http->status);
    else if (err->kind == ERROR_NONE)
        (void)credential_json_fresh(&ask->fresh, &http->body, now_ms(), err);
    if (err->kind != ERROR_NONE)
        error_wrap(err, "SSO OIDC");
}

static void on_answer(void *ctx)
{
    struct credential_ask *ask = ctx;
    struct error err;

    judge(ask, &err);
    if (err.kind == ERROR_CANCELLED) {
        ask->err = err;
        ask->done(ask->ctx);
    } else if (err.kind != ERROR_NONE) {
        go_without(ask, &err);
    } else {
        log_hide(ask->fresh.token);
        log_hide(ask->fresh.refresh_token);
        loop_work(ask->loop, &ask->work, save_work, on_saved, ask);
    }
}

static void add_field(struct text *body, const char *name, const char *value)
{
    text_add_format(body, "%s\"%s\": ", body->size > 0 ? ", " : "{", name);
    text_add_json(body, value, strlen(value));
}

static void make_question(struct credential_ask *ask)
{
    const struct credential_plan *plan = ask->plan;
    struct text url = {0};

    if (plan->oidc_endpoint != NULL)
        text_add_format(&url, "%s/token", plan->oidc_endpoint);
    else
        text_add_format(&url, "https://oidc.%s.amazonaws.com%s/token", plan->sso_region,
                        strncmp(plan->sso_region, "cn-", 3) == 0 ? ".cn" : "");
    free(ask->url);
    ask->url = text_take(&url);
    text_clear(&ask->body);
    add_field(&ask->body, "grantType", "refresh_token");
    add_field(&ask->body, "clientId", plan->renewal.client_id);
    add_field(&ask->body, "clientSecret", plan->renewal.client_secret);
    add_field(&ask->body, "refreshToken", plan->renewal.refresh_token);
    text_add(&ask->body, "}");
}

void credential_token_renew(struct credential_ask *ask,
                            void (*renewed)(struct credential_ask *ask))
{
    make_question(ask);
    ask->renewed = renewed;
    ask->http = (struct credential_http){
        .loop = ask->loop,
        .method = "POST",
        .url = ask->url,
        .headers = {"Content-Type: application/json", "Accept: application/json", NULL},
        .question = {(uint8_t *)ask->body.data, ask->body.size},
        .ca_file = ask->plan->ca_file,
        .timeout_ms = TIMEOUT_MS,
        .done = on_answer,
        .ctx = ask,
    };
    credential_http_start(&ask->http);
}
