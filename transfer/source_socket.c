/*
 * What comes in is a line, or bytes:
 *
 *     LINE --"bytes N"--> BYTES --N have come--> LINE
 *
 * Bytes of a range go from the socket to where they are wanted; those of a listing are
 * collected, and those of a question that nobody waits for any more are thrown away.
 * Hashing is a worker's.
 */
#include "transfer/source_socket.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "transfer/source_impl.h"

enum {
    IN_LINE_MAX = 1024,
    LISTING_MAX = 4 << 20, /* a page's is far below */
    DUMP_BYTES = 16 << 10,
    FILE_MODE = 0644 /* a browser does not tell */
};

struct source_file {
    char *path;
};

/* A question that is not answered. */
struct ask {
    struct socket_source *source;
    uint64_t id;
    struct source_op *op;
    enum { ASK_LIST, ASK_OPEN, ASK_READ } kind;
    struct stamp stamp; /* what the file is now */
    size_t position;    /* bytes that have come */
    bool is_too_long;
    struct text listing;
    struct work work;
    struct deferred soon;
    struct ask *prev, *next;
};

struct socket_source {
    struct source source; /* first */
    uv_pipe_t pipe;
    const struct source_socket_events *events;
    void *ctx;
    struct ask *first;
    uint64_t n_asked;
    bool is_stopped, is_lost;
    char *listed; /* the last path that came; "" at first */

    struct text line;
    uint64_t bytes_left;  /* of what "bytes" has announced */
    struct ask *bytes_of; /* NULL: nobody waits for them */
    char dump[DUMP_BYTES];
};

static struct socket_source *source_of(struct source *s)
{
    return (struct socket_source *)s;
}

/* ---- the end of a question ---- */

static void ask_forget(struct ask *a)
{
    struct socket_source *s = a->source;

    if (a->prev != NULL)
        a->prev->next = a->next;
    else
        s->first = a->next;
    if (a->next != NULL)
        a->next->prev = a->prev;
    if (s->bytes_of == a)
        s->bytes_of = NULL;
}

static void ask_done(void *ctx)
{
    struct ask *a = ctx;
    struct source_op *op = a->op;

    text_free(&a->listing);
    free(a);
    op->done(op, op->ctx);
}

static void ask_end_soon(struct ask *a)
{
    ask_forget(a);
    loop_defer(a->source->source.loop, &a->soon, ask_done, a);
}

static void ask_cancel(struct ask *a)
{
    error_set(&a->op->err, ERROR_CANCELLED, 0, "cancelled");
    ask_end_soon(a);
}

static void cancel_all(struct socket_source *s)
{
    s->is_stopped = true;
    while (s->first != NULL)
        ask_cancel(s->first);
}

static void lose(struct socket_source *s)
{
    if (s->is_lost)
        return;
    s->is_lost = true;
    uv_read_stop((uv_stream_t *)&s->pipe);
    s->events->lost(s->ctx);
    cancel_all(s);
}

/* ---- asking ---- */

struct writing {
    uv_write_t request;
    struct text line;
};

static void on_written(uv_write_t *request, int status)
{
    struct writing *w = request->data;

    (void)status; /* where it is lost, reading tells */
    text_free(&w->line);
    free(w);
}

static void send_line(struct socket_source *s, struct text *line)
{
    struct writing *w = mem_new(1, sizeof *w);
    uv_buf_t bytes;

    w->line = *line;
    w->request.data = w;
    bytes = uv_buf_init(w->line.data, (unsigned)w->line.size);
    if (uv_write(&w->request, (uv_stream_t *)&s->pipe, &bytes, 1, on_written) != 0)
        on_written(&w->request, 0);
}

static void add_path(struct text *line, const char *key, const char *path)
{
    text_add_format(line, ",\"%s\":", key);
    text_add_json(line, path, strlen(path));
}

static struct ask *ask_new(struct socket_source *s, struct source_op *op, int kind)
{
    struct ask *a = mem_new(1, sizeof *a);

    a->source = s;
    a->op = op;
    a->id = ++s->n_asked;
    a->kind = kind;
    a->next = s->first;
    if (a->next != NULL)
        a->next->prev = a;
    s->first = a;
    return a;
}

static void begin_line(struct text *line, const struct ask *a)
{
    static const char *const verbs[] = {"list", "open", "read"};

    text_add_format(line, "{\"ask\":%" PRIu64 ",\"do\":\"%s\"", a->id, verbs[a->kind]);
}

static int64_t wall_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void send_ask(struct ask *a, struct text *line)
{
    text_add(line, "}\n");
    if (a->source->is_stopped) {
        text_free(line);
        ask_cancel(a);
    } else {
        send_line(a->source, line);
    }
}

/* ---- words ---- */

enum { WORDS = 4 };

/* At most WORDS of them; the last has all the rest.  Those that are missing are "". */
static void split(char *line, const char *words[WORDS])
{
    for (unsigned i = 0; i < WORDS; i++) {
        char *end = i + 1 < WORDS ? strchr(line, ' ') : NULL;

        words[i] = line;
        if (end == NULL) {
            line += strlen(line);
            continue;
        }
        *end = '\0';
        line = end + 1;
    }
}

static int parse_stamp(struct stamp *stamp, const char *size, const char *modified_ms)
{
    uint64_t ms;

    memset(stamp, 0, sizeof *stamp);
    if (text_parse_u64(size, &stamp->size) != 0 ||
        text_parse_u64(modified_ms, &ms) != 0 || ms > INT64_MAX / 1000000)
        return -1;
    stamp->mtime_ns = stamp->ctime_ns = (int64_t)ms * 1000000;
    return 0;
}

/* ---- a listing ---- */

static int take_record(struct socket_source *s, struct source_op *op, char *record)
{
    struct entry entry = {.type = ENTRY_FILE, .mode = FILE_MODE};
    const char *words[WORDS];

    if (strcmp(record, "end") == 0) {
        op->at_end = true;
        return 0;
    }
    split(record, words);
    entry.path = words[3];
    if (strcmp(words[0], "dir") == 0)
        entry.type = ENTRY_DIRECTORY;
    if (parse_stamp(&entry.stamp, words[1], words[2]) != 0 ||
        !entry_path_is_safe(entry.path))
        return error_set(&op->err, ERROR_CORRUPT, 0,
                         "the listing of the page is damaged at \"%.200s\"",
                         entry.path);
    if (strcmp(entry.path, s->listed) <= 0)
        return error_set(&op->err, ERROR_CORRUPT, 0,
                         "the listing of the page is not in order at \"%.200s\"",
                         entry.path);
    entry_batch_add(op->batch, &entry);
    free(s->listed);
    s->listed = mem_copy_string(entry.path);
    return 0;
}

static void take_listing(struct ask *a)
{
    struct text *listing = &a->listing;

    if (listing->size == 0 || listing->data[listing->size - 1] != '\0') {
        error_set(&a->op->err, ERROR_CORRUPT, 0, "the listing of the page is cut off");
        return;
    }
    for (size_t at = 0; at < listing->size;) {
        char *record = listing->data + at;

        at += strlen(record) + 1;
        if (take_record(a->source, a->op, record) != 0)
            return;
    }
}

/* ---- a range ---- */

static void read_work(void *ctx)
{
    struct ask *a = ctx;
    struct source_read *read = &a->op->read;

    if (read->digester != NULL)
        digester_add(read->digester, read->into.data, read->into.size);
    if (read->md5 != NULL)
        md5_add(read->md5, read->into.data, read->into.size);
    if (read->look != NULL)
        read->look(read->look_ctx);
}

static void take_range(struct ask *a)
{
    struct source_op *op = a->op;

    op->stamp = a->stamp;
    ask_forget(a);
    if (stamp_is_same(&a->stamp, &op->read.expected) && !a->is_too_long &&
        a->position == op->read.into.size) {
        loop_work(a->source->source.loop, &a->work, read_work, ask_done, a);
        return;
    }
    error_set(&op->err, ERROR_CHANGED, 0, "changed while it was read");
    loop_defer(a->source->source.loop, &a->soon, ask_done, a);
}

/* ---- the answers ---- */

static void on_end(struct ask *a)
{
    switch (a->kind) {
    case ASK_LIST:
        take_listing(a);
        ask_end_soon(a);
        break;
    case ASK_OPEN:
        a->op->stamp = a->stamp;
        a->op->file = mem_new(1, sizeof *a->op->file);
        a->op->file->path = mem_copy_string(a->op->path);
        ask_end_soon(a);
        break;
    case ASK_READ:
        take_range(a);
        break;
    }
}

static void on_fail(struct ask *a, const char *kind, const char *why)
{
    if (strcmp(kind, "gone") == 0)
        error_set(&a->op->err, ERROR_NOT_FOUND, 0,
                  "vanished while it was uploaded (%.150s)", why);
    else
        error_set(&a->op->err, ERROR_IO, 0, "the browser cannot read it: %.150s", why);
    ask_end_soon(a);
}

static struct ask *find(struct socket_source *s, uint64_t number)
{
    struct ask *a = s->first;

    while (a != NULL && a->id != number)
        a = a->next;
    return a;
}

static void begin_answer(struct ask *a)
{
    a->position = 0;
    a->is_too_long = false;
    text_clear(&a->listing);
}

/* -1: that is no answer of ours. */
static int on_line(struct socket_source *s, char *line)
{
    const char *words[WORDS];
    uint64_t number;
    struct ask *a;

    split(line, words);
    if (text_parse_u64(words[0], &number) != 0)
        return -1;
    a = find(s, number);
    if (strcmp(words[1], "bytes") == 0) {
        s->bytes_of = a;
        return text_parse_u64(words[2], &s->bytes_left);
    }
    if (a == NULL)
        return 0;
    if (strcmp(words[1], "begin") == 0) {
        begin_answer(a);
        return parse_stamp(&a->stamp, words[2], words[3]);
    }
    if (strcmp(words[1], "end") == 0)
        on_end(a);
    else if (strcmp(words[1], "fail") == 0)
        on_fail(a, words[2], words[3]);
    else
        return -1;
    return 0;
}

/* ---- what comes in ---- */

static bool wants_range(const struct socket_source *s)
{
    return s->bytes_left > 0 && s->bytes_of != NULL && s->bytes_of->kind == ASK_READ &&
           s->bytes_of->position < s->bytes_of->op->read.into.size;
}

static size_t at_most(size_t n, uint64_t limit)
{
    return n < limit ? n : (size_t)limit;
}

static void give_room(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    struct socket_source *s = handle->data;

    (void)size;
    if (wants_range(s)) {
        const struct ask *a = s->bytes_of;
        struct span into = a->op->read.into;
        size_t room = at_most(into.size - a->position, s->bytes_left);

        *buffer = uv_buf_init((char *)into.data + a->position, (unsigned)room);
    } else {
        *buffer = uv_buf_init(s->dump, sizeof s->dump);
    }
}

static void take_bytes(struct socket_source *s, const char *bytes, size_t n)
{
    struct ask *a = s->bytes_of;

    s->bytes_left -= n;
    if (a == NULL)
        return;
    if (a->kind == ASK_LIST && a->listing.size + n <= LISTING_MAX)
        text_add_bytes(&a->listing, bytes, n);
    if (a->kind != ASK_READ)
        return;
    if (a->position + n > a->op->read.into.size) {
        a->is_too_long = true;
        return;
    }
    memcpy(a->op->read.into.data + a->position, bytes, n);
    a->position += n;
}

/* Lines, and the bytes that came with them. */
static int take_dump(struct socket_source *s, const char *bytes, size_t n)
{
    while (n > 0) {
        size_t step;

        if (s->bytes_left > 0) {
            step = at_most(n, s->bytes_left);
            take_bytes(s, bytes, step);
        } else {
            const char *end = memchr(bytes, '\n', n);

            step = end != NULL ? (size_t)(end - bytes) + 1 : n;
            text_add_bytes(&s->line, bytes, end != NULL ? step - 1 : step);
            if (s->line.size > IN_LINE_MAX)
                return -1;
            if (end != NULL && on_line(s, s->line.data) != 0)
                return -1;
            if (end != NULL)
                text_clear(&s->line);
        }
        bytes += step;
        n -= step;
    }
    return 0;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct socket_source *s = stream->data;

    if (n > 0 && buffer->base != s->dump) {
        s->bytes_left -= (uint64_t)n;
        s->bytes_of->position += (size_t)n;
    } else if (n < 0 || take_dump(s, buffer->base, (size_t)n) != 0) {
        lose(s);
    }
}

/* ---- the kind ---- */

static void socket_next(struct source *source, struct source_op *op)
{
    struct socket_source *s = source_of(source);
    struct ask *a = ask_new(s, op, ASK_LIST);
    struct text line = {0};

    entry_batch_clear(op->batch);
    begin_line(&line, a);
    add_path(&line, "after", s->listed);
    send_ask(a, &line);
}

static int socket_rewind(struct source *source, struct error *err)
{
    struct socket_source *s = source_of(source);

    (void)err;
    free(s->listed);
    s->listed = mem_copy_string("");
    return 0;
}

static void socket_open_file(struct source *source, struct source_op *op)
{
    struct ask *a = ask_new(source_of(source), op, ASK_OPEN);
    struct text line = {0};

    op->read_at_ns = wall_clock_ns();
    begin_line(&line, a);
    add_path(&line, "path", op->path);
    send_ask(a, &line);
}

static void start_read(struct socket_source *s, struct source_op *op, const char *path)
{
    struct ask *a = ask_new(s, op, ASK_READ);
    struct text line = {0};

    begin_line(&line, a);
    add_path(&line, "path", path);
    text_add_format(&line, ",\"offset\":%" PRIu64 ",\"size\":%zu", op->read.offset,
                    op->read.into.size);
    send_ask(a, &line);
}

static void socket_read(struct source *source, struct source_op *op)
{
    start_read(source_of(source), op, op->file->path);
}

static void socket_read_whole(struct source *source, struct source_op *op)
{
    op->read_at_ns = wall_clock_ns();
    op->read.offset = 0;
    start_read(source_of(source), op, op->path);
}

static void socket_close_file(struct source *source, struct source_file *file)
{
    (void)source;
    free(file->path);
    free(file);
}

static uint64_t socket_links_outside(const struct source *source)
{
    (void)source;
    return 0; /* a browser tells of no links */
}

static void socket_stop(struct source *source)
{
    cancel_all(source_of(source));
}

static void on_closed(uv_handle_t *pipe)
{
    struct socket_source *s = pipe->data;

    text_free(&s->line);
    free(s->listed);
    free(s);
}

static void socket_close(struct source *source)
{
    uv_close((uv_handle_t *)&source_of(source)->pipe, on_closed);
}

static const struct source_kind socket_kind = {
    .close = socket_close,
    .rewind = socket_rewind,
    .next = socket_next,
    .open_file = socket_open_file,
    .read = socket_read,
    .read_whole = socket_read_whole,
    .close_file = socket_close_file,
    .links_outside = socket_links_outside,
    .stop = socket_stop,
};

/* A local one answers at once, or not at all. */
static int connect_to(const char *path, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return error_errno(err, errno, "cannot make a socket");
    if (strlen(path) < sizeof address.sun_path) {
        memcpy(address.sun_path, path, strlen(path) + 1);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
    } else {
        errno = ENAMETOOLONG;
    }
    error_errno(err, errno, "cannot reach the page's files at %s", path);
    close(fd);
    return -1;
}

int source_open_socket(struct source **out, struct loop *loop, const char *path,
                       const struct source_socket_events *events, void *ctx,
                       struct error *err)
{
    struct socket_source *s;
    int fd = connect_to(path, err);

    if (fd < 0)
        return -1;
    s = mem_new(1, sizeof *s);
    s->source.kind = &socket_kind;
    s->source.loop = loop;
    s->events = events;
    s->ctx = ctx;
    s->listed = mem_copy_string("");
    uv_pipe_init(&loop->uv, &s->pipe, 0);
    s->pipe.data = s;
    uv_pipe_open(&s->pipe, fd);
    uv_read_start((uv_stream_t *)&s->pipe, give_room, on_read);
    *out = &s->source;
    return 0;
}
