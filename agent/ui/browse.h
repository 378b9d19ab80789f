#ifndef AGENT_UI_BROWSE_H
#define AGENT_UI_BROWSE_H

#include "base/error.h"
#include "base/text.h"

/*
 * One level of this machine's own file system as a JSON object, for choosing a source:
 *
 *     {"path":"/data","ref":"/data","parent":"/","entries":[{"name":"set","ref":
 *      "/data/set","type":"dir"},{"name":"a.bin","ref":...,"type":"file","size":17,
 *      "modified":"..."}],"left_off":0}
 *
 * Folders first, each kind by name.  A ref names the entry for the next request, also
 * where its name is not UTF-8: its path, percent-encoded.  Only the first of very many
 * entries are told; left_off says of how many there are more.  Blocks.
 */
enum { BROWSE_ENTRIES_MAX = 2000 };

int browse_folder(struct text *json, const char *path, struct error *err);

/* A ref back into a path; the caller frees it. */
char *browse_path_of(const char *ref);

#endif
