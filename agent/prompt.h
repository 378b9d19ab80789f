#ifndef AGENT_PROMPT_H
#define AGENT_PROMPT_H

#include <stdbool.h>

#include "base/error.h"

/* Asking a person, for commands that block.  The question goes to stderr, the answer
 * comes from stdin. */
bool prompt_is_possible(void); /* stdin is a terminal */

/*
 * A line, without its end and the blanks around it, to be freed by the caller;
 * ERROR_USAGE, with what was asked for, where stdin ends first.  A secret is not shown
 * while it is typed, and a signal that ends the program leaves the terminal as it was.
 * Without a terminal nothing is asked and the line is read all the same.
 */
int prompt_line(char **out, const char *question, bool is_secret, struct error *err);

#endif
