/*
 * A line is formatted in memory without any lock; then, under the lock, the secrets are
 * replaced (before control characters are, which could hide one), and it leaves in one
 * write(), so that lines of several threads and processes do not mix.  Because writing
 * is under the lock too, the old descriptor is free to be closed when log_open()
 * returns.
 *
 * The level is atomic and looked at first: a line nobody wants costs one load.
 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

static struct {
    pthread_mutex_t lock; /* guards all but the level */
    atomic_int level;
    int fd;
    char **secrets;
    size_t n_secrets;
} sink = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_NOTHING, .fd = -1};

void log_open(int fd, enum log_level level)
{
    pthread_mutex_lock(&sink.lock);
    sink.fd = fd;
    atomic_store(&sink.level, fd >= 0 ? (int)level : LOG_NOTHING);
    pthread_mutex_unlock(&sink.lock);
}

bool log_wants(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&sink.level, memory_order_relaxed);
}

static bool is_hidden(const char *secret)
{
    for (size_t i = 0; i < sink.n_secrets; i++)
        if (strcmp(sink.secrets[i], secret) == 0)
            return true;
    return false;
}

void log_hide(const char *secret)
{
    if (secret == NULL || secret[0] == '\0')
        return;
    pthread_mutex_lock(&sink.lock);
    if (!is_hidden(secret)) {
        sink.secrets =
            mem_resize(sink.secrets, sink.n_secrets + 1, sizeof sink.secrets[0]);
        sink.secrets[sink.n_secrets++] = mem_copy_string(secret);
    }
    pthread_mutex_unlock(&sink.lock);
}

/* The length of the longest secret that begins at `at`; 0: none. */
static size_t secret_at(const char *at)
{
    size_t longest = 0;

    for (size_t i = 0; i < sink.n_secrets; i++) {
        const char *secret = sink.secrets[i];
        size_t length;

        if (*secret != *at)
            continue;
        length = strlen(secret);
        if (length > longest && strncmp(at, secret, length) == 0)
            longest = length;
    }
    return longest;
}

static void add_redacted(struct text *out, const char *text)
{
    const char *from = text;

    while (*text != '\0') {
        size_t length = secret_at(text);

        if (length == 0) {
            text++;
            continue;
        }
        text_add_bytes(out, from, (size_t)(text - from));
        text_add(out, "***");
        text += length;
        from = text;
    }
    text_add(out, from);
}

/* A log that cannot be written (disk full, reader gone) is not worth failing for. */
static void write_line(int fd, const char *line, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, line, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        line += n;
        size -= (size_t)n;
    }
}

static void add_prefix(struct text *line, enum log_level level,
                       enum log_component component)
{
    static const char *const levels[] = {"nothing", "error", "warning", "info",
                                         "debug"};
    static const char *const components[] = {"agent",  "session",   "pipeline",
                                             "upload", "store",     "http",
                                             "source", "checkpoint"};
    struct timespec now;
    char time[TEXT_TIME_MAX];

    clock_gettime(CLOCK_REALTIME, &now);
    text_time(time, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    text_add_format(line, "%s %s %s ", time, levels[level], components[component]);
}

static void emit(struct text *line, const char *raw)
{
    struct text redacted = {0};

    pthread_mutex_lock(&sink.lock);
    add_redacted(&redacted, raw);
    text_add_printable(line, redacted.data, redacted.size);
    text_add(line, "\n");
    if (sink.fd >= 0)
        write_line(sink.fd, line->data, line->size);
    pthread_mutex_unlock(&sink.lock);
    text_free(&redacted);
}

void log_line(enum log_level level, enum log_component component, const char *format,
              ...)
{
    struct text line = {0};
    int saved = errno; /* so that a line may stand between a call and its errno */
    char *raw;
    va_list args;
    int length;

    if (!log_wants(level))
        return;
    va_start(args, format);
    length = vasprintf(&raw, format, args);
    va_end(args);
    if (length >= 0) {
        add_prefix(&line, level, component);
        emit(&line, raw);
        text_free(&line);
        free(raw);
    }
    errno = saved;
}
