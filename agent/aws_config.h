#ifndef AGENT_AWS_CONFIG_H
#define AGENT_AWS_CONFIG_H

#include <stdbool.h>

#include "agent/ini.h"
#include "base/error.h"

/*
 * The shared files of the AWS tools, ~/.aws/credentials (AWS_SHARED_CREDENTIALS_FILE)
 * and ~/.aws/config (AWS_CONFIG_FILE), as profiles: what a profile says is looked for in
 * the first, then in the second.  Strings are valid until aws_config_close(); NULL or
 * an empty value is none.
 */
enum aws_file { AWS_FILE_CREDENTIALS, AWS_FILE_CONFIG };

struct aws_config {
    struct ini *ini[2]; /* by enum aws_file */
    char *file[2];
};

/* Blocks.  Files that are not there are empty.  To be closed in any case. */
int aws_config_open(struct aws_config *a, struct error *err);
void aws_config_close(struct aws_config *a);

bool aws_config_has(const struct aws_config *a, const char *profile);
const char *aws_config_get(const struct aws_config *a, const char *profile,
                           const char *key);
const char *aws_config_get_in(const struct aws_config *a, enum aws_file file,
                              const char *profile, const char *key);

/* Of [sso-session NAME], which is in the second file. */
bool aws_config_has_session(const struct aws_config *a, const char *session);
const char *aws_config_get_session(const struct aws_config *a, const char *session,
                                   const char *key);

/* A path in the user's home; the caller frees it. */
char *aws_config_home(const char *rest);

/* The profile to use: `given` (may be NULL), else that of the environment, else
 * "default".  *is_given: somebody has named it. */
const char *aws_config_profile(const char *given, bool *is_given);

/* A variable of the environment; NULL where it is not set, or empty. */
const char *aws_config_variable(const char *name);

#endif
