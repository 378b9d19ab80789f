#ifndef AGENT_EXIT_CODE_H
#define AGENT_EXIT_CODE_H

#include "base/error.h"

/* Exit codes and hints follow from an error's kind alone (CLI.md, "Exit codes"). */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_RESUMABLE = 75,
    EXIT_REFUSED = 77,
    EXIT_INTERRUPTED = 130
};

int exit_code_for(const struct error *err);

/* What to do about it, for people; NULL where the message says all. */
const char *exit_hint_for(const struct error *err);

#endif
