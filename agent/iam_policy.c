/*
 *   ListObjectsV2                                        s3:ListBucket
 *   ListMultipartUploads                                 s3:ListBucketMultipartUploads
 *   HEAD, GET, source of a copy                          s3:GetObject
 *   PUT, multipart uploads but for their end, copies     s3:PutObject
 *   AbortMultipartUpload, ListParts                      the actions of that name
 *   DELETE                                               s3:DeleteObject
 *
 * Listings are of the bucket: a condition on s3:prefix would have to let every folder
 * pass that is looked into, so they are allowed below the store's prefix as a whole.
 */
#include "agent/iam_policy.h"

static void add_list(struct text *out, const char *bucket, const char *prefix,
                     bool may_create)
{
    text_add(out, "    {\"Effect\": \"Allow\",\n"
                  "     \"Action\": [\"s3:ListBucket\", "
                  "\"s3:ListBucketMultipartUploads\"");
    text_add(out, may_create ? ", \"s3:CreateBucket\"],\n" : "],\n");
    text_add_format(out, "     \"Resource\": \"arn:aws:s3:::%s\"", bucket);
    if (prefix[0] != '\0' && !may_create)
        text_add_format(out,
                        ",\n     \"Condition\": {\"StringLike\": {\"s3:prefix\": "
                        "\"%s*\"}}",
                        prefix);
    text_add(out, "},\n");
}

void iam_policy_add(struct text *out, const char *bucket, const char *prefix,
                    bool may_create)
{
    text_add(out, "{\"Version\": \"2012-10-17\",\n \"Statement\": [\n");
    add_list(out, bucket, prefix, may_create);
    text_add_format(out,
                    "    {\"Effect\": \"Allow\",\n"
                    "     \"Action\": [\"s3:GetObject\", \"s3:PutObject\", "
                    "\"s3:DeleteObject\",\n"
                    "                \"s3:AbortMultipartUpload\", "
                    "\"s3:ListMultipartUploadParts\"],\n"
                    "     \"Resource\": \"arn:aws:s3:::%s/%s*\"}\n ]}\n",
                    bucket, prefix);
}
