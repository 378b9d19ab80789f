#ifndef AGENT_NEAREST_H
#define AGENT_NEAREST_H

#include <stddef.h>

/*
 * The nearest of n words, or NULL when none is near: more than a third of the longer
 * word would have to change.  Letters inserted, dropped, replaced, and neighbours
 * swapped count one each.
 */
const char *nearest_word(const char *word, const char *const *words, size_t n);

#endif
