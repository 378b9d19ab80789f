#ifndef AGENT_CONFIG_ROLES_H
#define AGENT_CONFIG_ROLES_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

/*
 * The roles that were registered with `grid credential create`, as part of config.json;
 * there are no secrets in it:
 *
 *     "credentials": [{"id": "reader", "type": "s3", "external_id": "9f2c...",
 *                      "role_arn": "arn:aws:iam::123456789012:role/reader"}],
 *     "external_id": "77ab..."
 */
struct config_role {
    char *id, *role_arn;
    char *external_id; /* NULL: none is told to STS */
};

struct config_roles {
    struct config_role *roles; /* in the order in which they were registered */
    size_t n;
    char *external_id; /* drawn for the role to come, or NULL */
};

/* -1: that is damaged.  To be freed in any case. */
int config_roles_read(struct config_roles *r, const cJSON *root);
void config_roles_write(const struct config_roles *r, cJSON *root);
void config_roles_free(struct config_roles *r);

/* NULL if there is none; by role_arn where id is NULL. */
const struct config_role *config_roles_find(const struct config_roles *r,
                                            const char *id, const char *role_arn);

/* Added, or in place of the one of that id; strings are copied. */
void config_roles_put(struct config_roles *r, const struct config_role *role);
bool config_roles_remove(struct config_roles *r, const char *id); /* false: not there */

#endif
