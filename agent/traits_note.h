#ifndef AGENT_TRAITS_NOTE_H
#define AGENT_TRAITS_NOTE_H

#include <stdint.h>

/*
 * What probing has found out about a store (store_traits()), kept for a day, so that not
 * every run has to write to the store before its first byte.  One small file a store:
 *
 *     sessions/store-0123456789abcdef.traits
 *     {"format": 1, "noted_at": "2026-11-22T16:37:00.000Z",
 *      "traits": "1 checks=crc32c-trailer if-none-match=yes", "check": "8a9136aa"}
 *
 * A note that is damaged, too old, of the future, of another store or another format
 * does not count; losing one costs a few requests.  Both functions block.
 */
enum { TRAITS_NOTE_MS = 24 * 60 * 60 * 1000 };

extern const char traits_note_suffix[]; /* ".traits" */

/* store: whatever tells it from others.  NULL: there is none that counts; the caller
 * frees.  now_ms since the epoch. */
char *traits_note_read(const char *folder, const char *store, int64_t now_ms);

/* All or nothing; what goes wrong is only logged. */
void traits_note_write(const char *folder, const char *store, const char *traits,
                       int64_t now_ms);

#endif
