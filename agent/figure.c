/* Counts with separators, so that ten million is told from a million at a glance. */
#include "agent/figure.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void figure_add_count(struct text *text, uint64_t count)
{
    char digits[24];
    size_t n;

    snprintf(digits, sizeof digits, "%" PRIu64, count);
    n = strlen(digits);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            text_add(text, ",");
        text_add_bytes(text, digits + i, 1);
    }
}

void figure_add_noun(struct text *text, uint64_t count, const char *one,
                     const char *many)
{
    figure_add_count(text, count);
    text_add_format(text, " %s", count == 1 ? one : many);
}

void figure_add_rate(struct text *text, uint64_t bytes_a_second)
{
    text_add_size(text, bytes_a_second);
    text_add(text, "/s");
}

unsigned figure_percent(uint64_t done, uint64_t total)
{
    if (done >= total)
        return 100;
    if (total > UINT64_MAX / 100) /* more than 160 PiB: divide first */
        return (unsigned)(done / (total / 100 + 1));
    return (unsigned)(done * 100 / total);
}
