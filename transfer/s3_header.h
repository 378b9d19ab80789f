#ifndef TRANSFER_S3_HEADER_H
#define TRANSFER_S3_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "transfer/http.h"
#include "transfer/store.h"

/*
 * Headers of an answer, understood.  They can be read for as long as http_header() says;
 * what is read is the caller's.
 */

/* Copied, cut to fit; "" where it did not come. */
void s3_header_text(const struct http_answer *answer, const char *name, char *out,
                    size_t room);

/* Without its quotes; "" where none came, or none that fits. */
void s3_header_etag(const struct http_answer *answer, char out[STORE_ETAG_MAX]);

/* -1 where it did not come, or is no number. */
int s3_header_number(const struct http_answer *answer, const char *name, uint64_t *out);

/* In ms since the epoch; -1 where it did not come, or is no date. */
int s3_header_date_ms(const struct http_answer *answer, const char *name, int64_t *out);

/* How long the store asks to wait; 0 where it does not. */
unsigned s3_header_retry_after_s(const struct http_answer *answer);

#endif
