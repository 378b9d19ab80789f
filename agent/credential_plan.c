/*
 * chain[] is the order.  Each row looks whether it is configured; the first that is
 * decides, also where it will then fail: what is configured and does not work is told,
 * not passed over.  A role names its source, a profile or a service, which is followed
 * until there is something that has keys by itself; roles[] is then walked backwards.
 */
#include "agent/credential_plan.h"

#include <stdlib.h>
#include <string.h>

#include "agent/aws_config.h"
#include "agent/credential_impl.h"
#include "base/mem.h"
#include "base/span.h"
#include "base/text.h"

/* ---- rows ---- */

static const char *get(const struct planner *p, const char *key)
{
    return aws_config_get(&p->config, p->profile, key);
}

static void set_origin(struct planner *p, const char *format, const char *what)
{
    struct text origin = {0};

    text_add_format(&origin, format, what);
    free(p->plan->origin);
    p->plan->origin = text_take(&origin);
}

static int take_keys(struct planner *p, const char *const values[3], const char *origin)
{
    int status = credentials_take(&p->plan->keys, values, origin, p->err);

    if (status > 0) {
        p->plan->base = CREDENTIAL_KEYS;
        set_origin(p, "%s", origin);
    }
    return status;
}

static int take_environment(struct planner *p)
{
    const char *token = aws_config_variable("AWS_SECURITY_TOKEN"); /* the older name */
    const char *const values[] = {
        aws_config_variable("AWS_ACCESS_KEY_ID"),
        aws_config_variable("AWS_SECRET_ACCESS_KEY"),
        token != NULL ? token : aws_config_variable("AWS_SESSION_TOKEN")};
    const char *expires = aws_config_variable("AWS_CREDENTIAL_EXPIRATION");
    int status = take_keys(p, values, "the environment (AWS_ACCESS_KEY_ID)");

    if (status > 0 && expires != NULL)
        (void)text_parse_time(expires, &p->plan->keys.expires_at_ms);
    return status;
}

static int take_in(struct planner *p, enum aws_file file)
{
    static const char *const keys[] = {"aws_access_key_id", "aws_secret_access_key",
                                       "aws_session_token"};
    const char *values[ARRAY_SIZE(keys)];
    struct text origin = {0};
    int status;

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        values[i] = aws_config_get_in(&p->config, file, p->profile, keys[i]);
    text_add_format(&origin, "[%s] in %s", p->profile, p->config.file[file]);
    status = take_keys(p, values, text_string(&origin));
    text_free(&origin);
    return status;
}

static int take_credentials_file(struct planner *p)
{
    return take_in(p, AWS_FILE_CREDENTIALS);
}

static int take_config_file(struct planner *p)
{
    return take_in(p, AWS_FILE_CONFIG);
}

static int take_process(struct planner *p)
{
    const char *command = get(p, "credential_process");

    if (command == NULL)
        return 0;
    p->plan->base = CREDENTIAL_PROCESS;
    p->plan->command = mem_copy_string(command);
    set_origin(p, "credential_process of profile %s", p->profile);
    return 1;
}

static int take_container(struct planner *p)
{
    return credential_container_plan(p->plan, p->err);
}

static int take_instance(struct planner *p)
{
    return (p->how & CREDENTIAL_NO_INSTANCE) != 0
               ? 0
               : credential_instance_plan(p->plan, p->err);
}

static int take_web_identity(struct planner *p)
{
    return credential_web_plan(p);
}

static int take_sso(struct planner *p)
{
    return credential_sso_plan(p);
}

/* ---- the chain ---- */

enum {
    AT_FIRST = 1,   /* of the profile that is asked for */
    IF_UNNAMED = 2, /* unless a profile was named with --profile */
    AS_SOURCE = 4,  /* of the profile that a role names as its source */
    EVERYWHERE = AT_FIRST | AS_SOURCE
};

static const struct row {
    unsigned when;
    const char *provider;
    int (*take)(struct planner *p); /* 1: this is it, 0: not configured, -1: error */
} chain[] = {
    {IF_UNNAMED, "environment", take_environment},
    {AT_FIRST, "role", credential_roles_plan},
    {EVERYWHERE, "web-identity", take_web_identity},
    {EVERYWHERE, "sso", take_sso},
    {EVERYWHERE, "profile", take_credentials_file},
    {EVERYWHERE, "process", take_process},
    {EVERYWHERE, "profile", take_config_file},
    {AT_FIRST, "container", take_container},
    {AT_FIRST, "instance", take_instance},
};

static int walk_chain(struct planner *p, unsigned when)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < ARRAY_SIZE(chain); i++) {
        if ((chain[i].when & when) == 0)
            continue;
        status = chain[i].take(p);
        if (status > 0)
            p->plan->provider = chain[i].provider;
    }
    return status;
}

int credential_source_plan(struct planner *p)
{
    return walk_chain(p, AS_SOURCE);
}

int credential_service_plan(struct planner *p, const char *source)
{
    if (strcmp(source, "Environment") == 0)
        return take_environment(p);
    if (strcmp(source, "EcsContainer") == 0)
        return take_container(p);
    if (strcmp(source, "Ec2InstanceMetadata") == 0)
        return credential_instance_plan(p->plan, p->err);
    return error_set(p->err, ERROR_AUTH, 0,
                     "profile %.60s: credential_source cannot be \"%.60s\": it is "
                     "Environment, EcsContainer or Ec2InstanceMetadata",
                     p->profile, source);
}

/* ---- how to reach the services ---- */

static char *choose(const struct planner *p, const char *own,
                    const char *const variables[2], const char *key)
{
    const char *value = own != NULL && own[0] != '\0' ? own : NULL;

    for (size_t i = 0; value == NULL && i < 2; i++)
        value = aws_config_variable(variables[i]);
    if (value == NULL)
        value = get(p, key);
    return value != NULL ? mem_copy_string(value) : NULL;
}

static void settle_services(struct planner *p, const struct cluster *cluster)
{
    static const char *const regions[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
    static const char *const bundles[] = {"AWS_CA_BUNDLE", "AWS_CA_BUNDLE"};
    static const char *const sts[] = {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"};
    static const char *const oidc[] = {"AWS_ENDPOINT_URL_SSO_OIDC", "AWS_ENDPOINT_URL"};
    static const char *const sso[] = {"AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL"};

    p->plan->region = choose(p, cluster->region, regions, "region");
    p->plan->ca_file = choose(p, NULL, bundles, "ca_bundle");
    p->plan->sts_endpoint = choose(p, NULL, sts, "endpoint_url");
    p->plan->sso_endpoint = choose(p, NULL, sso, "endpoint_url");
    p->plan->oidc_endpoint = choose(p, NULL, oidc, "endpoint_url");
}

/* ---- the face ---- */

static int find_own(struct credential_plan *plan, const struct cluster *cluster,
                    const struct paths *paths, struct error *err)
{
    int status;

    if (cluster->name == NULL || strcmp(cluster->name, "env") == 0)
        return 0; /* nothing can have been saved for it */
    status = credentials_load(&plan->keys, paths, cluster->name, err);
    if (status > 0) {
        plan->base = CREDENTIAL_KEYS;
        plan->provider = "login";
        plan->origin = mem_copy_string(plan->keys.origin);
    }
    return status;
}

static int make_aws(struct planner *p, const struct cluster *cluster)
{
    bool is_given, is_named = cluster->profile != NULL && cluster->profile[0] != '\0';
    const char *named = aws_config_profile(cluster->profile, &is_given);
    int status = 0;

    if (aws_config_open(&p->config, p->err) != 0)
        return -1;
    p->profile = named;
    p->is_named = is_named;
    p->plan->profile = mem_copy_string(named);
    settle_services(p, cluster);
    if (!is_named)
        status = walk_chain(p, IF_UNNAMED);
    if (status == 0 && is_given && !aws_config_has(&p->config, named))
        return error_set(p->err, ERROR_AUTH, 0,
                         "there is no profile %.80s in %.100s or %.100s", named,
                         p->config.file[AWS_FILE_CREDENTIALS],
                         p->config.file[AWS_FILE_CONFIG]);
    return status == 0 ? walk_chain(p, AT_FIRST) : status;
}

int credential_plan_make(struct credential_plan *plan, const struct cluster *cluster,
                         const struct paths *paths, unsigned how, struct error *err)
{
    struct planner p = {.plan = plan, .how = how, .err = err};
    int status = 0;

    memset(plan, 0, sizeof *plan);
    if ((how & CREDENTIAL_AWS_ONLY) == 0)
        status = find_own(plan, cluster, paths, err);
    if (status == 0)
        status = make_aws(&p, cluster);
    aws_config_close(&p.config);
    return status < 0 ? -1 : 0;
}

void credential_role_free(struct credential_role *role)
{
    free(role->role_arn);
    free(role->external_id);
    free(role->session_name);
    free(role->profile);
    memset(role, 0, sizeof *role);
}

static void wipe(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void credential_plan_free(struct credential_plan *plan)
{
    char *const strings[] = {plan->origin,       plan->profile,     plan->command,
                             plan->sso_account,  plan->sso_role,    plan->sso_region,
                             plan->url,          plan->region,      plan->ca_file,
                             plan->sts_endpoint, plan->sso_endpoint};

    credentials_free(&plan->keys);
    wipe(plan->token);
    wipe(plan->authorization);
    free(plan->oidc_endpoint);
    free(plan->renewal.file);
    free(plan->renewal.client_id);
    wipe(plan->renewal.client_secret);
    wipe(plan->renewal.refresh_token);
    credential_role_free(&plan->web);
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        free(strings[i]);
    for (size_t i = 0; i < plan->n_roles; i++)
        credential_role_free(&plan->roles[i]);
    free(plan->roles);
    memset(plan, 0, sizeof *plan);
}

char *credential_plan_setting(const struct cluster *cluster, const char *key)
{
    struct aws_config config;
    struct error ignored;
    bool is_given;
    const char *value = NULL;
    char *copy = NULL;

    if (aws_config_open(&config, &ignored) == 0)
        value = aws_config_get(&config, aws_config_profile(cluster->profile, &is_given),
                               key);
    if (value != NULL)
        copy = mem_copy_string(value);
    aws_config_close(&config);
    return copy;
}
