/* Shards written, synced included, and read back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/micro/bench.h"
#include "manifest/manifest.h"

enum { FEED = 256 << 10 };

static void write_all(const char *prefix, struct manifest_summary *summary)
{
    struct manifest_writer *writer;
    struct error err = {0};
    char path[40];

    bench_check(manifest_writer_open(&writer, prefix, MANIFEST_SHARD_ENTRIES, &err),
                &err);
    for (unsigned i = 0; i < BENCH_ENTRIES; i++) {
        struct manifest_line line = {
            .entry = {.path = path,
                      .mode = 0644,
                      .stamp = {.size = 16384, .mtime_ns = 1795305600000000000 + i}},
            .has_hash = true};

        snprintf(path, sizeof path, "train/%03u/%06u.jpg", i / 1000, i);
        for (unsigned byte = 0; byte < DIGEST_BYTES; byte++) /* not to be compressed */
            line.hash.bytes[byte] =
                (uint8_t)(i * 2654435761u >> (byte % 4 * 8)) ^ (uint8_t)(byte * 37);
        bench_check(manifest_writer_add(writer, &line, &err), &err);
    }
    bench_check(manifest_writer_end(writer, summary, &err), &err);
    manifest_writer_free(writer);
}

static int count(void *ctx, const struct manifest_line *line, struct error *err)
{
    size_t *n = ctx;

    (void)line, (void)err;
    (*n)++;
    return 0;
}

static size_t read_all(const char *file, uint8_t *buffer)
{
    FILE *in = fopen(file, "rb");
    struct manifest_reader *reader;
    struct error err = {0};
    size_t n = 0, size;

    bench_check(in == NULL ? error_set(&err, ERROR_IO, 0, "%s is gone", file) : 0,
                &err);
    reader = manifest_reader_new(count, &n);
    while ((size = fread(buffer, 1, FEED, in)) > 0)
        bench_check(manifest_reader_feed(reader, (struct span){buffer, size}, &err),
                    &err);
    bench_check(manifest_reader_end(reader, &err), &err);
    manifest_reader_free(reader);
    fclose(in);
    return n;
}

void bench_manifest(const char *folder)
{
    char prefix[160];
    struct manifest_summary summary = {0};
    uint8_t *buffer = mem_buffer(FEED);
    double begin = bench_thread_s(), spent;
    size_t n = 0;

    snprintf(prefix, sizeof prefix, "%s/manifest-", folder);
    do {
        manifest_summary_free(&summary);
        memset(&summary, 0, sizeof summary);
        write_all(prefix, &summary);
        n += BENCH_ENTRIES;
        spent = bench_thread_s() - begin;
    } while (spent < bench_long_s);
    bench_print("manifest, writing", (double)n / spent, "entries per CPU s");
    bench_print("manifest, size", (double)summary.shards[0].bytes / BENCH_ENTRIES,
                "bytes per entry");
    begin = bench_thread_s();
    n = 0;
    do {
        n += read_all(summary.shards[0].file, buffer);
        spent = bench_thread_s() - begin;
    } while (spent < bench_long_s);
    bench_print("manifest, reading", (double)n / spent, "entries per CPU s");
    manifest_summary_free(&summary);
    free(buffer);
}
