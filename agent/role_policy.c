#include "agent/role_policy.h"

#include <string.h>

/* China and the government's regions have names of their own. */
static const char *partition_of(const char *region)
{
    if (region != NULL && strncmp(region, "cn-", 3) == 0)
        return "aws-cn";
    if (region != NULL && strncmp(region, "us-gov-", 7) == 0)
        return "aws-us-gov";
    return "aws";
}

void role_policy_put_trust(struct text *out, const char *account, const char *region,
                           const char *external_id)
{
    struct text id = {0};

    text_add_json(&id, external_id, strlen(external_id));
    text_add_format(out,
                    "{\n"
                    "  \"Version\": \"2012-10-17\",\n"
                    "  \"Statement\": [{\n"
                    "    \"Effect\": \"Allow\",\n"
                    "    \"Principal\": {\"AWS\": \"arn:%s:iam::%s:root\"},\n"
                    "    \"Action\": \"sts:AssumeRole\",\n"
                    "    \"Condition\": {\"StringEquals\": {\"sts:ExternalId\": %s}}\n"
                    "  }]\n"
                    "}\n",
                    partition_of(region), account != NULL ? account : "ACCOUNT",
                    text_string(&id));
    text_free(&id);
}

void role_policy_put_permissions(struct text *out, const char *region)
{
    const char *partition = partition_of(region);

    text_add_format(out,
                    "{\n"
                    "  \"Version\": \"2012-10-17\",\n"
                    "  \"Statement\": [{\n"
                    "    \"Effect\": \"Allow\",\n"
                    "    \"Action\": [\"s3:ListBucket\", \"s3:GetBucketLocation\"],\n"
                    "    \"Resource\": \"arn:%s:s3:::BUCKET\"\n"
                    "  }, {\n"
                    "    \"Effect\": \"Allow\",\n"
                    "    \"Action\": [\"s3:GetObject\", \"s3:GetObjectVersion\"],\n"
                    "    \"Resource\": \"arn:%s:s3:::BUCKET/*\"\n"
                    "  }]\n"
                    "}\n",
                    partition, partition);
}
