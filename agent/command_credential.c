/*
 * `credential create`, `list` and `delete`.
 *
 *     external id --> policies --> role ARN --> try it --refused--> nothing is registered
 *        |               |           |            |
 *        |       printed, unless the ARN is given +--> config.json
 *        +-- drawn once, and kept in config.json until a role is registered with it:
 *            the owner of the bucket has put it into the role's trust policy
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/console.h"
#include "agent/exit_code.h"
#include "agent/json_line.h"
#include "agent/name.h"
#include "agent/nearest.h"
#include "agent/prompt.h"
#include "agent/role_access.h"
#include "agent/role_policy.h"
#include "agent/table.h"
#include "base/mem.h"
#include "base/span.h"

/* ---- list ---- */

static void print_json(const struct config_role *role)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "id", role->id);
    json_line_string(&line, "type", "s3");
    json_line_string(&line, "role_arn", role->role_arn);
    json_line_string(&line, "external_id", role->external_id);
    json_line_end(&line);
    fputs(text_string(&line), stdout);
    text_free(&line);
}

static int list(const struct command_context *c)
{
    static const char *const columns[] = {"ID", "Type", "Role ARN", "External ID"};
    const struct config_roles *roles = &c->config->roles;
    struct table *t;

    if (c->options->json) {
        for (size_t i = 0; i < roles->n; i++)
            print_json(&roles->roles[i]);
        return EXIT_DONE;
    }
    t = table_new(columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < roles->n; i++) {
        const struct config_role *role = &roles->roles[i];
        const char *cells[] = {role->id, "s3", role->role_arn, role->external_id};

        table_add(t, cells);
    }
    table_print(t);
    table_free(t);
    return EXIT_DONE;
}

/* ---- delete ---- */

static int unknown(const struct config_roles *roles, const char *id, struct error *err)
{
    const char **ids = mem_new(roles->n, sizeof *ids);
    const char *near;

    for (size_t i = 0; i < roles->n; i++)
        ids[i] = roles->roles[i].id;
    near = nearest_word(id, ids, roles->n);
    error_set(err, ERROR_USAGE, 0, "there is no credential \"%.60s\"%s%s%s", id,
              near != NULL ? "; did you mean " : "; see `grid credential list",
              near != NULL ? near : "", near != NULL ? "?" : "`");
    free(ids);
    return -1;
}

static int forget(const struct command_context *c, const char *id)
{
    struct config_roles *roles = &c->config->roles;
    struct error err;

    if (config_roles_find(roles, id, NULL) == NULL) {
        unknown(roles, id, &err);
        return command_fail(c->options, &err);
    }
    config_roles_remove(roles, id);
    if (config_save(c->config, c->paths, &err) != 0)
        return command_fail(c->options, &err);
    printf(
        "credential %s is forgotten; the role itself stays: its owner can delete it\n",
        id);
    return EXIT_DONE;
}

/* ---- create: who we are ---- */

struct registration {
    const struct command_context *c;
    char *external_id;
    char *account; /* NULL: not known */
    char *region;  /* or NULL */
    char *role_arn;
    const char *hint; /* of an error, where its kind says too little */
};

enum { EXTERNAL_ID_BYTES = 16 };

static int settle_external_id(struct registration *r, struct error *err)
{
    struct config_roles *roles = &r->c->config->roles;
    char drawn[2 * EXTERNAL_ID_BYTES + 1];

    if (r->c->options->external_id != NULL) {
        r->external_id = mem_copy_string(r->c->options->external_id);
        return 0;
    }
    if (roles->external_id == NULL) {
        agent_random_hex(drawn, EXTERNAL_ID_BYTES);
        roles->external_id = mem_copy_string(drawn);
        if (config_save(r->c->config, r->c->paths, err) != 0)
            return -1;
    }
    r->external_id = mem_copy_string(roles->external_id);
    return 0;
}

/* The account of the keys that will assume the role; not known where the endpoint has no
 * STS that names one. */
static int find_account(struct registration *r, struct error *err)
{
    char account[STS_ACCOUNT_MAX];
    struct role_access access = {0};
    struct loop loop;
    int status = loop_open(&loop);

    if (status != 0)
        return error_set(err, ERROR_INTERNAL, status, "libuv: %s", uv_strerror(status));
    role_access_init(&access, NULL, r->c->cluster, r->c->paths, &loop);
    status = role_access_account(&access, account, err);
    if (status == 0)
        r->account = mem_copy_string(account);
    if (access.sts.region != NULL)
        r->region = mem_copy_string(access.sts.region);
    role_access_stop(&access);
    loop_close(&loop);
    role_access_free(&access);
    return status == 0 || err->kind == ERROR_NOT_FOUND ? 0 : -1;
}

/* ---- create: the policies ---- */

static void print_policies_json(const struct registration *r, const struct text *trust,
                                const struct text *permissions)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "account", r->account);
    json_line_string(&line, "external_id", r->external_id);
    json_line_string(&line, "trust_policy", text_string(trust));
    json_line_string(&line, "permission_policy", text_string(permissions));
    json_line_end(&line);
    fputs(text_string(&line), stdout);
    text_free(&line);
}

static void print_policies(const struct registration *r)
{
    struct text trust = {0}, permissions = {0};

    role_policy_put_trust(&trust, r->account, r->region, r->external_id);
    role_policy_put_permissions(&permissions, r->region);
    if (r->c->options->json)
        print_policies_json(r, &trust, &permissions);
    else
        printf(
            "1. In the account that owns the bucket, make a role with this trust "
            "policy:\n\n%s\n2. and this permission policy, with the bucket's name in "
            "place of BUCKET:\n\n%s\n",
            text_string(&trust), text_string(&permissions));
    if (r->account == NULL)
        console_print_warning(
            "the endpoint does not say whose keys these are: put your "
            "account, or the ARN of your user, in place of ACCOUNT");
    text_free(&trust);
    text_free(&permissions);
}

static void say_next(const struct registration *r)
{
    if (r->c->options->json)
        return;
    printf("3. Then register it:\n\n"
           "   grid credential create --type s3 --role-arn ARN%s%s\n\n"
           "The external id is kept until then: the policy stays good.\n",
           r->c->options->external_id != NULL ? " --external-id " : "",
           r->c->options->external_id != NULL ? r->external_id : "");
}

/* ---- create: the role ---- */

/* "arn:aws:iam::123456789012:role/path/NAME" */
static int check_arn(const char *arn, struct error *err)
{
    const char *role = strstr(arn, ":role/");

    if (strncmp(arn, "arn:", 4) == 0 && role != NULL && role[strlen(":role/")] != '\0')
        return 0;
    return error_set(err, ERROR_USAGE, 0,
                     "\"%.120s\" is no role, for example "
                     "arn:aws:iam::123456789012:role/grid",
                     arn);
}

static int try_role(const struct registration *r, struct error *err)
{
    const struct config_role role = {.role_arn = r->role_arn,
                                     .external_id = r->external_id};
    struct role_access access = {0};
    struct loop loop;
    int status = loop_open(&loop);

    if (status != 0)
        return error_set(err, ERROR_INTERNAL, status, "libuv: %s", uv_strerror(status));
    role_access_init(&access, &role, r->c->cluster, r->c->paths, &loop);
    status = role_access_find(&access, err);
    role_access_stop(&access);
    loop_close(&loop);
    role_access_free(&access);
    return status;
}

/* After the role, and a number where that is taken. */
static char *make_id(const struct registration *r)
{
    const char *base = strrchr(r->role_arn, '/') + 1;
    struct text id = {0};

    for (unsigned n = 1;; n++) {
        text_clear(&id);
        text_add_format(&id, "%s", name_is_valid(base) ? base : "role");
        if (n > 1)
            text_add_format(&id, "-%u", n);
        if (config_roles_find(&r->c->config->roles, text_string(&id), NULL) == NULL)
            return text_take(&id);
    }
}

static char *choose_id(const struct registration *r)
{
    const struct config_role *known =
        config_roles_find(&r->c->config->roles, NULL, r->role_arn);

    if (r->c->options->name != NULL)
        return mem_copy_string(r->c->options->name);
    return known != NULL ? mem_copy_string(known->id) : make_id(r);
}

static int save(struct registration *r, struct error *err)
{
    struct config_roles *roles = &r->c->config->roles;
    struct config_role role = {choose_id(r), r->role_arn, r->external_id};
    int status;

    config_roles_put(roles, &role);
    if (roles->external_id != NULL && strcmp(roles->external_id, r->external_id) == 0) {
        free(roles->external_id);
        roles->external_id = NULL;
    }
    status = config_save(r->c->config, r->c->paths, err);
    if (status == 0 && r->c->options->json)
        print_json(&role);
    else if (status == 0)
        printf("credential %s is registered: %s\n", role.id, role.role_arn);
    free(role.id);
    return status;
}

static int register_role(struct registration *r, struct error *err)
{
    if (check_arn(r->role_arn, err) != 0)
        return -1;
    if (try_role(r, err) == 0)
        return save(r, err);
    if (err->kind == ERROR_AUTH)
        r->hint =
            "`grid credential create --type s3` prints the policies that the role "
            "must have; one that was just made takes some seconds until it counts";
    return -1;
}

/* Printed for its owner; asked for where somebody can answer. */
static int prepare(struct registration *r, struct error *err)
{
    if (find_account(r, err) != 0)
        return -1;
    print_policies(r);
    if (r->c->options->json || !prompt_is_possible()) {
        say_next(r);
        return 0;
    }
    if (prompt_line(&r->role_arn, "Role ARN (none: later, with --role-arn)", false,
                    err) != 0)
        return -1;
    if (*r->role_arn != '\0')
        return register_role(r, err);
    say_next(r);
    return 0;
}

static int create(const struct command_context *c)
{
    struct registration r = {.c = c};
    struct error err;
    int status = settle_external_id(&r, &err);

    if (status == 0 && c->options->role_arn != NULL) {
        r.role_arn = mem_copy_string(c->options->role_arn);
        status = register_role(&r, &err);
    } else if (status == 0) {
        status = prepare(&r, &err);
    }
    free(r.external_id);
    free(r.account);
    free(r.region);
    free(r.role_arn);
    return status == 0 ? EXIT_DONE
                       : command_refuse(c->options, &err,
                                        r.hint != NULL ? r.hint : exit_hint_for(&err),
                                        exit_code_for(&err));
}

int command_credential(const struct command_context *c)
{
    switch (c->options->command) {
    case COMMAND_CREDENTIAL_CREATE:
        return create(c);
    case COMMAND_CREDENTIAL_DELETE:
        return forget(c, c->options->positional[0]);
    default:
        return list(c);
    }
}
