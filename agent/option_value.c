/* One function a kind of value. */
#include "agent/option_value.h"

#include <stdlib.h>
#include <string.h>

#include "agent/name.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

static void *field(struct options *o, const struct option_spec *spec)
{
    return (char *)o + spec->offset;
}

static int refuse(const struct option_spec *spec, const char *value, const char *want,
                  struct error *err)
{
    return error_set(err, ERROR_USAGE, 0,
                     "--%s: \"%.80s\" is not %s, for example --%s %s", spec->name,
                     value, want, spec->name, spec->example);
}

static int store_string(struct options *o, const struct option_spec *spec,
                        const char *value, struct error *err)
{
    if (value[0] == '\0')
        return error_set(err, ERROR_USAGE, 0, "--%s is empty, give for example --%s %s",
                         spec->name, spec->name, spec->example);
    *(const char **)field(o, spec) = value;
    return 0;
}

/* From here on it does not show in the process list.  argv is ours to change. */
static int store_secret(struct options *o, const struct option_spec *spec,
                        const char *value, struct error *err)
{
    char **out = field(o, spec);

    if (value[0] == '\0')
        return error_set(err, ERROR_USAGE, 0, "--%s is empty", spec->name);
    if (*out != NULL)
        explicit_bzero(*out, strlen(*out));
    free(*out);
    *out = mem_copy_string(value);
    log_hide(value);
    explicit_bzero((char *)value, strlen(value));
    return 0;
}

static int store_name(struct options *o, const struct option_spec *spec,
                      const char *value, struct error *err)
{
    if (!name_is_valid(value))
        return refuse(
            spec, value,
            "a name (letters, digits, '.', '_' and '-', at most 128, beginning "
            "with a letter or digit)",
            err);
    *(const char **)field(o, spec) = value;
    return 0;
}

static int store_number(struct options *o, const struct option_spec *spec,
                        const char *value, struct error *err)
{
    uint64_t number;

    if (text_parse_u64(value, &number) != 0 || number == 0)
        return refuse(spec, value, "a whole number from 1", err);
    *(uint64_t *)field(o, spec) = number;
    return 0;
}

static int store_jobs(struct options *o, const struct option_spec *spec,
                      const char *value, struct error *err)
{
    uint64_t number;

    if (text_parse_u64(value, &number) != 0 || number == 0 || number > OPTIONS_JOBS_MAX)
        return refuse(spec, value, "a whole number from 1 to 1024", err);
    *(unsigned *)field(o, spec) = (unsigned)number;
    return 0;
}

static int store_size(struct options *o, const struct option_spec *spec,
                      const char *value, struct error *err)
{
    uint64_t bytes;

    if (text_parse_size(value, &bytes) != 0 || bytes == 0)
        return refuse(spec, value, "a size above 0 (K, M, G and T are understood)",
                      err);
    *(uint64_t *)field(o, spec) = bytes;
    return 0;
}

static int store_rate(struct options *o, const struct option_spec *spec,
                      const char *value, struct error *err)
{
    uint64_t bytes = 0;

    if (strcmp(value, "none") != 0 &&
        (text_parse_size(value, &bytes) != 0 || bytes == OPTIONS_NO_LIMIT))
        return refuse(spec, value,
                      "bytes a second (K, M, G and T are understood), or none", err);
    *(uint64_t *)field(o, spec) = bytes > 0 ? bytes : OPTIONS_NO_LIMIT;
    return 0;
}

static int store_duration(struct options *o, const struct option_spec *spec,
                          const char *value, struct error *err)
{
    uint64_t ms;

    if (text_parse_duration_ms(value, &ms) != 0 || ms == 0)
        return refuse(spec, value, "a duration above 0 (s, m, h and d are understood)",
                      err);
    *(uint64_t *)field(o, spec) = ms;
    return 0;
}

static int store_symlinks(struct options *o, const struct option_spec *spec,
                          const char *value, struct error *err)
{
    enum walk_symlinks *out = field(o, spec);

    if (strcmp(value, "follow") == 0)
        *out = WALK_SYMLINKS_FOLLOW;
    else if (strcmp(value, "keep") == 0)
        *out = WALK_SYMLINKS_KEEP;
    else if (strcmp(value, "skip") == 0)
        *out = WALK_SYMLINKS_SKIP;
    else
        return refuse(spec, value, "one of follow, keep and skip", err);
    return 0;
}

static int store_rule(struct options *o, const struct option_spec *spec,
                      const char *value, struct error *err)
{
    int status;

    if (spec->kind == OPTION_EXCLUDE_FROM)
        status = filter_add_file(o->filter, value, err);
    else
        status = filter_add(o->filter, spec->kind == OPTION_INCLUDE, value, err);
    if (status != 0) {
        err->kind = ERROR_USAGE; /* a file that is not there, too */
        error_wrap(err, "--%s", spec->name);
    }
    return status;
}

int option_value_store(struct options *o, const struct option_spec *spec,
                       const char *value, struct error *err)
{
    switch (spec->kind) {
    case OPTION_FLAG:
        *(bool *)field(o, spec) = true;
        return 0;
    case OPTION_STRING:
        return store_string(o, spec, value, err);
    case OPTION_SECRET:
        return store_secret(o, spec, value, err);
    case OPTION_NAME:
        return store_name(o, spec, value, err);
    case OPTION_NUMBER:
        return store_number(o, spec, value, err);
    case OPTION_JOBS:
        return store_jobs(o, spec, value, err);
    case OPTION_SIZE:
        return store_size(o, spec, value, err);
    case OPTION_RATE:
        return store_rate(o, spec, value, err);
    case OPTION_DURATION:
        return store_duration(o, spec, value, err);
    case OPTION_SYMLINKS:
        return store_symlinks(o, spec, value, err);
    case OPTION_EXCLUDE:
    case OPTION_INCLUDE:
    case OPTION_EXCLUDE_FROM:
        break;
    }
    return store_rule(o, spec, value, err);
}
