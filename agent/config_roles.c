/* A handful of roles: a plain array, searched from its beginning. */
#include "agent/config_roles.h"

#include <stdlib.h>
#include <string.h>

#include "agent/json_field.h"
#include "base/mem.h"

static char *copy(const char *string)
{
    return string != NULL ? mem_copy_string(string) : NULL;
}

static void free_role(struct config_role *role)
{
    free(role->id);
    free(role->role_arn);
    free(role->external_id);
    memset(role, 0, sizeof *role);
}

static struct config_role *find(const struct config_roles *r, const char *id,
                                const char *role_arn)
{
    for (size_t i = 0; i < r->n; i++)
        if (id != NULL ? strcmp(r->roles[i].id, id) == 0
                       : strcmp(r->roles[i].role_arn, role_arn) == 0)
            return &r->roles[i];
    return NULL;
}

const struct config_role *config_roles_find(const struct config_roles *r,
                                            const char *id, const char *role_arn)
{
    return find(r, id, role_arn);
}

void config_roles_put(struct config_roles *r, const struct config_role *role)
{
    struct config_role *old = find(r, role->id, NULL);
    struct config_role new = {copy(role->id), copy(role->role_arn),
                              copy(role->external_id)};

    if (old != NULL) {
        free_role(old);
        *old = new;
        return;
    }
    r->roles = mem_resize(r->roles, r->n + 1, sizeof *r->roles);
    r->roles[r->n++] = new;
}

bool config_roles_remove(struct config_roles *r, const char *id)
{
    struct config_role *old = find(r, id, NULL);
    size_t at;

    if (old == NULL)
        return false;
    at = (size_t)(old - r->roles);
    free_role(old);
    memmove(old, old + 1, (--r->n - at) * sizeof *old);
    return true;
}

void config_roles_free(struct config_roles *r)
{
    for (size_t i = 0; i < r->n; i++)
        free_role(&r->roles[i]);
    free(r->roles);
    free(r->external_id);
    memset(r, 0, sizeof *r);
}

/* ---- in config.json ---- */

static int read_role(struct config_roles *r, const cJSON *item)
{
    struct config_role role = {json_field_string(item, "id", NULL),
                               json_field_string(item, "role_arn", NULL),
                               json_field_string(item, "external_id", NULL)};
    int status = role.id != NULL && role.role_arn != NULL ? 0 : -1;

    if (status == 0)
        config_roles_put(r, &role);
    free_role(&role);
    return status;
}

int config_roles_read(struct config_roles *r, const cJSON *root)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "credentials");
    const cJSON *item;

    memset(r, 0, sizeof *r);
    r->external_id = json_field_string(root, "external_id", NULL);
    if (list != NULL && !cJSON_IsArray(list))
        return -1;
    cJSON_ArrayForEach(item, list)
    {
        if (read_role(r, item) != 0)
            return -1;
    }
    return 0;
}

void config_roles_write(const struct config_roles *r, cJSON *root)
{
    cJSON *list = r->n > 0 ? cJSON_AddArrayToObject(root, "credentials") : NULL;

    for (size_t i = 0; i < r->n; i++) {
        cJSON *item = cJSON_CreateObject();

        json_field_add_string(item, "id", r->roles[i].id);
        json_field_add_string(item, "type", "s3");
        json_field_add_string(item, "role_arn", r->roles[i].role_arn);
        json_field_add_string(item, "external_id", r->roles[i].external_id);
        cJSON_AddItemToArray(list, item);
    }
    json_field_add_string(root, "external_id", r->external_id);
}
