#include "base/error.h"

/*
 * Texts are cut where they do not fit: an error is a plain value that owns nothing, and
 * its outermost context, which comes first, is what a reader needs most.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *err, enum error_kind kind, int code, const char *format,
              ...)
{
    va_list args;

    err->kind = kind;
    err->code = code;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return -1;
}

static enum error_kind kind_of_errno(int code)
{
    switch (code) {
    case ENOENT:
        return ERROR_NOT_FOUND;
    case EEXIST:
        return ERROR_CONFLICT;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERROR_FULL;
    default:
        return ERROR_IO;
    }
}

int error_errno(struct error *err, int code, const char *format, ...)
{
    va_list args;
    int length;

    err->kind = kind_of_errno(code);
    err->code = code;
    va_start(args, format);
    length = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof err->text)
        return -1; /* no room for the reason */
    /* For the codes of system calls strerror() returns constants: safe in threads. */
    snprintf(err->text + length, sizeof err->text - (size_t)length, ": %s",
             strerror(code));
    return -1;
}

int error_wrap(struct error *err, const char *format, ...)
{
    char whole[2 * sizeof err->text];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(whole, sizeof err->text, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof err->text)
        return -1; /* no room to say more than we said already */
    snprintf(whole + length, sizeof whole - (size_t)length, ": %s", err->text);
    memcpy(err->text, whole, sizeof err->text);
    err->text[sizeof err->text - 1] = '\0';
    return -1;
}

void error_clear(struct error *err)
{
    err->kind = ERROR_NONE;
    err->code = 0;
    err->text[0] = '\0';
}

void error_keep_first(struct error *err, const struct error *next)
{
    if (err->kind == ERROR_NONE && next != NULL)
        *err = *next;
}

bool error_is_retryable(const struct error *err)
{
    return err->kind == ERROR_NETWORK || err->kind == ERROR_TRANSIENT ||
           err->kind == ERROR_THROTTLED;
}

const char *error_kind_name(enum error_kind kind)
{
    static const char *const names[] = {
        [ERROR_NONE] = "none",           [ERROR_CANCELLED] = "cancelled",
        [ERROR_NETWORK] = "network",     [ERROR_TRANSIENT] = "transient",
        [ERROR_THROTTLED] = "throttled", [ERROR_AUTH] = "auth",
        [ERROR_EXPIRED] = "expired",     [ERROR_UNUSABLE] = "unusable",
        [ERROR_NOT_FOUND] = "not-found", [ERROR_CONFLICT] = "conflict",
        [ERROR_CHANGED] = "changed",     [ERROR_CORRUPT] = "corrupt",
        [ERROR_FULL] = "full",           [ERROR_IO] = "io",
        [ERROR_USAGE] = "usage",         [ERROR_INTERNAL] = "internal",
    };

    return names[kind];
}
