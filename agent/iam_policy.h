#ifndef AGENT_IAM_POLICY_H
#define AGENT_IAM_POLICY_H

#include <stdbool.h>

#include "base/text.h"

/*
 * The smallest IAM policy that lets grid work with s3://bucket/prefix, as a JSON document
 * of several lines ("Actions, resources, and condition keys for Amazon S3").  prefix: ""
 * or with a '/' at its end.  may_create: the bucket is made where it is needed.
 */
void iam_policy_add(struct text *out, const char *bucket, const char *prefix,
                    bool may_create);

#endif
