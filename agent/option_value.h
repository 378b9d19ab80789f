#ifndef AGENT_OPTION_VALUE_H
#define AGENT_OPTION_VALUE_H

#include "agent/options_table.h"

/* Understand the value of an option (NULL for a flag) and store it where the spec says.
 * ERROR_USAGE names the option, what is wrong with the value, and one that is right. */
int option_value_store(struct options *o, const struct option_spec *spec,
                       const char *value, struct error *err);

#endif
