#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

/*
 * The log of one process: lines "time level component text" to one file descriptor.
 * The level, the sink and the list of secrets are the program's only globals.  Any
 * thread may log; errno is kept.  Control characters in the text are made printable,
 * registered secrets are replaced by "***".
 */
enum log_level { LOG_NOTHING, LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_component {
    LOG_AGENT,
    LOG_SESSION,
    LOG_PIPELINE,
    LOG_UPLOAD,
    LOG_STORE,
    LOG_HTTP,
    LOG_SOURCE,
    LOG_CHECKPOINT
};

/* fd: -1 for none.  Not closed by the log. */
void log_open(int fd, enum log_level level);
bool log_wants(enum log_level level);

/*
 * From now on this string never shows in a line.  Copied; NULL, empty ones and those
 * known already are ignored; any number, as credentials are renewed in a long session.
 */
void log_hide(const char *secret);

void log_line(enum log_level level, enum log_component component, const char *format,
              ...) __attribute__((format(printf, 3, 4)));

#endif
