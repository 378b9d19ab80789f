#ifndef TRANSFER_S3_JUDGE_H
#define TRANSFER_S3_JUDGE_H

#include "transfer/s3_request.h"

/* What the answer to a request means; part of s3_request.c, which calls all of it. */
enum { S3_JUDGE_LEARN_MAX = 2 };

/* From status, headers and XML to r->err and r->verdict. */
void s3_judge(struct s3_request *r);

/* Was it about the region or the clock, and is something known now that was not when it
 * was signed?  Then it is to be signed and sent again. */
bool s3_judge_learn(struct s3_request *r);

/* Was it about bytes that arrived otherwise than they were sent?  Then ERROR_CORRUPT.
 */
void s3_judge_damage(struct s3_request *r);

/* A success that is none, told while its body is still to come: r->err says who has
 * answered.  why: what is wrong with it, for a message. */
int s3_judge_broken(struct s3_request *r, const char *why);

#endif
