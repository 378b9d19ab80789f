/*
 * The edit distance with swaps ("optimal string alignment"), row by row: three rows of
 * the matrix are enough.  Words longer than any of ours are near to none.
 */
#include "agent/nearest.h"

#include <string.h>

enum { WORD_MAX = 128 };

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;

    return ab < c ? ab : c;
}

static unsigned distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= b_size; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_size; i++) {
        unsigned *oldest = before;

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_size; j++) {
            unsigned change = a[i - 1] != b[j - 1];

            now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        before = last;
        last = now;
        now = oldest;
    }
    return last[b_size];
}

const char *nearest_word(const char *word, const char *const *words, size_t n)
{
    const char *nearest = NULL;
    unsigned best = 0;
    size_t size = strlen(word);

    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(words[i]);
        size_t longer = size > other ? size : other;
        unsigned d;

        if (longer > WORD_MAX)
            continue;
        d = distance(word, size, words[i], other);
        if (3 * d <= longer && (nearest == NULL || d < best)) {
            nearest = words[i];
            best = d;
        }
    }
    return nearest;
}
