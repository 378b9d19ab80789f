#ifndef BENCH_MICRO_BENCH_H
#define BENCH_MICRO_BENCH_H

#include "base/error.h"

/* Each prints its figures.  folder: an empty one that they may leave files in. */
void bench_digest(void);
void bench_sign(void);
void bench_walk(const char *folder);
void bench_manifest(const char *folder);
void bench_checkpoint(const char *folder);

/* CPU seconds of this thread, of the whole process; seconds on the wall's clock. */
double bench_thread_s(void);
double bench_process_s(void);
double bench_wall_s(void);

enum { BENCH_ENTRIES = 100000 };
static const double bench_long_s = 0.5; /* short enough for a round of all */

void bench_print(const char *name, double value, const char *unit);

/* The program ends where something fails that is to be measured. */
void bench_check(int status, const struct error *err);

#endif
