#include "agent/version.h"

const char *version_status_name(enum version_status status)
{
    static const char *const names[] = {
        [VERSION_NONE] = "none",           [VERSION_SUCCEEDED] = "succeeded",
        [VERSION_UPLOADING] = "uploading", [VERSION_INTERRUPTED] = "interrupted",
        [VERSION_FAILED] = "failed",       [VERSION_DELETED] = "deleted",
        [VERSION_DAMAGED] = "failed",
    };

    return names[status];
}

void version_free(struct version *v)
{
    datastore_record_free(&v->record);
    session_record_free(&v->session);
}
