#ifndef AGENT_JSON_FIELD_H
#define AGENT_JSON_FIELD_H

#include <stdint.h>

#include <cjson/cJSON.h>

/*
 * Single fields of a cJSON object, in and out, for the documents that grid keeps.  A
 * field that is missing, or is of another type, is read as if it were not there.
 *
 * Numbers are read as doubles: exact up to 2^53, sizes of up to 8 PiB.
 */

/* cJSON wants UTF-8; what is not is written as far as it can be shown.  NULL: no
 * field. */
void json_field_add_string(cJSON *object, const char *name, const char *string);

/* As text_add_printable() makes it.  NULL: no field. */
void json_field_add_printable(cJSON *object, const char *name, const char *string);

/* A path that is to be found again: where it is not UTF-8 the field is "<name>_b64", in
 * base64, as in a manifest.  NULL: no field. */
void json_field_add_path(cJSON *object, const char *name, const char *path);

void json_field_add_u64(cJSON *object, const char *name, uint64_t number);

/* A copy for the caller; where there is none, one of otherwise, which may be NULL. */
char *json_field_string(const cJSON *object, const char *name, const char *otherwise);

/* The same of a path, as json_field_add_path() wrote it. */
char *json_field_path(const cJSON *object, const char *name, const char *otherwise);

/* 0 where there is none; one below 0 or above 9e15 counts as none. */
uint64_t json_field_u64(const cJSON *object, const char *name);

/* 0 where there is none; one beyond 9e15 either way counts as none. */
int64_t json_field_i64(const cJSON *object, const char *name);

#endif
