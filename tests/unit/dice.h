#ifndef TESTS_DICE_H
#define TESTS_DICE_H

/* The chance in a story: the same seed throws the same numbers. */
void dice_seed(unsigned seed);

/* 0 .. n - 1 */
unsigned roll(unsigned n);

/* Tell n_stories stories from first_seed on, or the one that argv[1] names. */
void dice_stories(int argc, char **argv, unsigned n_stories);
void dice_tell(void (*tell)(unsigned seed));

#endif
