#ifndef TRANSFER_STS_JUDGE_H
#define TRANSFER_STS_JUDGE_H

#include "transfer/s3_xml.h"
#include "transfer/sts.h"

/* What goes to STS, and what its answer means; part of sts.c.  Pure. */

/* The question as the form that is sent. */
void sts_put_form(const struct sts *s, struct text *form);

/* From an answer to s->err, account and keys. */
void sts_judge(struct sts *s, int status, struct s3_answer *answer);

#endif
