#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

/*
 * What went wrong, told by what the caller may do about it.
 *
 * A kind is chosen once, where the failure is first seen.  Code further up looks only
 * at the kind; people read the text.
 */
enum error_kind {
    ERROR_NONE = 0,
    ERROR_CANCELLED, /* we were asked to stop */
    ERROR_NETWORK,   /* nobody answers: an outage of the whole session, not of a request
                      */
    ERROR_TRANSIENT, /* a 5xx or a broken answer: worth another attempt */
    ERROR_THROTTLED, /* the store asked us to slow down: wait, then fewer at once */
    ERROR_AUTH, /* refused credentials or missing permission: only the user can help */
    ERROR_EXPIRED,  /* temporary credentials have run out: fetch new ones */
    ERROR_UNUSABLE, /* what is there is not, or not such, that it can be used: another
                       address, name or certificate is needed */
    ERROR_NOT_FOUND,
    ERROR_CONFLICT, /* it already exists, or someone else holds it */
    ERROR_CHANGED,  /* the source changed while we were reading it */
    ERROR_CORRUPT,  /* a digest or a format did not match */
    ERROR_FULL,     /* no space or quota left where we write */
    ERROR_IO,       /* this machine's disk or system calls */
    ERROR_USAGE,    /* the user asked for something that cannot be */
    ERROR_INTERNAL  /* our own bug */
};

/* An error is a plain value: it is copied, owns nothing, and is never freed. */
struct error {
    enum error_kind kind;
    int code;       /* errno, CURLcode or HTTP status it came from; 0 if none */
    char text[320]; /* one line, the outermost context first; valid UTF-8 is not
                       promised */
};

/* Record an error in *err and return -1, so that `return error_set(...)` reads well. */
int error_set(struct error *err, enum error_kind kind, int code, const char *format,
              ...) __attribute__((format(printf, 4, 5)));

/*
 * The same for a failed system call: ": <strerror>" is added, and the kind follows from
 * errno (ENOENT not-found, EACCES and EPERM and EROFS io, ENOSPC and EDQUOT full,
 * EEXIST conflict, else io).
 */
int error_errno(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "<context>: " in front of the text of *err and return -1. */
int error_wrap(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void error_clear(struct error *err);

/* Keep the first error: later ones are mostly its consequences. */
void error_keep_first(struct error *err, const struct error *next);

/* May the same request be sent again? */
bool error_is_retryable(const struct error *err);

/* The kind's name, for logs, JSON and tests ("throttled"). */
const char *error_kind_name(enum error_kind kind);

#endif
