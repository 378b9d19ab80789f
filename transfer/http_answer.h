#ifndef TRANSFER_HTTP_ANSWER_H
#define TRANSFER_HTTP_ANSWER_H

#include "transfer/http.h"

/*
 * What has come of an answer.  http's own; others use http_header().
 */

/* All header lines of one answer together; more is no answer. */
enum { HTTP_HEADERS_MAX = 64 << 10 };

void http_answer_clear(struct http_answer *answer); /* memory freed */

/* A line of the head, status lines and the empty one too; an answer of 100 to 199 is
 * forgotten when the next comes.  false: too large. */
bool http_answer_add_line(struct http_answer *answer, const char *line, size_t length);

#endif
