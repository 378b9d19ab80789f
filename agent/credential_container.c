/*
 * The endpoint beside a container (ECS, EKS Pod Identity, Greengrass, CloudShell).  The
 * keys go over it in the clear and its authorization is a secret: so only this machine,
 * the two addresses that AWS gives to it, or TLS.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/credential_impl.h"
#include "agent/credential_provider.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/span.h"

enum { TIMEOUT_MS = 2000 };

static const char ecs_host[] = "http://169.254.170.2";

/* ---- the plan ---- */

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (strncmp(host, "127.", 4) == 0 &&
            strspn(host, "0123456789.") == strlen(host));
}

static bool is_allowed_host(const char *host)
{
    static const char *const hosts[] = {"169.254.170.2", "169.254.170.23",
                                        "[fd00:ec2::23]"};

    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        if (strcmp(host, hosts[i]) == 0)
            return true;
    return is_loopback(host);
}

/* Between "http://" and port or path; a user's name in it is refused with all else. */
static char *host_of(const char *url)
{
    const char *host = url + strlen("http://");
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    char *copy;

    if (n > strlen(host))
        n = strlen(host);
    copy = mem_copy_bytes(host, n + 1);
    copy[n] = '\0';
    return copy;
}

static bool is_allowed(const char *url)
{
    char *host;
    bool is;

    if (strpbrk(url, "@\\ \t\r\n") != NULL)
        return false;
    if (strncmp(url, "https://", strlen("https://")) == 0)
        return true;
    if (strncmp(url, "http://", strlen("http://")) != 0)
        return false;
    host = host_of(url);
    is = is_allowed_host(host);
    free(host);
    return is;
}

static int find_url(struct credential_plan *plan, struct error *err)
{
    const char *relative =
        aws_config_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = aws_config_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    struct text url = {0};

    if (relative == NULL && full == NULL)
        return 0;
    if (relative != NULL)
        text_add_format(&url, "%s%s", ecs_host, relative);
    else
        text_add(&url, full);
    free(plan->url);
    plan->url = text_take(&url);
    if (is_allowed(plan->url) && (relative == NULL || relative[0] == '/'))
        return 1;
    return error_set(
        err, ERROR_AUTH, 0,
        "%s=%.100s: keys are fetched only over https, or from this machine "
        "(localhost, 169.254.170.2, 169.254.170.23, [fd00:ec2::23])",
        relative != NULL ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
                         : "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        relative != NULL ? relative : full);
}

/* The file is renewed by who runs the container: read anew each time. */
static int find_authorization(struct credential_plan *plan, struct error *err)
{
    const char *file = aws_config_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = aws_config_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");

    if (file != NULL &&
        credential_read_file(&plan->authorization, file,
                             "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", err) != 0)
        return -1;
    if (file == NULL && token != NULL)
        plan->authorization = mem_copy_string(token);
    if (plan->authorization == NULL)
        return 0;
    log_hide(plan->authorization);
    if (strpbrk(plan->authorization, "\r\n") == NULL)
        return 0;
    return error_set(err, ERROR_AUTH, 0,
                     "the container's authorization token has more than one line");
}

int credential_container_plan(struct credential_plan *plan, struct error *err)
{
    int status = find_url(plan, err);

    if (status <= 0 || find_authorization(plan, err) != 0)
        return status == 0 ? 0 : -1;
    plan->base = CREDENTIAL_CONTAINER;
    free(plan->origin);
    plan->origin = mem_copy_string("the container's endpoint "
                                   "(AWS_CONTAINER_CREDENTIALS_..._URI)");
    return 1;
}

/* ---- asking ---- */

static void judge(struct credential_ask *ask)
{
    const struct credential_http *http = &ask->http;

    ask->err = http->err;
    if (http->err.kind == ERROR_NONE && http->status / 100 != 2)
        error_set(&ask->err, http->status >= 500 ? ERROR_TRANSIENT : ERROR_AUTH,
                  http->status, "it answers with status %d", http->status);
    else if (http->err.kind == ERROR_NONE)
        (void)credential_json_keys(&ask->keys, &http->body, "Token", &ask->err);
    if (ask->err.kind != ERROR_NONE)
        error_wrap(&ask->err, "the container's endpoint for keys (%.100s)",
                   ask->plan->url);
}

static void on_answer(void *ctx)
{
    struct credential_ask *ask = ctx;

    judge(ask);
    ask->done(ask->ctx);
}

void credential_container_ask(struct credential_ask *ask)
{
    const struct credential_plan *plan = ask->plan;

    ask->http = (struct credential_http){
        .loop = ask->loop,
        .method = "GET",
        .url = plan->url,
        .headers = {"Accept: application/json", NULL},
        .ca_file = plan->ca_file,
        .timeout_ms = TIMEOUT_MS,
        .is_direct = true,
        .done = on_answer,
        .ctx = ask,
    };
    if (plan->authorization != NULL) {
        text_add_format(&ask->header, "Authorization: %s", plan->authorization);
        ask->http.headers[1] = text_string(&ask->header);
    }
    credential_http_start(&ask->http);
}
