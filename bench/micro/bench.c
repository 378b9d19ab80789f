#include "bench/micro/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double bench_thread_s(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

double bench_process_s(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

double bench_wall_s(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void bench_print(const char *name, double value, const char *unit)
{
    printf("%s\t%.4f\t%s\n", name, value, unit);
}

void bench_check(int status, const struct error *err)
{
    if (status == 0)
        return;
    fprintf(stderr, "micro: %s\n", err->text);
    exit(1);
}
