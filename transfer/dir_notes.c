/*
 * Each record has a checksum of its own, so that one which a crash has torn is as good
 * as none, and is written in one go at a place of its own, so that parts do not wait
 * for each other.
 */
#include "transfer/dir_notes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/span.h"
#include "transfer/dir_tree.h"

enum {
    FORMAT = 1,
    HEADER_SUMMED = 32 + DIR_KEY_MAX,
    HEADER_SIZE = HEADER_SUMMED + DIR_ETAG_BYTES,
    RECORD_SUMMED = 32,
    RECORD_SIZE = RECORD_SUMMED + DIR_ETAG_BYTES
};
static const char magic[8] = {'g', 'r', 'i', 'd', 'p', 'a', 'r', 't'};

static void put_le(uint8_t *out, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_le(const uint8_t *in, size_t size)
{
    uint64_t value = 0;

    for (size_t i = size; i-- > 0;)
        value = value << 8 | in[i];
    return value;
}

static void header_write(uint8_t out[HEADER_SIZE],
                         const struct dir_notes_header *header)
{
    size_t length = strlen(header->key);

    memset(out, 0, HEADER_SIZE);
    memcpy(out, magic, sizeof magic);
    put_le(out + 8, FORMAT, 4);
    put_le(out + 12, length, 4);
    put_le(out + 16, header->size, 8);
    put_le(out + 24, header->part_size, 8);
    memcpy(out + 32, header->key, length);
    dir_etag_of(out + HEADER_SUMMED, out, HEADER_SUMMED);
}

static bool header_read(struct dir_notes_header *header, const uint8_t in[HEADER_SIZE])
{
    uint8_t sum[DIR_ETAG_BYTES];
    uint64_t length = get_le(in + 12, 4);

    dir_etag_of(sum, in, HEADER_SUMMED);
    if (memcmp(in, magic, sizeof magic) != 0 || get_le(in + 8, 4) != FORMAT ||
        length > DIR_KEY_MAX || memcmp(sum, in + HEADER_SUMMED, sizeof sum) != 0)
        return false;
    memcpy(header->key, in + 32, length);
    header->key[length] = '\0';
    header->size = get_le(in + 16, 8);
    header->part_size = get_le(in + 24, 8);
    return true;
}

static void record_write(uint8_t out[RECORD_SIZE], const struct dir_notes_part *part)
{
    memset(out, 0, RECORD_SIZE);
    put_le(out, part->number, 4);
    put_le(out + 8, part->size, 8);
    memcpy(out + 16, part->etag, DIR_ETAG_BYTES);
    dir_etag_of(out + RECORD_SUMMED, out, RECORD_SUMMED);
}

/* False: nothing there, or not whole. */
static bool record_read(struct dir_notes_part *part, const uint8_t in[RECORD_SIZE])
{
    uint8_t sum[DIR_ETAG_BYTES];

    dir_etag_of(sum, in, RECORD_SUMMED);
    if (memcmp(sum, in + RECORD_SUMMED, sizeof sum) != 0)
        return false;
    part->number = (uint32_t)get_le(in, 4);
    part->size = get_le(in + 8, 8);
    memcpy(part->etag, in + 16, DIR_ETAG_BYTES);
    return part->number != 0;
}

static uint64_t record_offset(uint32_t number)
{
    return HEADER_SIZE + (uint64_t)RECORD_SIZE * (number - 1);
}

/* As many bytes as there are; -1 and errno on failure. */
static ssize_t read_at(int fd, void *out, size_t size, uint64_t offset)
{
    size_t got = 0;

    while (got < size) {
        ssize_t n = pread(fd, (uint8_t *)out + got, size - got, (off_t)(offset + got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

int dir_notes_write_header(int fd, const struct dir_notes_header *header)
{
    uint8_t bytes[HEADER_SIZE];

    header_write(bytes, header);
    if (dir_tree_write(fd, (struct span){bytes, sizeof bytes}, 0) != 0)
        return -1;
    return fsync(fd);
}

int dir_notes_read_header(int fd, struct dir_notes_header *header)
{
    uint8_t bytes[HEADER_SIZE];
    ssize_t n = read_at(fd, bytes, sizeof bytes, 0);

    if (n == HEADER_SIZE && header_read(header, bytes))
        return 0;
    if (n >= 0)
        errno = EBADMSG;
    return -1;
}

int dir_notes_write_part(int fd, const struct dir_notes_part *part)
{
    uint8_t bytes[RECORD_SIZE];

    record_write(bytes, part);
    return dir_tree_write(fd, (struct span){bytes, sizeof bytes},
                          record_offset(part->number));
}

int dir_notes_read_parts(int fd, uint32_t first, struct dir_notes_part *parts, size_t n)
{
    uint8_t *bytes = mem_new(n, RECORD_SIZE);
    ssize_t got = read_at(fd, bytes, n * RECORD_SIZE, record_offset(first));

    for (size_t i = 0; i < n; i++)
        if (!record_read(&parts[i], bytes + i * RECORD_SIZE) ||
            parts[i].number != first + i)
            parts[i].number = 0;
    free(bytes);
    return got < 0 ? -1 : 0;
}

int dir_notes_take_back(int fd, uint32_t number)
{
    uint8_t zeros[RECORD_SIZE] = {0};
    struct dir_notes_part part;

    if (dir_notes_read_parts(fd, number, &part, 1) != 0)
        return -1;
    if (part.number == 0)
        return 0;
    if (dir_tree_write(fd, (struct span){zeros, sizeof zeros}, record_offset(number)) !=
        0)
        return -1;
    return fdatasync(fd);
}
