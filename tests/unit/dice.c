/*
 * A linear congruential generator: its upper bits are good enough for stories, and a
 * seed means the same on every machine.
 */
#include "dice.h"

#include <stdint.h>
#include <stdio.h>

#include "base/text.h"

static unsigned state, first_seed = 1, n_stories = 1;

void dice_seed(unsigned seed)
{
    state = seed;
}

unsigned roll(unsigned n)
{
    state = state * 1103515245u + 12345u;
    return (state >> 16) % n;
}

void dice_stories(int argc, char **argv, unsigned n)
{
    uint64_t seed, count;

    n_stories = n;
    if (argc > 1 && text_parse_u64(argv[1], &seed) == 0) {
        first_seed = (unsigned)seed;
        n_stories = 1;
        if (argc > 2 && text_parse_u64(argv[2], &count) == 0)
            n_stories = (unsigned)count;
    }
}

void dice_tell(void (*tell)(unsigned seed))
{
    for (unsigned i = 0; i < n_stories; i++) {
        printf("\rseed %u ", first_seed + i); /* where it stopped, if it does */
        fflush(stdout);
        dice_seed(first_seed + i);
        tell(first_seed + i);
    }
    printf("\n");
}
