#ifndef MANIFEST_MANIFEST_LINE_H
#define MANIFEST_MANIFEST_LINE_H

#include <stddef.h>

#include "base/text.h"
#include "manifest/manifest.h"

/*
 * One line of a manifest: its JSON text and what it adds to the root hash (FORMATS, "A
 * manifest line" and "Hashes").  What is wrong with a line is told as a constant
 * string, as it is the writer's own bug but the reader's bad input.
 */

/*
 * What is wrong with a line on its own: an unsafe path, a file with neither hash nor
 * etag, blocks that do not go with size and hash, a symlink without target or with a
 * hash that is not its target's, a key other than the odd one, text that is not UTF-8.
 * NULL: nothing.
 */
const char *manifest_line_fault(const struct manifest_line *line);

/* The JSON object and '\n'.  The line has no fault. */
void manifest_line_add(struct text *out, const struct manifest_line *line);

/* "type SP size SP hash SP path NUL". */
void manifest_line_add_root(struct text *out, const struct manifest_line *line);

/*
 * Parse size bytes of JSON, with room for a NUL behind them, in place: all strings and
 * digests of the line then lie in json.  Fields that are not known are skipped. Returns
 * NULL, or the fault (then line and json are in no defined state).
 */
const char *manifest_line_parse(struct manifest_line *line, char *json, size_t size);

#endif
