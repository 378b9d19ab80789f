#ifndef AGENT_CATALOG_H
#define AGENT_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent.h"
#include "agent/version.h"

/*
 * The datastores of a store: names, versions, and what became of each (version.h).  Linear
 * code over the store (see agent.h); many versions at once are read with version_scan.h.
 */
/* The names in the store, in order; the caller frees each and the array. */
int catalog_names(struct agent *a, char ***names, size_t *n, struct error *err);

/* On stores that fold case (file://): replace name by the spelling that stands there.
 */
int catalog_fold_name(struct agent *a, char name[NAME_MAX_BYTES + 1],
                      struct error *err);

/* The numbers of a name, ascending, whatever became of them; the caller frees. */
int catalog_numbers(struct agent *a, const char *name, uint64_t **numbers, size_t *n,
                    struct error *err);
int catalog_newest_number(struct agent *a, const char *name, uint64_t *newest,
                          struct error *err);

/* What stands under one number. */
int catalog_read(struct agent *a, const char *name, uint64_t number,
                 struct version *out, struct error *err);

/* The published version `number`, 0 for the newest. ERROR_NOT_FOUND says what there is.
 */
int catalog_find(struct agent *a, const char *name, uint64_t number,
                 struct version *out, struct error *err);

/* The newest published version below that number. */
int catalog_find_below(struct agent *a, const char *name, uint64_t below,
                       struct version *out, struct error *err);

/* Delete a version or an unfinished session: deleted.json first, then all the rest.
 * ERROR_CONFLICT while a session is alive in it. Interrupted, it can be repeated. */
int catalog_delete(struct agent *a, const struct version *v, struct error *err);

/* "file:///.../NAME/vN", for people and training code; the caller frees. */
char *catalog_url(struct agent *a, const char *name, uint64_t number);

#endif
