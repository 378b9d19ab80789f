/*
 * The names of events and states: what --json writes, and therefore a promise (CLI.md,
 * "Output").
 */
#include "agent/event.h"

const char *event_kind_name(enum event_kind kind)
{
    static const char *const names[] = {
        [EVENT_SESSION] = "session",     [EVENT_DETACHED] = "detached",
        [EVENT_SCAN] = "scan",           [EVENT_PROGRESS] = "progress",
        [EVENT_WARNING] = "warning",     [EVENT_ERROR] = "error",
        [EVENT_PUBLISHED] = "published", [EVENT_UNCHANGED] = "unchanged",
        [EVENT_STOPPED] = "stopped",
    };

    return names[kind];
}

const char *progress_state_name(enum progress_state state)
{
    static const char *const names[] = {
        [STATE_SCANNING] = "scanning",
        [STATE_UPLOADING] = "uploading",
        [STATE_WAITING_NETWORK] = "waiting_network",
        [STATE_WAITING_CREDENTIALS] = "waiting_credentials",
        [STATE_PUBLISHING] = "publishing",
    };

    return names[state];
}
