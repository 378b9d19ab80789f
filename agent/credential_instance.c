/*
 * The instance metadata service, version 2 (Amazon EC2 User Guide, "Use the Instance
 * Metadata Service to access instance metadata"):
 *
 *   PUT api/token --> GET .../security-credentials/ (the role) --> GET .../ROLE --> keys
 *
 * On a machine that is no instance nothing answers, often not even with a refusal: so a
 * second for each try, and two tries for the token alone.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/credential_impl.h"
#include "agent/credential_provider.h"
#include "base/log.h"
#include "base/mem.h"

enum { TIMEOUT_MS = 1000, TRIES = 2 };
enum { STEP_TOKEN, STEP_ROLE, STEP_KEYS };

static const char token_path[] = "latest/api/token";
static const char token_life[] = "X-aws-ec2-metadata-token-ttl-seconds: 21600";
static const char keys_path[] = "latest/meta-data/iam/security-credentials/";

/* ---- the plan ---- */

static const char *endpoint(void)
{
    const char *given = aws_config_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = aws_config_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

    if (given != NULL)
        return given;
    return mode != NULL && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]"
                                                         : "http://169.254.169.254";
}

int credential_instance_plan(struct credential_plan *plan, struct error *err)
{
    const char *disabled = aws_config_variable("AWS_EC2_METADATA_DISABLED");
    const char *url = endpoint();
    struct text base = {0};

    if (disabled != NULL && strcasecmp(disabled, "true") == 0)
        return 0;
    if (strncmp(url, "http://", strlen("http://")) != 0 &&
        strncmp(url, "https://", strlen("https://")) != 0)
        return error_set(err, ERROR_USAGE, 0,
                         "AWS_EC2_METADATA_SERVICE_ENDPOINT is no url: %.120s", url);
    text_add_format(&base, "%s%s", url, url[strlen(url) - 1] == '/' ? "" : "/");
    plan->base = CREDENTIAL_INSTANCE;
    free(plan->url);
    plan->url = text_take(&base);
    free(plan->origin);
    plan->origin = mem_copy_string("the instance metadata service");
    return 1;
}

/* ---- asking ---- */

static void next(struct credential_ask *ask);

static void end(struct credential_ask *ask)
{
    if (ask->err.kind != ERROR_NONE && ask->err.kind != ERROR_CANCELLED)
        error_wrap(&ask->err, "instance metadata");
    ask->done(ask->ctx);
}

static bool has_no_such(const struct credential_ask *ask)
{
    const struct credential_http *http = &ask->http;
    int status = http->status;

    return ask->step != STEP_KEYS &&
           (http->err.kind != ERROR_NONE || status == 404 || status == 403 ||
            status == 405 || (status / 100 == 2 && http->body.size == 0));
}

static void judge_refusal(struct credential_ask *ask)
{
    const struct credential_http *http = &ask->http;

    if (has_no_such(ask))
        error_set(&ask->err, ERROR_NOT_FOUND, http->status,
                  "no instance role is to be had here");
    else if (http->err.kind != ERROR_NONE)
        ask->err = http->err;
    else
        error_set(&ask->err, http->status >= 500 ? ERROR_TRANSIENT : ERROR_AUTH,
                  http->status, "it answers with status %d", http->status);
}

/* The first line, as far as it can be part of a header or a url. */
static char *first_line(const struct text *body)
{
    char *line = mem_copy_string(text_string(body));

    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

static void take_token(struct credential_ask *ask)
{
    char *token = first_line(&ask->http.body);

    log_hide(token);
    text_clear(&ask->header);
    text_add_format(&ask->header, "X-aws-ec2-metadata-token: %s", token);
    explicit_bzero(token, strlen(token));
    free(token);
}

static void take(struct credential_ask *ask)
{
    switch (ask->step) {
    case STEP_TOKEN:
        take_token(ask);
        break;
    case STEP_ROLE:
        ask->role = first_line(&ask->http.body);
        break;
    default:
        (void)credential_json_keys(&ask->keys, &ask->http.body, "Token", &ask->err);
        break;
    }
}

static void on_answer(void *ctx)
{
    struct credential_ask *ask = ctx;
    const struct credential_http *http = &ask->http;
    bool is_good =
        http->err.kind == ERROR_NONE && http->status / 100 == 2 && http->body.size > 0;

    if (!ask->is_cancelled && http->err.kind == ERROR_NETWORK &&
        ask->step == STEP_TOKEN && ++ask->attempts < TRIES) {
        next(ask);
        return;
    }
    if (ask->is_cancelled)
        error_set(&ask->err, ERROR_CANCELLED, 0, "cancelled");
    else if (is_good)
        take(ask);
    else
        judge_refusal(ask);
    if (ask->err.kind != ERROR_NONE || ask->step == STEP_KEYS) {
        end(ask);
        return;
    }
    ask->step++;
    next(ask);
}

static void make_url(struct credential_ask *ask)
{
    struct text url = {0};

    text_add(&url, ask->plan->url);
    text_add(&url, ask->step == STEP_TOKEN ? token_path : keys_path);
    if (ask->step == STEP_KEYS)
        text_add_uri(&url, ask->role, strlen(ask->role), false);
    free(ask->url);
    ask->url = text_take(&url);
}

static void next(struct credential_ask *ask)
{
    bool is_token = ask->step == STEP_TOKEN;

    make_url(ask);
    credential_http_clear(&ask->http);
    ask->http = (struct credential_http){
        .loop = ask->loop,
        .method = is_token ? "PUT" : "GET",
        .url = ask->url,
        .headers = {is_token ? token_life : text_string(&ask->header), NULL},
        .timeout_ms = TIMEOUT_MS,
        .is_direct = true,
        .done = on_answer,
        .ctx = ask,
    };
    credential_http_start(&ask->http);
}

void credential_instance_ask(struct credential_ask *ask)
{
    ask->step = STEP_TOKEN;
    ask->attempts = 0;
    next(ask);
}
