#ifndef BENCH_SINK_XML_H
#define BENCH_SINK_XML_H

#include "base/text.h"
#include "bench/sink/bucket.h"
#include "bench/sink/wire.h"

/* S3's documents, as far as the sink speaks them. */
extern const char xml_declaration[];

void xml_add(struct text *out, const char *string); /* escaped */

/* The text of the next <name> behind `at`, unescaped, into *out.  Returns where to go
 * on; NULL: there is none. */
const char *xml_next(const char *at, const char *name, struct text *out);

/* What a GET of a bucket, or of none, answers: its objects, uploads, place. */
void xml_answer_bucket(struct text *out, struct bucket *b,
                       const struct wire_head *head);

/* False: there is no such upload. */
bool xml_answer_parts(struct text *out, struct bucket *b, const struct wire_head *head,
                      const char *id);

#endif
