/*
 *   keys --> name --> first listing --> writing, multipart, checksums, conditions
 *                        |                 --> deleting --> lag --> throughput
 *                        +-- judged: which check has failed?
 *
 * What makes all that follows impossible ends it; a permission that is missing does not.
 */
#include "agent/doctor_s3.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/iam_policy.h"
#include "agent/probe_rest.h"
#include "agent/throughput.h"
#include "base/mem.h"
#include "transfer/memory_body.h"
#include "transfer/s3_address.h"
#include "transfer/s3_error.h"

enum {
    CONTACT_MS = 12 * 1000, /* more than the 10 s that a connection may take */
    OUTAGE_MS = 30 * 1000,
    CLOCK_NOTE_S = 60,       /* less is no reason for a refusal */
    CLOCK_LIMIT_S = 15 * 60, /* S3's: more is refused */
    LAG_STEP_MS = 250,
    LAG_MAX_MS = 10 * 1000,
    HTTP_STATUS_MIN = 100, /* of an error's code: less is libcurl's */
    PIECE = 64 << 10
};

struct visit {
    struct doctor *d;
    struct agent *a;
    const struct cluster *cluster;
    struct s3_address address;
    char prefix[64]; /* of the keys that are ours */
    bool may_list, may_write, needs_policy;
    char *bytes; /* PIECE of them */
};

static const char hint_grant[] =
    "let the keys' owner do this; the policy below would do";

/* ---- name ---- */

struct lookup {
    char host[256], port[8];
    char address[NI_MAXHOST];
    int status; /* of getaddrinfo() */
};

static void look_up(void *ctx)
{
    struct lookup *l = ctx;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;

    l->status = getaddrinfo(l->host, l->port, &hints, &found);
    if (l->status == 0)
        getnameinfo(found->ai_addr, found->ai_addrlen, l->address, sizeof l->address,
                    NULL, 0, NI_NUMERICHOST);
    if (found != NULL)
        freeaddrinfo(found);
}

/* "host", "host:9000", "[::1]:9000" */
static void split_host(struct lookup *l, const char *host, bool is_tls)
{
    const char *colon = strrchr(host, ':');
    const char *end = strchr(host, ']');
    size_t size;

    if (colon != NULL && end != NULL && colon < end)
        colon = NULL;
    size = colon != NULL ? (size_t)(colon - host) : strlen(host);
    if (host[0] == '[' && end != NULL) {
        host++;
        size = (size_t)(end - host);
    }
    snprintf(l->host, sizeof l->host, "%.*s", (int)size, host);
    snprintf(l->port, sizeof l->port, "%s",
             colon != NULL ? colon + 1
             : is_tls      ? "443"
                           : "80");
}

static bool check_name(struct visit *v)
{
    const char *proxy = getenv("HTTPS_PROXY");
    struct lookup l = {.status = 0};
    struct error err;

    split_host(&l, s3_address_host(&v->address), v->address.is_tls);
    agent_work(v->a, look_up, &l);
    if (l.status == 0) {
        doctor_ok(v->d, "dns", "%s is %s", l.host, l.address);
    } else if (proxy != NULL && proxy[0] != '\0') {
        doctor_note(v->d, "dns", NULL, "%s is not known here; the proxy may know it",
                    l.host);
    } else {
        error_set(&err, ERROR_NETWORK, 0, "%s: %s", l.host, gai_strerror(l.status));
        doctor_failed(v->d, "dns", &err, NULL);
        return false;
    }
    return true;
}

/* ---- the first contact ---- */

static const char *connection_name(const struct visit *v)
{
    return v->address.is_tls ? "tls" : "connection";
}

static void tell_connection(struct visit *v)
{
    if (v->address.is_tls)
        doctor_ok(v->d, "tls", "%s is trusted (%s)", s3_address_host(&v->address),
                  v->a->cluster_store.ca_file != NULL ? v->a->cluster_store.ca_file
                                                      : "the system's CAs");
    else
        doctor_note(v->d, "connection", "use https:// where the store has it",
                    "%s answers, in plain HTTP: bytes are signed, not encrypted",
                    s3_address_host(&v->address));
}

static void tell_keys(struct visit *v)
{
    const struct credentials *keys = &v->a->cluster_store.keys.now;

    doctor_ok(v->d, "credentials", "%s is known there; from %s", keys->access_key,
              keys->origin);
}

static void check_clock(struct visit *v, int64_t date_ms)
{
    int64_t off_s = (agent_clock_ms() - date_ms) / 1000;
    int64_t distance_s = off_s < 0 ? -off_s : off_s;
    struct text words = {0};
    struct error err;

    if (date_ms == 0)
        return; /* it did not say */
    text_add_duration(&words, (uint64_t)distance_s);
    if (distance_s < CLOCK_NOTE_S) {
        doctor_ok(v->d, "clock", "this machine's and the store's differ by %s",
                  distance_s <= 1 ? "at most a second" : text_string(&words));
    } else if (distance_s < CLOCK_LIMIT_S) {
        doctor_note(v->d, "clock", "set this machine's clock: timedatectl set-ntp true",
                    "this machine's is %s %s the store's", text_string(&words),
                    off_s > 0 ? "ahead of" : "behind");
    } else {
        error_set(&err, ERROR_UNUSABLE, 0,
                  "this machine's is %s %s the store's: grid makes up for it, other "
                  "programs are refused",
                  text_string(&words), off_s > 0 ? "ahead of" : "behind");
        doctor_failed(v->d, "clock", &err,
                      "set this machine's clock: timedatectl set-ntp true");
    }
    text_free(&words);
}

static void check_region(struct visit *v)
{
    const char *known = v->address.region, *found = store_region(v->a->store);

    if (strcmp(known, found) == 0)
        doctor_ok(v->d, "region", "%s", found);
    else
        doctor_note(
            v->d, "region",
            "save a request in every run: grid login ... --region with this one",
            "the bucket is in %s, not in %s", found, known);
}

/* It is known there, but may not look: AccessDenied.  Some say so of wrong keys, too. */
static void deny_listing(struct visit *v, const struct error *err)
{
    tell_connection(v);
    tell_keys(v);
    v->needs_policy = true;
    doctor_failed(v->d, "list", err, hint_grant);
}

/* Which of the checks does this belong to?  False: nothing more can be asked. */
static bool judge_contact(struct visit *v, const struct error *err)
{
    if (err->kind == ERROR_AUTH && s3_error_says(err, "AccessDenied")) {
        deny_listing(v, err);
        return true;
    }
    if (err->kind == ERROR_NOT_FOUND && v->cluster->account != NULL) {
        tell_connection(v);
        tell_keys(v);
        doctor_note(v->d, "bucket", NULL,
                    "%s is not there yet: the first upload makes it",
                    v->cluster->store);
        return false;
    }
    if (err->kind != ERROR_AUTH && err->kind != ERROR_EXPIRED &&
        (err->kind != ERROR_UNUSABLE || err->code < HTTP_STATUS_MIN)) {
        doctor_failed(v->d, connection_name(v), err, NULL);
        return false;
    }
    tell_connection(v);
    if (s3_error_says(err, "NoSuchBucket")) {
        tell_keys(v);
        doctor_failed(v->d, "bucket", err, NULL);
    } else if (err->kind == ERROR_UNUSABLE)
        doctor_failed(v->d, "service", err, NULL);
    else if (s3_error_says(err, "RequestTimeTooSkewed"))
        doctor_failed(v->d, "clock", err, NULL);
    else
        doctor_failed(v->d, "credentials", err, NULL);
    return false;
}

/* The store's word on who we are, what time it is, and where the bucket is. */
static bool check_contact(struct visit *v)
{
    struct store_op op = {.verb = STORE_LIST, .key = "", .want_date = true};
    struct error err;
    int status = agent_do(v->a, &op, &err);
    int64_t date_ms = op.answer.date_ms;

    store_end_list(v->a->store, &op);
    store_op_clear(&op);
    if (status != 0)
        return judge_contact(v, &err);
    v->may_list = true;
    tell_connection(v);
    tell_keys(v);
    check_clock(v, date_ms);
    doctor_ok(v->d, "bucket", "%s is there", v->address.bucket);
    check_region(v);
    doctor_ok(v->d, "list", "its objects may be listed");
    return true;
}

/* ---- what may be done ---- */

static void key_of(const struct visit *v, const char *name, struct text *key)
{
    text_add_format(key, "%s-%s", v->prefix, name);
}

/* True: done; else `check` has failed, and this was told. */
static bool passed(struct visit *v, const char *check, int status,
                   const struct error *err)
{
    bool is_denied = status != 0 && err->kind == ERROR_AUTH;

    if (status == 0)
        return true;
    v->needs_policy |= is_denied;
    doctor_failed(v->d, check, err, is_denied ? hint_grant : NULL);
    return false;
}

static int ask(struct visit *v, enum store_verb verb, struct error *err)
{
    struct store_op op = {.verb = verb, .key = ""};
    int status = agent_do(v->a, &op, err);

    store_op_clear(&op);
    return status;
}

static int read_back(struct visit *v, const char *key, struct error *err)
{
    struct text found = {0};
    int status = agent_get(v->a, key, &found, NULL, err);

    if (status == 0 &&
        (found.size != PIECE || memcmp(found.data, v->bytes, PIECE) != 0))
        status = error_set(err, ERROR_CORRUPT, 0,
                           "what was read back is not what was written");
    text_free(&found);
    return status;
}

/* Puts, after finding out how; the first thing that needs the permission to write. */
static void check_write(struct visit *v)
{
    struct text key = {0};
    struct error err;
    int status = ask(v, STORE_PROBE, &err);

    key_of(v, "put", &key);
    if (status == 0)
        status = agent_put(v->a, text_string(&key), v->bytes, PIECE, false, &err);
    v->may_write = passed(v, "write", status, &err);
    if (v->may_write) {
        doctor_ok(v->d, "write", "an object was put");
        status = read_back(v, text_string(&key), &err);
        if (passed(v, "read", status, &err))
            doctor_ok(v->d, "read", "and read back as it was");
    }
    text_free(&key);
}

static int complete_upload(struct visit *v, const char *key, const char *upload_id,
                           struct error *err)
{
    struct memory_body body;
    struct store_op part = {.verb = STORE_UPLOAD_PART,
                            .key = key,
                            .upload_id = upload_id,
                            .size = PIECE,
                            .part_size = PIECE,
                            .part = {.number = 1, .size = PIECE}};
    struct store_op end = {.verb = STORE_COMPLETE_UPLOAD,
                           .key = key,
                           .upload_id = upload_id,
                           .size = PIECE,
                           .part_size = PIECE,
                           .parts = &part.part,
                           .n_parts = 1};
    int status;

    memory_body_init(&body, &v->a->loop, (struct span){(uint8_t *)v->bytes, PIECE});
    part.body = &body.body;
    status = agent_do(v->a, &part, err);
    if (status == 0) {
        memcpy(part.part.etag, part.answer.etag, sizeof part.part.etag);
        part.part.crc32c = part.answer.crc32c;
        status = agent_do(v->a, &end, err);
    }
    store_op_clear(&part);
    store_op_clear(&end);
    return status;
}

static int try_upload(struct visit *v, const char *key, struct error *err)
{
    struct store_op begin = {
        .verb = STORE_CREATE_UPLOAD, .key = key, .size = PIECE, .part_size = PIECE};
    struct store_op abort_op = {.verb = STORE_ABORT_UPLOAD, .key = key};
    struct error ignored;
    int status = agent_do(v->a, &begin, err);
    bool is_begun = status == 0;

    if (is_begun)
        status = complete_upload(v, key, begin.answer.upload_id, err);
    if (is_begun && status != 0) {
        abort_op.upload_id = begin.answer.upload_id;
        (void)agent_do(v->a, &abort_op, &ignored);
        store_op_clear(&abort_op);
    }
    store_op_clear(&begin);
    return status == 0 ? read_back(v, key, err) : -1;
}

static void check_multipart(struct visit *v)
{
    struct text key = {0};
    struct error err;
    int status;

    key_of(v, "parts", &key);
    status = try_upload(v, text_string(&key), &err);
    if (passed(v, "multipart", status, &err))
        doctor_ok(v->d, "multipart", "an object was made of parts");
    text_free(&key);
}

/* "1 checks=chunk-signed,sha256 if-none-match=yes" */
static void check_traits(struct visit *v)
{
    const char *traits = store_traits(v->a->store);
    const char *checks = strstr(traits, "checks=");
    size_t size;

    checks = checks != NULL ? checks + strlen("checks=") : "";
    size = strcspn(checks, " ");
    if (agent_store_verifies(v->a))
        doctor_ok(v->d, "checksums", "damaged bytes are refused (%.*s)", (int)size,
                  checks);
    else
        doctor_note(v->d, "checksums",
                    "look after an upload: grid datastore verify NAME --deep",
                    "the store does not verify the bytes that it receives");
    if (store_limits(v->a->store)->can_put_if_absent)
        doctor_ok(v->d, "conditional", "of two who write at once one is refused");
    else
        doctor_note(v->d, "conditional", NULL,
                    "If-None-Match is not honoured: version numbers are claimed with "
                    "a few requests more");
}

/* ---- listing lag ---- */

struct sight {
    const char *name;
    bool is_seen;
};

static int on_listed(void *ctx, const char *name, const struct store_item *item,
                     struct error *err)
{
    struct sight *s = ctx;

    (void)item;
    (void)err;
    s->is_seen |= strcmp(name, s->name) == 0;
    return 0;
}

/* Is the object listed that was just written? */
static void check_lag(struct visit *v)
{
    const char *slash = strrchr(v->prefix, '/');
    struct text key = {0}, name = {0};
    struct sight sight = {NULL, false};
    struct error err;
    uint64_t waited_ms = 0;
    int status;

    key_of(v, "lag", &key);
    text_add(&name, text_string(&key) + (slash + 1 - v->prefix));
    sight.name = text_string(&name);
    status = agent_put(v->a, text_string(&key), "x", 1, false, &err);
    while (status == 0 && waited_ms < LAG_MAX_MS) {
        status = agent_list(v->a, ".grid-probe/", false, on_listed, &sight, &err);
        if (status != 0 || sight.is_seen)
            break;
        status = agent_pause(v->a, LAG_STEP_MS, &err);
        waited_ms += LAG_STEP_MS;
    }
    if (status != 0)
        doctor_failed(v->d, "listing lag", &err, NULL);
    else if (sight.is_seen && waited_ms == 0)
        doctor_ok(v->d, "listing lag", "what is written is listed at once");
    else if (sight.is_seen)
        doctor_note(v->d, "listing lag", NULL,
                    "what is written is listed after about %" PRIu64 " ms", waited_ms);
    else
        doctor_note(v->d, "listing lag",
                    "have only one machine upload to a datastore at a time",
                    "what was written %d s ago is not listed yet", LAG_MAX_MS / 1000);
    text_free(&key);
    text_free(&name);
}

/* ---- throughput ---- */

static void check_throughput(struct visit *v)
{
    struct throughput t;
    struct text up = {0}, down = {0};
    struct error err;

    if (throughput_measure(v->a, v->prefix, &t, &err) != 0) {
        doctor_failed(v->d, "throughput", &err, NULL);
        return;
    }
    text_add_size(&up, (uint64_t)t.put_bytes_s);
    text_add_size(&down, (uint64_t)t.get_bytes_s);
    doctor_ok(v->d, "throughput",
              "%s/s up, %s/s down, %.1f ms a round trip (%d at once, a short look)",
              text_string(&up), text_string(&down), t.round_trip_ms, THROUGHPUT_LANES);
    text_free(&up);
    text_free(&down);
}

/* ---- cleaning up ---- */

static void check_delete(struct visit *v)
{
    static const char *const names[] = {"put", "parts", "lag"};
    enum { N = 3 + THROUGHPUT_LANES };
    struct text keys[N] = {{0}};
    const char *strings[N];
    struct store_op op = {.verb = STORE_DELETE, .keys = strings, .n_keys = N};
    struct error err;
    int status;

    for (unsigned i = 0; i < 3; i++)
        key_of(v, names[i], &keys[i]);
    for (unsigned i = 0; i < THROUGHPUT_LANES; i++)
        throughput_key(&keys[3 + i], v->prefix, i);
    for (unsigned i = 0; i < N; i++)
        strings[i] = text_string(&keys[i]);
    op.key = strings[0];
    status = agent_do(v->a, &op, &err);
    store_op_clear(&op);
    if (passed(v, "delete", status, &err))
        doctor_ok(v->d, "delete", "all of it was removed again");
    for (unsigned i = 0; i < N; i++)
        text_free(&keys[i]);
}

/* Of checks and probes that were killed. */
static void remove_rest(struct visit *v)
{
    struct error err;
    unsigned n = 0;

    if (probe_rest_remove(v->a, &n, &err) != 0)
        doctor_failed(v->d, "leftovers", &err, NULL);
    else if (n > 0)
        doctor_ok(v->d, "leftovers", "%u of earlier probes removed", n);
}

static void check_writing(struct visit *v)
{
    check_write(v);
    if (!v->may_write)
        return;
    check_multipart(v);
    check_traits(v);
    if (v->may_list)
        check_lag(v);
    check_throughput(v);
    check_delete(v);
    if (v->may_list)
        remove_rest(v);
}

/* ---- the visit ---- */

static void tell_policy(struct visit *v)
{
    struct text policy = {0};

    iam_policy_add(&policy, v->address.bucket, v->address.prefix,
                   v->cluster->account != NULL);
    doctor_policy(v->d, text_string(&policy));
    text_free(&policy);
}

/* The keys are looked for; nothing is asked of the network. */
static bool open_store(struct visit *v)
{
    struct store_options wanted = {.first_contact_ms = CONTACT_MS,
                                   .outage_ms = OUTAGE_MS};
    struct error err;

    v->a->cluster_store.probes_anew = true;
    if (agent_open_store(v->a, v->cluster, v->d->c->paths, &wanted, &err) != 0) {
        doctor_failed(v->d, err.kind == ERROR_AUTH ? "credentials" : "settings", &err,
                      NULL);
        return false;
    }
    if (s3_address_init(&v->address, v->cluster->store, &v->a->cluster_store.s3,
                        &err) == 0)
        return true;
    doctor_failed(v->d, "settings", &err, NULL);
    return false;
}

static void fill(struct visit *v)
{
    char id[17];

    agent_random_hex(id, 8);
    snprintf(v->prefix, sizeof v->prefix, ".grid-probe/check-%s", id);
    v->bytes = mem_new(PIECE, 1);
    for (size_t i = 0; i < PIECE; i++)
        v->bytes[i] = (char)(i * 31 + (size_t)id[0]);
}

void doctor_s3_run(struct doctor *d)
{
    struct visit v = {.d = d, .a = d->agent, .cluster = d->c->cluster};

    fill(&v);
    if (open_store(&v) && check_name(&v) && check_contact(&v))
        check_writing(&v);
    if (v.needs_policy)
        tell_policy(&v);
    s3_address_free(&v.address);
    free(v.bytes);
}
