/*
 *     loop: call -> task           thread: carry_out(task) -> loop: done()
 *
 *     pipe -> [gunzip] -> libarchive -> item, bytes
 *
 * gzip is unpacked here: libarchive does not look at its checksum.  At the end of a tar
 * it is read to its own end, so that the checksum is seen.
 *
 * A tar ends with two blocks of zeros.  libarchive takes the end of the bytes for the end
 * of the archive as well; one that was cut between two entries shows in how far the last
 * step went.
 */
#include "transfer/archive_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "transfer/gunzip.h"

enum { TAR_BLOCK = 512 };

enum task { TASK_NONE, TASK_NEXT, TASK_READ, TASK_CLOSE };

struct archive_reader {
    struct loop *loop;
    uv_thread_t thread;
    bool has_thread; /* else each call is answered with that */
    uv_mutex_t lock;
    uv_cond_t wanted;
    enum task task; /* guarded by lock */
    struct deferred answer;
    archive_reader_fn *done;
    void (*closed)(void *ctx);
    void *ctx;
    struct error err;

    struct archive_item item;
    bool at_end, can_skip;
    struct archive_read *read;

    /* The thread's. */
    struct byte_pipe *pipe;
    bool can_seek;
    uint64_t size;
    struct archive *archive; /* NULL: not opened yet */
    struct gunzip *gunzip;
    struct span ahead;     /* was looked at, and is to be read first */
    bool has_item;         /* stands at one */
    struct error pipe_err; /* behind what libarchive says */
    const uint8_t *block;  /* of the item's bytes: what is left of the last one */
    size_t block_size;
    uint64_t block_offset, position; /* in the item */
    bool has_ended;                  /* the item's bytes */
};

/* ---- bytes for libarchive ---- */

static int next_bytes(void *ctx, struct span *bytes, struct error *err)
{
    struct archive_reader *r = ctx;

    if (r->ahead.size > 0) {
        *bytes = r->ahead;
        r->ahead = (struct span){NULL, 0};
        return 0;
    }
    return byte_pipe_get(r->pipe, bytes, err);
}

static int note_trouble(struct archive_reader *r, const struct error *err)
{
    error_keep_first(&r->pipe_err, err);
    return ARCHIVE_FATAL;
}

static la_ssize_t on_read(struct archive *archive, void *ctx, const void **out)
{
    struct archive_reader *r = ctx;
    struct span bytes;
    struct error err;
    int status = r->gunzip != NULL ? gunzip_read(r->gunzip, &bytes, &err)
                                   : next_bytes(r, &bytes, &err);

    (void)archive;
    if (status != 0)
        return note_trouble(r, &err);
    *out = bytes.data;
    return (la_ssize_t)bytes.size;
}

/* What was read ahead has not been taken yet. */
static uint64_t offset_of(const struct archive_reader *r)
{
    return byte_pipe_offset(r->pipe) - r->ahead.size;
}

static int seek_to(struct archive_reader *r, uint64_t offset)
{
    struct error err;

    r->ahead = (struct span){NULL, 0};
    return byte_pipe_seek(r->pipe, offset, &err) == 0 ? ARCHIVE_OK
                                                      : note_trouble(r, &err);
}

static la_int64_t on_skip(struct archive *archive, void *ctx, la_int64_t n)
{
    struct archive_reader *r = ctx;

    (void)archive;
    if (n < BYTE_PIPE_CHUNK)
        return 0; /* it reads on */
    return seek_to(r, offset_of(r) + (uint64_t)n) == ARCHIVE_OK ? n : ARCHIVE_FATAL;
}

static la_int64_t on_seek(struct archive *archive, void *ctx, la_int64_t offset,
                          int whence)
{
    struct archive_reader *r = ctx;
    la_int64_t base = 0;

    (void)archive;
    if (whence == SEEK_CUR)
        base = (la_int64_t)offset_of(r);
    else if (whence == SEEK_END)
        base = (la_int64_t)r->size;
    if (base + offset < 0)
        return ARCHIVE_FATAL;
    if (seek_to(r, (uint64_t)(base + offset)) != ARCHIVE_OK)
        return ARCHIVE_FATAL;
    return base + offset;
}

/* ---- opening ---- */

static bool begins(struct span bytes, const char *magic, size_t size)
{
    return bytes.size >= size && memcmp(bytes.data, magic, size) == 0;
}

/* A login page, or one that says where the file has gone. */
static bool is_web_page(struct span bytes)
{
    static const char *const words[] = {"<!doctype html", "<html", "<head", "<?xml"};
    const char *text = (const char *)bytes.data;
    size_t at = begins(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;

    while (at < bytes.size && strchr(" \t\r\n", text[at]) != NULL && text[at] != '\0')
        at++;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (bytes.size - at >= strlen(words[i]) &&
            strncasecmp(text + at, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

static int look_ahead(struct archive_reader *r, struct error *err)
{
    if (byte_pipe_get(r->pipe, &r->ahead, err) != 0)
        return -1;
    if (r->ahead.size == 0)
        return error_set(err, ERROR_CORRUPT, 0, "it is empty: no archive");
    if (is_web_page(r->ahead))
        return error_set(err, ERROR_UNUSABLE, 0,
                         "what comes is a web page, not an archive; does it ask for a "
                         "login?");
    return 0;
}

static void choose_formats(struct archive_reader *r)
{
    bool is_zip = begins(r->ahead, "PK", 2);

    if (begins(r->ahead, "\x1f\x8b", 2))
        r->gunzip = gunzip_new(next_bytes, r);
    archive_read_support_format_tar(r->archive);
    if (is_zip && r->can_seek)
        archive_read_support_format_zip_seekable(r->archive);
    else if (is_zip)
        archive_read_support_format_zip_streamable(r->archive);
    archive_read_support_filter_bzip2(r->archive);
    archive_read_support_filter_xz(r->archive);
    archive_read_support_filter_zstd(r->archive);
    archive_read_set_read_callback(r->archive, on_read);
    if (r->can_seek && r->gunzip == NULL) {
        archive_read_set_skip_callback(r->archive, on_skip);
        if (is_zip)
            archive_read_set_seek_callback(r->archive, on_seek);
    }
    archive_read_set_callback_data(r->archive, r);
}

/* What libarchive says, or what was behind it. */
static int say(struct archive_reader *r, const char *what, struct error *err)
{
    const char *why = archive_error_string(r->archive);

    if (r->pipe_err.kind != ERROR_NONE) {
        *err = r->pipe_err;
        return -1;
    }
    return error_set(err, ERROR_CORRUPT, 0, "%s at about byte %" PRIu64 "%s%s", what,
                     offset_of(r), why != NULL ? ": " : "", why != NULL ? why : "");
}

static int say_no_archive(struct archive_reader *r, bool is_zip, struct error *err)
{
    if (r->pipe_err.kind != ERROR_NONE)
        return say(r, "", err);
    if (is_zip)
        return error_set(err, ERROR_CORRUPT, 0,
                         "the zip archive is cut off or damaged: its directory is not "
                         "at its end");
    return error_set(err, ERROR_CORRUPT, 0,
                     r->gunzip != NULL
                         ? "it is a gzip file, but no tar archive is in it"
                         : "it is no archive: not tar, .tar.gz or zip");
}

static int open_archive(struct archive_reader *r, struct error *err)
{
    bool is_zip;

    if (look_ahead(r, err) != 0)
        return -1;
    is_zip = begins(r->ahead, "PK", 2);
    r->archive = archive_read_new();
    choose_formats(r);
    if (archive_read_open1(r->archive) < ARCHIVE_WARN)
        return say_no_archive(r, is_zip, err);
    /* A tar that a filter has unpacked is read through, whatever the pipe can do. */
    r->can_skip =
        r->can_seek && r->gunzip == NULL && archive_filter_count(r->archive) == 1;
    return 0;
}

/* ---- items ---- */

static enum archive_item_type type_of(struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry) != NULL ||
        archive_entry_hardlink_utf8(entry) != NULL)
        return ARCHIVE_ITEM_HARD_LINK;
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
    case 0: /* a zip that was read as a stream does not say */
        return ARCHIVE_ITEM_FILE;
    case AE_IFDIR:
        return ARCHIVE_ITEM_FOLDER;
    case AE_IFLNK:
        return ARCHIVE_ITEM_LINK;
    default:
        return ARCHIVE_ITEM_SPECIAL;
    }
}

static void set_text(struct text *text, const char *bytes, const char *utf8)
{
    text_clear(text);
    text_add(text, bytes != NULL ? bytes : utf8 != NULL ? utf8 : "");
}

static void take_item(struct archive_reader *r, struct archive_entry *entry)
{
    struct archive_item *item = &r->item;

    item->type = type_of(entry);
    set_text(&item->name, archive_entry_pathname(entry),
             archive_entry_pathname_utf8(entry));
    if (item->type == ARCHIVE_ITEM_HARD_LINK)
        set_text(&item->target, archive_entry_hardlink(entry),
                 archive_entry_hardlink_utf8(entry));
    else
        set_text(&item->target, archive_entry_symlink(entry),
                 archive_entry_symlink_utf8(entry));
    item->has_size = archive_entry_size_is_set(entry) != 0;
    item->size = item->has_size ? (uint64_t)archive_entry_size(entry) : 0;
    item->mtime_ns = (int64_t)archive_entry_mtime(entry) * 1000000000 +
                     archive_entry_mtime_nsec(entry);
    item->mode = (uint32_t)archive_entry_perm(entry) & 07777;
    item->is_encrypted = archive_entry_is_encrypted(entry) != 0;
    r->block_size = 0;
    r->block_offset = r->position = 0;
    r->has_ended = false;
}

static bool is_tar(struct archive_reader *r)
{
    return (archive_format(r->archive) & ARCHIVE_FORMAT_BASE_MASK) ==
           ARCHIVE_FORMAT_TAR;
}

static int check_end(struct archive_reader *r, int64_t before, struct error *err)
{
    struct span bytes = {NULL, 1};

    if (is_tar(r) && archive_filter_bytes(r->archive, 0) - before < TAR_BLOCK)
        return error_set(err, ERROR_CORRUPT, 0,
                         "the tar archive is cut off: its end is missing");
    while (r->gunzip != NULL && bytes.size > 0)
        if (gunzip_read(r->gunzip, &bytes, err) != 0)
            return -1;
    return 0;
}

static int next_item(struct archive_reader *r, struct error *err)
{
    struct archive_entry *entry;
    int64_t before;
    int status;

    if (r->archive == NULL && open_archive(r, err) != 0)
        return -1;
    if (r->has_item && archive_read_data_skip(r->archive) == ARCHIVE_FATAL)
        return say(r, "the archive is damaged or cut off", err);
    before = archive_filter_bytes(r->archive, 0);
    do {
        status = archive_read_next_header(r->archive, &entry);
    } while (status == ARCHIVE_RETRY);
    r->at_end = status == ARCHIVE_EOF;
    if (r->at_end)
        return check_end(r, before, err);
    if (status < ARCHIVE_WARN)
        return say(r, "the archive is damaged or cut off", err);
    take_item(r, entry);
    r->has_item = true;
    return 0;
}

/* ---- bytes of an item ---- */

/* The next block, where the last is used up. */
static int next_block(struct archive_reader *r, struct error *err)
{
    const void *block = NULL;
    int64_t offset = 0;
    int status = ARCHIVE_OK;

    while (r->block_size == 0 && !r->has_ended && status > ARCHIVE_WARN) {
        status = archive_read_data_block(r->archive, &block, &r->block_size, &offset);
        r->has_ended = status == ARCHIVE_EOF; /* offset: behind a last hole */
        r->block = block;
        r->block_offset = (uint64_t)offset;
        if (r->has_ended)
            r->block_size = 0;
    }
    if (r->has_ended || status > ARCHIVE_WARN)
        return 0;
    /* A checksum that does not agree is but a warning there. */
    if (status >= ARCHIVE_FAILED && r->pipe_err.kind == ERROR_NONE)
        return error_set(err, ERROR_IO, 0, "%s", archive_error_string(r->archive));
    return say(r, "the archive is damaged or cut off", err);
}

/* A hole before the block, or what the block has: as much as there is room for. */
static size_t copy_some(struct archive_reader *r, uint8_t *into, size_t room)
{
    size_t n;

    if (r->block_offset > r->position) {
        uint64_t hole = r->block_offset - r->position;

        n = hole < room ? (size_t)hole : room;
        memset(into, 0, n);
    } else {
        n = r->block_size < room ? r->block_size : room;
        if (n > 0)
            memcpy(into, r->block, n);
        r->block += n;
        r->block_offset += n;
        r->block_size -= n;
    }
    r->position += n;
    return n;
}

static bool has_more(const struct archive_reader *r)
{
    return r->block_size > 0 || r->block_offset > r->position || !r->has_ended;
}

static int read_item(struct archive_reader *r, struct error *err)
{
    struct archive_read *read = r->read;

    read->n = 0;
    for (;;) {
        size_t n;

        if (r->block_offset <= r->position && next_block(r, err) != 0)
            return -1;
        n = copy_some(r, read->into.data + read->n, read->into.size - read->n);
        if (n == 0)
            break;
        if (read->digester != NULL)
            digester_add(read->digester, read->into.data + read->n, n);
        if (read->md5 != NULL)
            md5_add(read->md5, read->into.data + read->n, n);
        read->n += n;
    }
    read->at_end = !has_more(r);
    return 0;
}

/* ---- the thread ---- */

static void on_answer(void *ctx)
{
    struct archive_reader *r = ctx;

    r->done(r->ctx, r->err.kind == ERROR_NONE ? NULL : &r->err);
}

static void on_closed(void *ctx)
{
    struct archive_reader *r = ctx;
    void (*closed)(void *) = r->closed;
    void *closed_ctx = r->ctx;

    if (r->has_thread)
        uv_thread_join(&r->thread);
    text_free(&r->item.name);
    text_free(&r->item.target);
    uv_cond_destroy(&r->wanted);
    uv_mutex_destroy(&r->lock);
    free(r);
    closed(closed_ctx);
}

static enum task take_task(struct archive_reader *r)
{
    enum task task;

    uv_mutex_lock(&r->lock);
    while (r->task == TASK_NONE)
        uv_cond_wait(&r->wanted, &r->lock);
    task = r->task;
    r->task = TASK_NONE;
    uv_mutex_unlock(&r->lock);
    return task;
}

/* Names that are not ASCII are converted by the thread's locale. */
static locale_t use_utf8(void)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);

    if (utf8 != (locale_t)0)
        uselocale(utf8);
    return utf8;
}

static void run_thread(void *ctx)
{
    struct archive_reader *r = ctx;
    locale_t utf8 = use_utf8();
    enum task task;

    while ((task = take_task(r)) != TASK_CLOSE) {
        error_clear(&r->err);
        if (task == TASK_NEXT)
            next_item(r, &r->err);
        else
            read_item(r, &r->err);
        loop_post(r->loop, &r->answer, on_answer, r);
    }
    archive_read_free(r->archive);
    gunzip_free(r->gunzip);
    if (utf8 != (locale_t)0) {
        uselocale(LC_GLOBAL_LOCALE);
        freelocale(utf8);
    }
    loop_post(r->loop, &r->answer, on_closed, r);
}

/* ---- the loop's side ---- */

static void give_task(struct archive_reader *r, enum task task)
{
    if (!r->has_thread) {
        error_set(&r->err, ERROR_IO, 0, "no thread can be made to read the archive");
        loop_defer(r->loop, &r->answer, task == TASK_CLOSE ? on_closed : on_answer, r);
        return;
    }
    uv_mutex_lock(&r->lock);
    r->task = task;
    uv_cond_signal(&r->wanted);
    uv_mutex_unlock(&r->lock);
}

struct archive_reader *archive_reader_start(struct loop *loop, struct byte_pipe *pipe,
                                            bool can_seek, uint64_t size)
{
    struct archive_reader *r = mem_new(1, sizeof *r);

    r->loop = loop;
    r->pipe = pipe;
    r->can_seek = can_seek;
    r->size = size;
    uv_mutex_init(&r->lock);
    uv_cond_init(&r->wanted);
    r->has_thread = uv_thread_create(&r->thread, run_thread, r) == 0;
    return r;
}

void archive_reader_next(struct archive_reader *r, archive_reader_fn *done, void *ctx)
{
    r->done = done;
    r->ctx = ctx;
    give_task(r, TASK_NEXT);
}

bool archive_reader_at_end(const struct archive_reader *r)
{
    return r->at_end;
}

const struct archive_item *archive_reader_item(const struct archive_reader *r)
{
    return &r->item;
}

bool archive_reader_can_skip(const struct archive_reader *r)
{
    return r->can_skip;
}

void archive_reader_read(struct archive_reader *r, struct archive_read *read,
                         archive_reader_fn *done, void *ctx)
{
    r->read = read;
    r->done = done;
    r->ctx = ctx;
    give_task(r, TASK_READ);
}

void archive_reader_close(struct archive_reader *r, void (*closed)(void *ctx),
                          void *ctx)
{
    r->closed = closed;
    r->ctx = ctx;
    give_task(r, TASK_CLOSE);
}
