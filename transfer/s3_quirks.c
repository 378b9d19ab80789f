#include "transfer/s3_quirks.h"

#include <string.h>
#include <strings.h>

#include "base/span.h"

enum { MIB = 1 << 20 };

/* aws-chunked bodies, of either sort. */
enum { CHUNKED = 1 << S3_RUNG_TRAILER | 1 << S3_RUNG_CHUNK_SIGNED };

/* A row matches by the end of the endpoint's host or by the Server header; the last
 * fits all.  Sources: the vendors' documents of S3 compatibility, and measurements. */
static const struct s3_quirks table[] = {
    {"aws", ".amazonaws.com", NULL, 5 * MIB, false, true, 0},
    {"aws-cn", ".amazonaws.com.cn", NULL, 5 * MIB, false, true, 0},
    {"storj", ".storjshare.io", NULL, 64 * MIB, false, false, 0},
    {"oracle", ".oraclecloud.com", NULL, 10 * MIB, false, false, CHUNKED},
    {"tencent-cos", ".myqcloud.com", NULL, 5 * MIB, false, false, CHUNKED},
    {"alibaba-oss", ".aliyuncs.com", NULL, 5 * MIB, false, false, CHUNKED},
    {"huawei-obs", ".myhuaweicloud.com", NULL, 5 * MIB, false, false, CHUNKED},
    {"minio", NULL, "MinIO", 5 * MIB, true, false, 0},
    {"any", NULL, NULL, 5 * MIB, false, false, 0},
};

static bool ends_with(const char *host, const char *end)
{
    size_t n = strlen(host), m = strlen(end);

    return n >= m && strcasecmp(host + n - m, end) == 0;
}

const struct s3_quirks *s3_quirks_find(const char *host, const char *server)
{
    for (size_t i = 0;; i++) {
        const struct s3_quirks *q = &table[i];
        bool fits_host = q->host == NULL || ends_with(host, q->host);
        bool fits_server =
            q->server == NULL || strncasecmp(server, q->server, strlen(q->server)) == 0;

        if (fits_host && fits_server)
            return q;
    }
}

const char *s3_rung_name(enum s3_rung rung)
{
    static const char *const names[S3_RUNGS] = {
        [S3_RUNG_UNKNOWN] = "unknown",
        [S3_RUNG_TRAILER] = "crc32c-trailer",
        [S3_RUNG_HEADER] = "crc32c-header",
        [S3_RUNG_CHUNK_SIGNED] = "chunk-signed",
        [S3_RUNG_SHA256] = "sha256",
        [S3_RUNG_MD5] = "content-md5",
        [S3_RUNG_NONE] = "none",
    };

    return names[rung];
}
