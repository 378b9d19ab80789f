#include "transfer/s3_traits.h"

#include <string.h>

static const char begin[] = "1 checks=";
static const char middle[] = " if-none-match=";

void s3_traits_put(const struct s3_traits *traits, struct text *out)
{
    text_add(out, begin);
    text_add(out, s3_rung_name(traits->streamed));
    if (traits->whole != traits->streamed)
        text_add_format(out, ",%s", s3_rung_name(traits->whole));
    text_add(out, middle);
    text_add(out, traits->has_if_none_match ? "yes" : "no");
}

static enum s3_rung rung_of(const char *name, size_t size)
{
    for (unsigned i = S3_RUNG_UNKNOWN + 1; i < S3_RUNGS; i++) {
        const char *known = s3_rung_name((enum s3_rung)i);
        if (strlen(known) == size && memcmp(known, name, size) == 0)
            return (enum s3_rung)i;
    }
    return S3_RUNG_UNKNOWN;
}

int s3_traits_parse(struct s3_traits *traits, const char *text)
{
    const char *checks = text + strlen(begin), *end;
    size_t first;

    *traits = (struct s3_traits){0};
    if (strncmp(text, begin, strlen(begin)) != 0)
        return -1;
    end = strstr(checks, middle);
    if (end == NULL)
        return -1;
    first = strcspn(checks, ", ");
    traits->streamed = rung_of(checks, first);
    traits->whole = traits->streamed;
    if (checks[first] == ',')
        traits->whole = rung_of(checks + first + 1, (size_t)(end - checks) - first - 1);
    traits->has_if_none_match = strcmp(end + strlen(middle), "yes") == 0;
    if (traits->streamed != S3_RUNG_UNKNOWN && traits->whole != S3_RUNG_UNKNOWN)
        return 0;
    *traits = (struct s3_traits){0};
    return -1;
}
