#ifndef AGENT_ROLE_POLICY_H
#define AGENT_ROLE_POLICY_H

#include "base/text.h"

/*
 * What the owner of a bucket needs to make a role for us (IAM User Guide, "Access to AWS
 * accounts owned by third parties"), as JSON documents of several lines.  Pure.
 */

/* Who may assume it.  account NULL: not known, a placeholder stands there. */
void role_policy_put_trust(struct text *out, const char *account, const char *region,
                           const char *external_id);

/* What it may: read one bucket. */
void role_policy_put_permissions(struct text *out, const char *region);

#endif
