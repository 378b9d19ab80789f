/*
 * The tables, and the checks that look at more than one option.  The help texts are
 * made of the tables alone (options_help.c), so that they cannot tell anything else.
 */
#include "agent/options_table.h"

#include <string.h>

#include "agent/name.h"

#include "base/span.h"

/* Who takes an option. */
enum {
    LOGIN = 1 << COMMAND_LOGIN,
    LOGOUT = 1 << COMMAND_LOGOUT,
    USER = 1 << COMMAND_USER,
    CLUSTER = 1 << COMMAND_CLUSTER | 1 << COMMAND_CLUSTER_CHECK,
    CHECK = 1 << COMMAND_CLUSTER_CHECK,
    CREATE = 1 << COMMAND_CREATE,
    LIST = 1 << COMMAND_LIST,
    STATUS = 1 << COMMAND_STATUS,
    STOP = 1 << COMMAND_STOP,
    VERIFY = 1 << COMMAND_VERIFY,
    DOWNLOAD = 1 << COMMAND_DOWNLOAD,
    DELETE = 1 << COMMAND_DELETE,
    PRUNE = 1 << COMMAND_PRUNE,
    REGISTER = 1 << COMMAND_CREDENTIAL_CREATE,
    FILES = 1 << COMMAND_FILES,
    CAT = 1 << COMMAND_CAT,
    UI = 1 << COMMAND_UI,
    URL = 1 << COMMAND_URL,

    UPLOAD = CREATE | 1 << COMMAND_RESUME,
    TRANSFER = UPLOAD | DOWNLOAD,
    READ =
        1 << COMMAND_FILES | 1 << COMMAND_DIFF | 1 << COMMAND_URL | VERIFY | DOWNLOAD,
    REMOVE = DELETE | PRUNE
};

enum { PRESIGN_MAX_MS = 7 * 24 * 3600 * 1000 }; /* of Signature Version 4 */

static const struct option_spec options[] = {
    /* where datastores are kept */
    {LOGIN, "cluster", "NAME", OPTION_NAME, offsetof(struct options, cluster),
     "what to call it (else after the bucket)", "lab"},
    {LOGIN, "username", "ID", OPTION_STRING, offsetof(struct options, username),
     "the access key id", "AKIAIOSFODNN7EXAMPLE"},
    {LOGIN, "key", "SECRET", OPTION_SECRET, offsetof(struct options, key),
     "the secret access key", "..."},
    {LOGIN, "key-stdin", NULL, OPTION_FLAG, offsetof(struct options, key_stdin),
     "read the secret access key from stdin", NULL},
    {LOGIN, "profile", "AWS_PROFILE", OPTION_STRING, offsetof(struct options, profile),
     "use the keys of the AWS tools instead", "work"},
    {LOGIN, "store", "URL", OPTION_STRING, offsetof(struct options, store),
     "where datastores are kept", "s3://bucket/prefix"},
    {LOGIN, "endpoint", "URL", OPTION_STRING, offsetof(struct options, endpoint),
     "the S3 server, if it is not AWS", "https://s3.lab.example"},
    {LOGIN, "region", "NAME", OPTION_STRING, offsetof(struct options, region),
     "the region of the bucket", "eu-central-1"},
    {LOGIN, "ca-file", "FILE", OPTION_STRING, offsetof(struct options, ca_file),
     "certificates to trust, as PEM", "/etc/ssl/lab.pem"},
    {LOGIN, "addressing", "auto|path|virtual", OPTION_STRING,
     offsetof(struct options, addressing), "where the bucket stands in URLs (auto)",
     "path"},
    {LOGIN, "sign-payload", "auto|always|never", OPTION_STRING,
     offsetof(struct options, sign_payload), "sign the bytes, too (auto)", "always"},
    {REGISTER, "type", "s3", OPTION_STRING, offsetof(struct options, type),
     "what it opens: s3", "s3"},
    {REGISTER, "role-arn", "ARN", OPTION_STRING, offsetof(struct options, role_arn),
     "the role, once it has been made", "arn:aws:iam::123456789012:role/grid"},
    {REGISTER, "name", "ID", OPTION_NAME, offsetof(struct options, name),
     "what to call it (else after the role)", "reader"},
    {REGISTER, "external-id", "ID", OPTION_STRING,
     offsetof(struct options, external_id),
     "that its trust policy wants (else one is drawn)", "4f1d0c..."},
    {REGISTER, "cluster", "NAME", OPTION_STRING, offsetof(struct options, cluster),
     "whose keys are to assume it (the current one's)", "lab"},
    {LOGOUT, "cluster", "NAME", OPTION_STRING, offsetof(struct options, cluster),
     "the cluster to log out of", "lab"},

    /* what it is about */
    {CREATE, "source", "SOURCE", OPTION_STRING, offsetof(struct options, source),
     "folder, file, s3://BUCKET/PREFIX/, URL of an archive", "./folder"},
    {CREATE, "name", "NAME", OPTION_NAME, offsetof(struct options, name),
     "name of the datastore (else from SOURCE)", "imagenet"},
    {REMOVE, "name", "NAME", OPTION_NAME, offsetof(struct options, name),
     "the datastore", "imagenet"},
    {DELETE, "version", "N", OPTION_NUMBER, offsetof(struct options, version),
     "which version", "2"},
    {DELETE, "incomplete", NULL, OPTION_FLAG, offsetof(struct options, incomplete),
     "an unfinished session, all that is there of it", NULL},
    {PRUNE, "keep", "N", OPTION_NUMBER, offsetof(struct options, keep),
     "how many of the newest versions stay", "3"},
    {UPLOAD | LIST | STATUS | STOP | READ | CAT | REMOVE | CHECK, "cluster", "NAME",
     OPTION_STRING, offsetof(struct options, cluster), "the cluster to work with",
     "lab"},
    {LIST, "global", NULL, OPTION_FLAG, offsetof(struct options, global),
     "of all clusters", NULL},
    {LIST, "show-incomplete", NULL, OPTION_FLAG,
     offsetof(struct options, show_incomplete), "unfinished sessions too", NULL},
    {CREATE | DOWNLOAD, "exclude", "GLOB", OPTION_EXCLUDE, 0,
     "leave out what matches; the last rule counts", "'*.tmp'"},
    {CREATE | DOWNLOAD, "include", "GLOB", OPTION_INCLUDE, 0, "take it after all",
     "'keep.tmp'"},
    {CREATE | DOWNLOAD, "exclude-from", "FILE", OPTION_EXCLUDE_FROM, 0,
     "rules, one a line; !GLOB includes", ".gridignore"},
    {CREATE, "files-from", "FILE", OPTION_STRING, offsetof(struct options, files_from),
     "only the paths in FILE, one a line", "list.txt"},
    {CREATE, "symlinks", "follow|keep|skip", OPTION_SYMLINKS,
     offsetof(struct options, symlinks), "what becomes of symbolic links (follow)",
     "keep"},
    {CREATE, "skip-unreadable", NULL, OPTION_FLAG,
     offsetof(struct options, skip_unreadable),
     "publish without files that cannot be read", NULL},

    /* how it is done and told */
    {CREATE, "dry-run", NULL, OPTION_FLAG, offsetof(struct options, dry_run),
     "say what would be sent; change nothing", NULL},
    {FILES, "level", NULL, OPTION_FLAG, offsetof(struct options, level),
     "one level of folders only, each with what is in it", NULL},
    {FILES, "after", "PATH", OPTION_STRING, offsetof(struct options, after),
     "only what comes behind PATH", "train/0999.tar"},
    {FILES, "limit", "N", OPTION_NUMBER, offsetof(struct options, limit),
     "at most so many", "1000"},
    {UI, "port", "N", OPTION_NUMBER, offsetof(struct options, port),
     "the port to listen on (one that is free)", "8080"},
    {UI, "no-open", NULL, OPTION_FLAG, offsetof(struct options, no_open),
     "print the link, open no browser", NULL},
    {VERIFY, "deep", NULL, OPTION_FLAG, offsetof(struct options, deep),
     "read every byte back and compare its hash", NULL},
    {STATUS, "watch", NULL, OPTION_FLAG, offsetof(struct options, watch),
     "go on showing it until it ends", NULL},
    {URL, "presign", "DURATION", OPTION_DURATION, offsetof(struct options, presign_ms),
     "links that anybody may follow for so long, at most 7d", "2h"},
    {REMOVE, "yes", NULL, OPTION_FLAG, offsetof(struct options, yes), "do not ask",
     NULL},
    {REGISTER | 1 << COMMAND_CREDENTIAL | USER | CLUSTER | UPLOAD | LIST | STATUS |
         READ,
     "json", NULL, OPTION_FLAG, offsetof(struct options, json),
     "one JSON object a line on stdout", NULL},
    {TRANSFER | VERIFY | REMOVE, "quiet", NULL, OPTION_FLAG,
     offsetof(struct options, quiet), "errors and the result only", NULL},
    {UPLOAD, "verbose", NULL, OPTION_FLAG, offsetof(struct options, verbose),
     "say more on stderr", NULL},
    {TRANSFER, "jobs", "N", OPTION_JOBS, offsetof(struct options, jobs),
     "at most so many requests at once", "16"},
    {CREATE, "part-size", "SIZE", OPTION_SIZE, offsetof(struct options, part_size),
     "parts of large files; multiples of 16M", "64M"},
    {TRANSFER, "max-memory", "SIZE", OPTION_SIZE, offsetof(struct options, max_memory),
     "memory to stay below (64M)", "64M"},
    {UPLOAD, "max-extracted", "SIZE", OPTION_SIZE,
     offsetof(struct options, max_extracted),
     "refuse an archive that unpacks to more (10T)", "1T"},
    {UPLOAD, "bwlimit", "RATE", OPTION_RATE, offsetof(struct options, bwlimit),
     "send at most so many bytes a second, or none: no limit", "10M"},
    {TRANSFER, "give-up-after", "DURATION", OPTION_DURATION,
     offsetof(struct options, give_up_after_ms),
     "end, resumably, when the network is away for so long", "2h"},
    {CREATE, "fresh", NULL, OPTION_FLAG, offsetof(struct options, fresh),
     "give up an interrupted session, begin anew", NULL},
    {UPLOAD, "take-over", NULL, OPTION_FLAG, offsetof(struct options, take_over),
     "take a session that runs elsewhere", NULL},
    {CREATE, "no-delta", NULL, OPTION_FLAG, offsetof(struct options, no_delta),
     "send everything, also what the newest version has", NULL},
    {UPLOAD, "detach", NULL, OPTION_FLAG, offsetof(struct options, detach),
     "go on in the background, without the terminal", NULL},
    {CREATE, "no-copy", NULL, OPTION_FLAG, offsetof(struct options, no_copy),
     "only refer to the objects of s3://BUCKET/PREFIX/", NULL},
    {UPLOAD | VERIFY | DOWNLOAD, "request-payer", NULL, OPTION_FLAG,
     offsetof(struct options, request_payer), "pay for reading a requester-pays bucket",
     NULL},
    {UPLOAD, "storage-class", "CLASS", OPTION_STRING,
     offsetof(struct options, storage_class),
     "of what is stored, as the store has them", "STANDARD_IA"},
    {UPLOAD, "sse", "MODE[:KEYID]", OPTION_STRING, offsetof(struct options, sse),
     "encryption by the store: AES256 or aws:kms", "aws:kms:alias/lab"},
    {CREATE, "if-changed", NULL, OPTION_FLAG, offsetof(struct options, if_changed),
     "no new version when nothing has changed", NULL},
};

/* ---- checks ---- */

static int check_output(const struct options *o, struct error *err)
{
    if (o->quiet && o->verbose)
        return error_set(err, ERROR_USAGE, 0,
                         "--quiet and --verbose exclude each other");
    return 0;
}

static int check_login(struct options *o, struct error *err)
{
    if (o->key != NULL && o->key_stdin)
        return error_set(err, ERROR_USAGE, 0,
                         "--key and --key-stdin exclude each other");
    if (o->profile != NULL && (o->username != NULL || o->key != NULL || o->key_stdin))
        return error_set(err, ERROR_USAGE, 0,
                         "--profile brings its own keys: leave out --username and "
                         "--key");
    return 0;
}

static int check_register(struct options *o, struct error *err)
{
    if (o->type != NULL && strcmp(o->type, "s3") == 0)
        return 0;
    if (o->type == NULL)
        return error_set(err, ERROR_USAGE, 0,
                         "--type is missing: grid credential create --type s3");
    return error_set(err, ERROR_USAGE, 0,
                     "--type: \"%.40s\" is not known; there is s3: a role that may "
                     "read somebody's bucket",
                     o->type);
}

/* "aws:kms:KEYID" becomes its two halves; a key id may hold ':' itself. */
static int check_encryption(struct options *o, struct error *err)
{
    static const char kms[] = "aws:kms";
    size_t length = sizeof kms - 1;

    if (o->sse == NULL || strcmp(o->sse, "AES256") == 0 || strcmp(o->sse, kms) == 0)
        return 0;
    if (strncmp(o->sse, kms, length) != 0 || o->sse[length] != ':' ||
        o->sse[length + 1] == '\0')
        return error_set(err, ERROR_USAGE, 0,
                         "--sse cannot be %.80s: AES256, aws:kms or aws:kms:KEYID",
                         o->sse);
    o->sse_key = o->sse + length + 1;
    o->sse = kms;
    return 0;
}

static int check_upload(struct options *o, struct error *err)
{
    return check_encryption(o, err) == 0 ? check_output(o, err) : -1;
}

static int check_create(struct options *o, struct error *err)
{
    if (o->source != NULL && o->positional[0] != NULL)
        return error_set(
            err, ERROR_USAGE, 0,
            "SOURCE is given twice, as \"%.80s\" and with --source \"%.80s\": "
            "give one of them",
            o->positional[0], o->source);
    if (o->source == NULL)
        o->source = o->positional[0];
    if (o->source == NULL || o->source[0] == '\0')
        return error_set(
            err, ERROR_USAGE, 0,
            "SOURCE is missing: say what to upload, for example grid datastore "
            "create ./folder");
    if (o->detach && o->dry_run)
        return error_set(
            err, ERROR_USAGE, 0,
            "--detach and --dry-run exclude each other: there is nothing to "
            "leave in the background");
    if (o->no_copy && name_scheme_of(o->source) != NAME_S3)
        return error_set(
            err, ERROR_USAGE, 0,
            "--no-copy is for sources s3://BUCKET/PREFIX/: %.80s has to be "
            "copied",
            o->source);
    return check_upload(o, err);
}

static int check_ui(struct options *o, struct error *err)
{
    if (o->port <= 65535)
        return 0;
    return error_set(err, ERROR_USAGE, 0, "--port goes up to 65535, for example 8080");
}

static int check_resume(struct options *o, struct error *err)
{
    return check_upload(o, err);
}

static int check_delete(struct options *o, struct error *err)
{
    if (o->name == NULL)
        return error_set(err, ERROR_USAGE, 0,
                         "--name is missing, for example grid datastore delete --name "
                         "imagenet --version 2");
    if ((o->version != 0) == o->incomplete)
        return error_set(
            err, ERROR_USAGE, 0,
            "say what to delete of %s: either --version N or --incomplete, for "
            "example grid datastore delete --name %s --version 2",
            o->name, o->name);
    return 0;
}

static int check_url(struct options *o, struct error *err)
{
    if (o->presign_ms == 0 ||
        (o->presign_ms >= 1000 && o->presign_ms <= PRESIGN_MAX_MS))
        return 0;
    return error_set(
        err, ERROR_USAGE, 0,
        "--presign: links are good for 1s to 7d, for example --presign 2h");
}

static int check_prune(struct options *o, struct error *err)
{
    if (o->name != NULL && o->keep != 0)
        return 0;
    return error_set(err, ERROR_USAGE, 0,
                     "%s is missing, for example grid datastore prune --name imagenet "
                     "--keep 3",
                     o->name == NULL ? "--name" : "--keep");
}

/* ---- commands ---- */

static const struct command_spec commands[] = {
    {COMMAND_LOGIN, "login", NULL, "", 0, 0,
     "Log in to a cluster: where datastores are kept, and the keys to it",
     "What is missing is asked for on a terminal.  The keys are tried before anything\n"
     "is saved.  Without --username the keys of the AWS tools are used.\n",
     "grid login --store s3://bucket/prefix --username AKIAIOSFODNN7EXAMPLE",
     check_login},
    {COMMAND_LOGOUT, "logout", NULL, "", 0, 0, "Forget the keys of a cluster",
     "The cluster stays known; `grid cluster delete` forgets that, too.\n",
     "grid logout --cluster lab", NULL},
    {COMMAND_CREATE, "datastore", "create", "[SOURCE]", 0, 1,
     "Upload a folder or file as a new version of a datastore",
     "SOURCE is a local folder or file, or s3://BUCKET/PREFIX/, or the http(s)://\n"
     "address of a .zip, .tar or .tar.gz, which is unpacked on the way.\n"
     "Interrupted, the same command goes on where it stopped.  Rules of --exclude and\n"
     "--include are looked at in the order given; the last one that matches counts.\n",
     "grid datastore create --name imagenet ./imagenet_folder/", check_create},
    {COMMAND_RESUME, "datastore", "resume", "[NAME] [SOURCE]", 0, 2,
     "Go on with an interrupted session",
     "Without NAME it is the only one there is.  With SOURCE it works on another\n"
     "machine too, from what the store holds.\n",
     "grid datastore resume imagenet", check_resume},
    {COMMAND_LIST, "datastore", "list", "", 0, 0,
     "List datastores (also: grid datastore)", NULL, "grid datastore list --global",
     NULL},
    {COMMAND_STATUS, "datastore", "status", "[NAME]", 0, 1,
     "Show a running or interrupted session", NULL,
     "grid datastore status imagenet --watch", NULL},
    {COMMAND_STOP, "datastore", "stop", "NAME", 1, 1,
     "End a running session; it can be resumed", NULL, "grid datastore stop imagenet",
     NULL},
    {COMMAND_FILES, "datastore", "files", "NAME[:VERSION] [PREFIX]", 1, 2,
     "List the files of a datastore", NULL, "grid datastore files imagenet:2 train/",
     NULL},
    {COMMAND_CAT, "datastore", "cat", "NAME[:VERSION] PATH", 2, 2,
     "Print one file of a datastore to stdout",
     "Its blocks are held against the manifest as they go by: where one is wrong, it\n"
     "ends there, with exit code 1.\n",
     "grid datastore cat imagenet:2 train/labels.csv", NULL},
    {COMMAND_DIFF, "datastore", "diff", "NAME[:VERSION] [NAME[:VERSION]]", 1, 2,
     "Show what differs between two versions",
     "Added, removed, or changed in type, size, content, mode or link target, by the\n"
     "manifests alone; times do not count.  One version is compared with the one\n"
     "before it.  The exit code is 0 where nothing differs, 1 where something does,\n"
     "and 2 where they could not be compared.\n",
     "grid datastore diff imagenet:1 imagenet:2", NULL},
    {COMMAND_VERIFY, "datastore", "verify", "NAME[:VERSION]", 1, 1,
     "Check every object against the manifest",
     "Present, and of the right size; --deep reads every byte back and compares its\n"
     "hash.  (The manifest has hashes of the content, which a store cannot tell.)\n",
     "grid datastore verify imagenet --deep", NULL},
    {COMMAND_DOWNLOAD, "datastore", "download", "NAME[:VERSION] DIR", 2, 2,
     "Fetch the files of a datastore into a folder",
     "Every block is verified before it counts.  Interrupted, the same command goes\n"
     "on where it stopped.  Nothing that lies in DIR is overwritten: what is in the\n"
     "way is named, and all else is fetched.  Rules of --exclude and --include are\n"
     "looked at in the order given; the last one that matches counts.\n",
     "grid datastore download imagenet:2 ./imagenet", NULL},
    {COMMAND_DELETE, "datastore", "delete", "", 0, 0,
     "Delete a version, or an unfinished session", NULL,
     "grid datastore delete --name imagenet --version 2", check_delete},
    {COMMAND_PRUNE, "datastore", "prune", "", 0, 0,
     "Delete all but the newest versions", NULL,
     "grid datastore prune --name imagenet --keep 3", check_prune},
    {COMMAND_URL, "datastore", "url", "NAME[:VERSION] [PATH]", 1, 2,
     "Print where the data is, for training code",
     "With --presign a link for each file, or for PATH and what lies below it, that\n"
     "needs no keys.\n",
     "grid datastore url imagenet:2 train/0001.tar", check_url},
    {COMMAND_CLEARCACHE, "datastore", "clearcache", "", 0, 0,
     "Drop the local checkpoints",
     "An interrupted session is then resumed from what the store holds.\n",
     "grid datastore clearcache", NULL},
    {COMMAND_USER, "user", NULL, "", 0, 0,
     "Show who is logged in, and the current cluster", NULL, "grid user", NULL},
    {COMMAND_USER_SET_CONTEXT, "user", "set-cluster-context", "NAME", 1, 1,
     "Make a cluster the current one", NULL, "grid user set-cluster-context lab", NULL},
    {COMMAND_CLUSTER, "cluster", NULL, "", 0, 0,
     "List the clusters; the current one is marked", NULL, "grid cluster", NULL},
    {COMMAND_CLUSTER_CHECK, "cluster", "check", "[NAME]", 0, 1,
     "Find out what is wrong with a cluster, and what it can",
     "One line a check: ok, note (grid copes with it) or fails, with what to do.\n"
     "Writes a few objects, and removes them.  The exit code is 1 where something\n"
     "fails, and 77 where keys or permissions are missing.\n",
     "grid cluster check lab", NULL},
    {COMMAND_CLUSTER_DELETE, "cluster", "delete", "NAME", 1, 1,
     "Forget a cluster and its keys; what it stores stays", NULL,
     "grid cluster delete lab", NULL},
    {COMMAND_CREDENTIAL, "credential", "list", "", 0, 0,
     "List the registered roles (also: grid credential)", NULL, "grid credential list",
     NULL},
    {COMMAND_CREDENTIAL_CREATE, "credential", "create", "", 0, 0,
     "Register a role that may read private buckets",
     "Without --role-arn the policies for the role are printed: its owner makes it\n"
     "with them, and the same command with --role-arn registers it.  It is tried\n"
     "first; no secret is kept.  Sources in buckets that the cluster's own keys do\n"
     "not open are then read with it.\n",
     "grid credential create --type s3 --role-arn arn:aws:iam::12345:role/grid",
     check_register},
    {COMMAND_CREDENTIAL_DELETE, "credential", "delete", "ID", 1, 1,
     "Forget a role; the role itself stays", NULL, "grid credential delete reader",
     NULL},
    {COMMAND_COMPLETION_BASH, "completion", "bash", "", 0, 0,
     "Print the script that completes grid's words in bash",
     "For this shell: source <(grid completion bash)\n", "grid completion bash", NULL},
    {COMMAND_COMPLETION_ZSH, "completion", "zsh", "", 0, 0,
     "Print the script that completes grid's words in zsh",
     "For this shell: source <(grid completion zsh)\n", "grid completion zsh", NULL},
    {COMMAND_COMPLETION_FISH, "completion", "fish", "", 0, 0,
     "Print the script that completes grid's words in fish",
     "For this shell: grid completion fish | source\n", "grid completion fish", NULL},
    {COMMAND_UI, "ui", NULL, "", 0, 0,
     "Create and watch datastores in a browser, from a page of this machine",
     "The page is served on 127.0.0.1 alone, behind the link that is printed, which\n"
     "works once.  On a machine without a browser reach it through ssh -L.  Uploads\n"
     "that were begun there go on when it ends.\n",
     "grid ui --port 8080", check_ui},
};

static const struct group_spec groups[] = {
    {"datastore", "Create datastores and look after them", COMMAND_LIST,
     "grid datastore create --name imagenet ./imagenet_folder/", NULL},
    {"login", "Log in to a cluster", COMMAND_LOGIN,
     "grid login --store s3://bucket/prefix", NULL},
    {"logout", "Forget the keys of a cluster", COMMAND_LOGOUT, "grid logout", NULL},
    {"user", "Who is logged in, and the current cluster", COMMAND_USER,
     "grid user set-cluster-context lab", NULL},
    {"cluster", "The clusters that are known here", COMMAND_CLUSTER, "grid cluster",
     NULL},
    {"credential", "Roles that open private buckets", COMMAND_CREDENTIAL,
     "grid credential create --type s3", "credentials"},
    {"completion", "Scripts that complete the words of grid in a shell", COMMAND_HELP,
     "grid completion bash", NULL},
    {"ui", "All of it in a browser", COMMAND_UI, "grid ui", NULL},
};

const struct command_spec *options_commands(size_t *n)
{
    *n = ARRAY_SIZE(commands);
    return commands;
}

const struct option_spec *options_next(const struct command_spec *command,
                                       const struct option_spec *last)
{
    const struct option_spec *end = options + ARRAY_SIZE(options);

    for (const struct option_spec *o = last == NULL ? options : last + 1; o < end; o++)
        if ((o->commands & 1U << command->command) != 0)
            return o;
    return NULL;
}

const struct group_spec *options_groups(size_t *n)
{
    *n = ARRAY_SIZE(groups);
    return groups;
}
