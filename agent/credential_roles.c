/*
 * role_arn of a profile, with source_profile or credential_source.  A profile may be its
 * own source where it has keys, too; any other way back is a loop.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/credential_impl.h"
#include "base/mem.h"

static const char *get(const struct planner *p, const char *profile, const char *key)
{
    return aws_config_get(&p->config, profile, key);
}

static bool has_keys(const struct planner *p, const char *profile)
{
    return get(p, profile, "aws_access_key_id") != NULL ||
           get(p, profile, "aws_secret_access_key") != NULL;
}

/* With a token's file it is the web identity's. */
static bool has_role(const struct planner *p, const char *profile)
{
    return get(p, profile, "role_arn") != NULL &&
           get(p, profile, "web_identity_token_file") == NULL;
}

static char *copy(const char *string)
{
    return string != NULL ? mem_copy_string(string) : NULL;
}

static unsigned duration(const struct planner *p)
{
    const char *given = get(p, p->profile, "duration_seconds");
    uint64_t seconds;

    return given != NULL && text_parse_u64(given, &seconds) == 0 && seconds < UINT32_MAX
               ? (unsigned)seconds
               : 0;
}

static void add_role(struct planner *p)
{
    struct credential_plan *plan = p->plan;

    plan->roles = mem_resize(plan->roles, plan->n_roles + 1, sizeof *plan->roles);
    plan->roles[plan->n_roles++] = (struct credential_role){
        .role_arn = copy(get(p, p->profile, "role_arn")),
        .external_id = copy(get(p, p->profile, "external_id")),
        .session_name = copy(get(p, p->profile, "role_session_name")),
        .duration_s = duration(p),
        .profile = copy(p->profile),
    };
}

static bool is_visited(const struct planner *p, const char *profile)
{
    for (size_t i = 0; i < p->plan->n_roles; i++)
        if (strcmp(p->plan->roles[i].profile, profile) == 0)
            return true;
    return false;
}

static int check(const struct planner *p, const char *source, const char *service)
{
    if (get(p, p->profile, "mfa_serial") != NULL)
        return error_set(p->err, ERROR_AUTH, 0,
                         "profile %.60s wants the code of an MFA device (mfa_serial), "
                         "which grid cannot ask for: fetch temporary keys, for example "
                         "with `aws configure export-credentials --profile %.60s "
                         "--format env`, and set them in the environment",
                         p->profile, p->profile);
    if (source != NULL && service != NULL)
        return error_set(p->err, ERROR_AUTH, 0,
                         "profile %.80s has both source_profile and credential_source: "
                         "keep one of them",
                         p->profile);
    if (source == NULL && service == NULL)
        return error_set(p->err, ERROR_AUTH, 0,
                         "profile %.80s has role_arn, but neither source_profile nor "
                         "credential_source, that say with which keys to ask for it",
                         p->profile);
    return 0;
}

static int check_source(const struct planner *p, const char *source)
{
    if (!aws_config_has(&p->config, source))
        return error_set(p->err, ERROR_AUTH, 0,
                         "profile %.80s: its source_profile %.80s does not exist",
                         p->profile, source);
    if (!is_visited(p, source) ||
        (strcmp(source, p->profile) == 0 && has_keys(p, source)))
        return 0;
    return error_set(p->err, ERROR_AUTH, 0,
                     "profile %.80s: its source_profile %.80s leads back to itself",
                     p->profile, source);
}

static void reverse(struct credential_plan *plan)
{
    for (size_t i = 0, j = plan->n_roles; i + 1 < j; i++) {
        struct credential_role role = plan->roles[i];

        plan->roles[i] = plan->roles[--j];
        plan->roles[j] = role;
    }
}

static int follow_service(struct planner *p, const char *service)
{
    int status = credential_service_plan(p, service);

    if (status == 0)
        return error_set(p->err, ERROR_AUTH, 0,
                         "profile %.80s: its credential_source %.40s has no keys here",
                         p->profile, service);
    return status;
}

/* To where keys are. */
static int follow(struct planner *p)
{
    for (;;) {
        const char *source = get(p, p->profile, "source_profile");
        const char *service = get(p, p->profile, "credential_source");

        add_role(p);
        if (check(p, source, service) != 0)
            return -1;
        if (service != NULL)
            return follow_service(p, service);
        if (check_source(p, source) != 0)
            return -1;
        p->profile = source;
        if (has_keys(p, source) || !has_role(p, source))
            break;
    }
    p->is_source = true;
    return credential_source_plan(p);
}

int credential_roles_plan(struct planner *p)
{
    const char *asked = p->profile;
    struct text origin = {0};
    int status;

    if (!has_role(p, asked))
        return 0;
    status = follow(p);
    if (status == 0)
        return error_set(p->err, ERROR_AUTH, 0,
                         "profile %.80s: its source_profile %.80s has no keys", asked,
                         p->profile);
    if (status < 0)
        return -1;
    reverse(p->plan);
    text_add_format(&origin, "role %s of profile %s",
                    p->plan->roles[p->plan->n_roles - 1].role_arn, asked);
    free(p->plan->origin);
    p->plan->origin = text_take(&origin);
    return 1;
}
