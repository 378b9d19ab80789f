#ifndef AGENT_JSON_LINE_H
#define AGENT_JSON_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/*
 * One JSON object on one line, field by field, for `--json` of every command.  Each
 * function adds to the end of *line; a text that is a valid line so far stays one.
 *
 *     json_line_begin(&line);
 *     json_line_string(&line, "name", "imagenet");
 *     json_line_end(&line);            {"name":"imagenet"}\n
 *
 * Keys are plain ASCII.  A value that is NULL becomes null.
 */
void json_line_begin(struct text *line);
void json_line_end(struct text *line);

/* Bytes that are not UTF-8 become U+FFFD. */
void json_line_string(struct text *line, const char *key, const char *value);

/* The same, and where bytes were not UTF-8 the field "<key>_b64" holds them all. */
void json_line_path(struct text *line, const char *key, const char *path);

void json_line_u64(struct text *line, const char *key, uint64_t value);
void json_line_i64(struct text *line, const char *key, int64_t value);
void json_line_bool(struct text *line, const char *key, bool value);
void json_line_seconds(struct text *line, const char *key, double value);
void json_line_time(struct text *line, const char *key, int64_t ms_since_epoch);

#endif
