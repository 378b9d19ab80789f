#ifndef AGENT_OWNERSHIP_IMPL_H
#define AGENT_OWNERSHIP_IMPL_H

#include "agent/ownership.h"
#include "base/text.h"

/* Private to ownership.c, reservation.c and publication.c: the files of one version. */

/* "NAME/vN/" and file. */
void ownership_key(const struct ownership *o, const char *file, struct text *key);
char *ownership_file(const struct ownership *o,
                     const char *file); /* the same, to be freed */
void ownership_set_version(struct ownership *o, uint64_t version);

/* session.json.  if_absent: ERROR_CONFLICT where there is one. */
int ownership_write(struct ownership *o, bool if_absent, struct error *err);

/* session.json.  ERROR_NOT_FOUND: there is none.  answer may be NULL. */
int ownership_read(struct ownership *o, struct session_record *found,
                   struct object_answer *answer, struct error *err);

/* Its run is over or dead: nobody will miss it. */
bool ownership_is_abandoned(const struct session_record *found,
                            const struct object_answer *answer);

/* 1: it is there, 0: it is not, -1: error. */
int ownership_has(struct ownership *o, const char *file, struct error *err);

#endif
