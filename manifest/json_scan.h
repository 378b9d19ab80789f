#ifndef MANIFEST_JSON_SCAN_H
#define MANIFEST_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * JSON read in place, without a tree: for lines that come by the million.  *at is a
 * cursor in text that ends in NUL and is changed by reading.  That the text is UTF-8
 * has been checked by the caller.  Everything skips blanks first and returns false
 * where the text is not as asked for.
 */
struct json_value { /* lies in the text */
    char *data;
    size_t size;
};

/* Take c if it comes next; '\0' is the end of the text. */
bool json_scan_char(char **at, char c);

/* A string without its quotes and escapes, with a NUL behind it (and perhaps within).
 */
bool json_scan_string(char **at, struct json_value *out);

/* A number as it stands.  No NUL is put behind it: something else stands there. */
bool json_scan_number(char **at, struct json_value *out);

/* Any value, of at most 16 levels. */
bool json_scan_skip(char **at);

#endif
