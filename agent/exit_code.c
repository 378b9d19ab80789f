#include "agent/exit_code.h"

#include <errno.h>
#include <stddef.h>

int exit_code_for(const struct error *err)
{
    switch (err->kind) {
    case ERROR_USAGE:
        return EXIT_USAGE;
    case ERROR_NETWORK:
    case ERROR_TRANSIENT:
    case ERROR_THROTTLED:
    case ERROR_EXPIRED:
        return EXIT_RESUMABLE;
    case ERROR_AUTH:
        return EXIT_REFUSED;
    case ERROR_IO:
        return err->code == EACCES || err->code == EPERM ? EXIT_REFUSED : EXIT_FAILED;
    case ERROR_CANCELLED:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_FAILED;
    }
}

const char *exit_hint_for(const struct error *err)
{
    switch (err->kind) {
    case ERROR_NETWORK:
        return "check the network, and the endpoint of the cluster (--endpoint of "
               "`grid "
               "login`, AWS_ENDPOINT_URL_S3)";
    case ERROR_EXPIRED:
        return "log in again (`grid login`), or renew the keys where they come from, "
               "and "
               "run the same command again";
    case ERROR_FULL:
        return "once there is space again run the same command: it goes on where it "
               "stopped";
    case ERROR_CONFLICT:
        return "see `grid datastore status`";
    case ERROR_CHANGED:
        return "run the same command again when the files have come to rest";
    case ERROR_IO:
        if (err->code == EACCES || err->code == EPERM || err->code == EROFS)
            return "check the permissions there, or choose another place";
        return "run the same command again once this is mended: it goes on where it "
               "stopped";
    case ERROR_INTERNAL:
        return "this is a bug in grid; the session can be resumed";
    default:
        return NULL;
    }
}
