/* The digest of the stem is over store, name and source, a line each. */
#include "agent/session_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/span.h"
#include "base/text.h"
#include "manifest/digest.h"

static char *join(const char *folder, const char *stem, const char *suffix)
{
    struct text path = {0};

    text_add_format(&path, "%s/%s%s", folder, stem, suffix);
    return text_take(&path);
}

void session_files_init(struct session_files *f, const char *folder, const char *name,
                        const char *store_url, const char *source)
{
    struct text key = {0}, stem = {0};
    struct digest digest;

    text_add_format(&key, "%s\n%s\n%s", store_url, name, source);
    digest = digest_of_bytes(key.data, key.size);
    text_add_format(&stem, "%s-", name);
    text_add_hex(&stem, digest.bytes, 8);
    f->folder = mem_copy_string(folder);
    f->stem = text_take(&stem);
    f->database = join(folder, f->stem, ".db");
    f->cache = join(folder, f->stem, ".db.cache");
    f->status = join(folder, f->stem, ".json");
    f->log = join(folder, f->stem, ".log");
    f->scratch = join(folder, f->stem, ".manifest-");
    text_free(&key);
}

void session_files_free(struct session_files *f)
{
    free(f->folder);
    free(f->stem);
    free(f->database);
    free(f->cache);
    free(f->status);
    free(f->log);
    free(f->scratch);
    memset(f, 0, sizeof *f);
}

int session_files_set_aside(const char *file, const char *suffix, struct error *err)
{
    struct text aside = {0};
    int status;

    text_add_format(&aside, "%s.%s", file, suffix);
    status = rename(file, text_string(&aside));
    if (status != 0 && errno != ENOENT)
        error_errno(err, errno, "cannot rename %s", file);
    else
        status = 0;
    text_free(&aside);
    return status;
}

void session_files_remove_database(const struct session_files *f)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        struct text path = {0};
        text_add_format(&path, "%s%s", f->database, suffixes[i]);
        unlink(text_string(&path));
        text_free(&path);
    }
}
