/*
 * Asked whose keys these are, only those refusals count that say that the keys are
 * wrong: many stores answer AccessDenied, or whatever comes to their mind, to a question
 * that they do not know.  Of a role every refusal counts.
 */
#include "transfer/sts_judge.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "transfer/s3_error.h"

static const char *const names[] = {
    [STS_GET_CALLER_IDENTITY] = "GetCallerIdentity",
    [STS_ASSUME_ROLE] = "AssumeRole",
    [STS_ASSUME_ROLE_WITH_WEB_IDENTITY] = "AssumeRoleWithWebIdentity",
};

/* ---- the question ---- */

static void add(struct text *form, const char *name, const char *value)
{
    if (value == NULL || *value == '\0')
        return;
    text_add_format(form, "&%s=", name);
    text_add_uri(form, value, strlen(value), false);
}

static void add_role(const struct sts *s, struct text *form)
{
    const struct sts_role *role = &s->role;

    add(form, "RoleArn", role->role_arn);
    if (role->session_name != NULL && *role->session_name != '\0')
        add(form, "RoleSessionName", role->session_name);
    else
        text_add_format(form, "&RoleSessionName=grid-%lld", (long long)time(NULL));
    if (s->action == STS_ASSUME_ROLE)
        add(form, "ExternalId", role->external_id);
    else
        add(form, "WebIdentityToken", role->web_identity);
    if (role->duration_s > 0)
        text_add_format(form, "&DurationSeconds=%u", role->duration_s);
}

void sts_put_form(const struct sts *s, struct text *form)
{
    text_clear(form);
    text_add_format(form, "Action=%s&Version=2011-06-15", names[s->action]);
    if (s->action != STS_GET_CALLER_IDENTITY)
        add_role(s, form);
}

/* ---- the answer ---- */

static const char *or_empty(const char *string)
{
    return string != NULL ? string : "";
}

static void say_nobody(struct sts *s, int status)
{
    error_set(&s->err, ERROR_NOT_FOUND, status,
              "%s does not say whose keys these are (status %d)", s->address.endpoint,
              status);
}

/* It becomes part of a bucket's name. */
static bool is_account(const char *account)
{
    size_t n = strlen(account);

    return n > 0 && n < STS_ACCOUNT_MAX &&
           strspn(account, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* STS wraps its <Error>, S3 does not. */
static const struct s3_fault *fault_of(const struct s3_answer *answer)
{
    return answer->n_refused > 0 ? &answer->refused : &answer->fault;
}

static void refuse_identity(struct sts *s, int status, const struct s3_fault *fault)
{
    struct s3_verdict verdict = s3_error_verdict(status, fault->code, STORE_PROBE);
    bool is_about_keys = fault->code[0] != '\0' &&
                         strcmp(fault->code, "AccessDenied") != 0 &&
                         (verdict.kind == ERROR_AUTH || verdict.kind == ERROR_EXPIRED);
    bool is_in_trouble = status != 501 && (verdict.kind == ERROR_TRANSIENT ||
                                           verdict.kind == ERROR_THROTTLED);

    if (is_about_keys || is_in_trouble)
        error_set(&s->err, verdict.kind, status,
                  "%s: asked whose keys these are: status %d %s%s%s",
                  s->address.endpoint, status, fault->code,
                  verdict.hint != NULL ? "; " : "", or_empty(verdict.hint));
    else
        say_nobody(s, status);
}

/* That the identity provider could not be asked is a 400 that passes. */
static enum error_kind kind_of(int status, const struct s3_fault *fault)
{
    enum error_kind kind = s3_error_verdict(status, fault->code, STORE_PROBE).kind;

    if (strcmp(fault->code, "IDPCommunicationError") == 0)
        return ERROR_TRANSIENT;
    return kind == ERROR_EXPIRED || kind == ERROR_TRANSIENT || kind == ERROR_THROTTLED
               ? kind
               : ERROR_AUTH;
}

static void refuse_role(struct sts *s, int status, const struct s3_fault *fault)
{
    error_set(&s->err, kind_of(status, fault), status,
              "%s does not give %.90s to us: %s: status %d %s%s%.100s",
              s->address.endpoint, s->role.role_arn, names[s->action], status,
              fault->code, fault->message[0] != '\0' ? ": " : "", fault->message);
}

static void take(char **out, char **from)
{
    *out = *from;
    *from = NULL;
}

static void take_keys(struct sts *s, int status, struct s3_answer *answer)
{
    if (answer->access_key == NULL || answer->secret_key == NULL ||
        answer->session_token == NULL) {
        error_set(&s->err, ERROR_UNUSABLE, status,
                  "%s: asked for %.120s: the answer has no keys in it: this is no STS; "
                  "set AWS_ENDPOINT_URL_STS",
                  s->address.endpoint, s->role.role_arn);
        return;
    }
    take(&s->access_key, &answer->access_key);
    take(&s->secret_key, &answer->secret_key);
    take(&s->session_token, &answer->session_token);
    s->expires_at_ms = answer->expires_at_ms;
    log_hide(s->secret_key);
    log_hide(s->session_token);
}

void sts_judge(struct sts *s, int status, struct s3_answer *answer)
{
    bool is_good = status / 100 == 2;

    if (s->action != STS_GET_CALLER_IDENTITY) {
        if (is_good)
            take_keys(s, status, answer);
        else
            refuse_role(s, status, fault_of(answer));
    } else if (!is_good) {
        refuse_identity(s, status, fault_of(answer));
    } else if (is_account(answer->account)) {
        memcpy(s->account, answer->account, strlen(answer->account) + 1);
    } else {
        say_nobody(s, status);
    }
}
