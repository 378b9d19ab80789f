#ifndef TRANSFER_S3_QUIRKS_H
#define TRANSFER_S3_QUIRKS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * In what the S3-compatible services differ: one table.  What can be found out by
 * asking (checksums, conditional writes) is probed; a row only spares the asking where
 * the answer is known and the asking would do harm, and says what cannot be asked.
 */

/* How the store is made to check the bytes that it takes (ARCHITECTURE, "How a part
 * gets its integrity"), best first. */
enum s3_rung {
    S3_RUNG_UNKNOWN,      /* to be probed */
    S3_RUNG_TRAILER,      /* CRC32C behind the bytes */
    S3_RUNG_HEADER,       /* CRC32C in front: the body is read twice */
    S3_RUNG_CHUNK_SIGNED, /* each chunk has its signature */
    S3_RUNG_SHA256,       /* of the whole payload, in the signature: read twice */
    S3_RUNG_MD5,          /* Content-MD5: read twice */
    S3_RUNG_NONE,         /* the store checks nothing */
    S3_RUNGS
};

struct s3_quirks {
    const char *name;   /* for logs */
    const char *host;   /* the endpoint's host ends so; NULL: any */
    const char *server; /* its Server: header begins so; NULL: any */
    uint64_t part_min;
    bool lists_exact_key;  /* open uploads are found by their exact key only */
    bool pins_copies;      /* x-amz-copy-source-if-match is known to be honoured */
    unsigned broken_rungs; /* 1 << rung: it would misbehave, not refuse */
};

/* server: "" while unknown.  Never NULL: the last row fits all. */
const struct s3_quirks *s3_quirks_find(const char *host, const char *server);

const char *s3_rung_name(enum s3_rung rung);

#endif
