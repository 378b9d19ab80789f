#ifndef AGENT_SHELL_WORDS_H
#define AGENT_SHELL_WORDS_H

#include <stddef.h>

/*
 * A line taken apart into words as a POSIX shell would, without expanding anything: the
 * way in which the AWS tools read credential_process and the heads of sections.
 *
 * NULL where a quote is not closed, or the last character escapes nothing.  Else an
 * array of *n words with a NULL behind them, to be freed with shell_words_free().
 */
char **shell_words_split(const char *line, size_t *n);
void shell_words_free(char **words); /* harmless on NULL */

#endif
