#ifndef AGENT_FIGURE_H
#define AGENT_FIGURE_H

#include <stdint.h>

#include "base/text.h"

/* Figures for people, beside text_add_size() and text_add_duration(). */

/* "12,345" */
void figure_add_count(struct text *text, uint64_t count);

/* "1 file", "12,345 files" */
void figure_add_noun(struct text *text, uint64_t count, const char *one,
                     const char *many);

/* "34.5 MiB/s" */
void figure_add_rate(struct text *text, uint64_t bytes_a_second);

/* 0 to 100, and 100 only when all is done. */
unsigned figure_percent(uint64_t done, uint64_t total);

#endif
