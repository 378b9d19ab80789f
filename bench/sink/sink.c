/*
 * A sink that speaks S3: it takes what clients send and forgets the data, so that what
 * is measured is they.  One thread unless told otherwise; each has an epoll, and all
 * accept from one socket.
 *
 *     sink [--port N] [--port-file FILE] [--tls CERTIFICATE KEY] [--latency MS]
 *          [--threads N] [--secret SECRET] [--serve FOLDER] [--log-counts]
 *
 * --log-counts: at SIGTERM or SIGINT one line of JSON: requests, bytes, connections.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/sink/connection.h"

enum { EVENTS = 256, BACKLOG = 4096, THREADS_MAX = 64 };

struct options {
    uint16_t port; /* 0: any */
    const char *port_file;
    const char *certificate, *key; /* NULL: plain HTTP */
    uint64_t latency_ms, threads;
    bool log_counts;
};

struct sink {
    int listener;
    SSL_CTX *tls;
    struct lane lane;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- options ---- */

static const char *argument(char ***words)
{
    if ((*words)[1] == NULL) {
        fprintf(stderr, "sink: %s needs a value\n", **words);
        exit(2);
    }
    return *++*words;
}

static uint64_t number(char ***words, uint64_t most)
{
    const char *name = **words;
    uint64_t value;

    if (text_parse_u64(argument(words), &value) != 0 || value > most) {
        fprintf(stderr, "sink: %s needs a number up to %llu\n", name,
                (unsigned long long)most);
        exit(2);
    }
    return value;
}

static void read_options(char **words, struct options *o, struct verbs *verbs)
{
    for (words++; *words != NULL; words++) {
        const char *word = *words;

        if (strcmp(word, "--port") == 0) {
            o->port = (uint16_t)number(&words, UINT16_MAX);
        } else if (strcmp(word, "--port-file") == 0) {
            o->port_file = argument(&words);
        } else if (strcmp(word, "--tls") == 0) {
            o->certificate = argument(&words);
            o->key = argument(&words);
        } else if (strcmp(word, "--latency") == 0) {
            o->latency_ms = number(&words, 60000);
        } else if (strcmp(word, "--threads") == 0) {
            o->threads = number(&words, THREADS_MAX);
        } else if (strcmp(word, "--secret") == 0) {
            verbs->secret = argument(&words);
        } else if (strcmp(word, "--serve") == 0) {
            verbs->serve = argument(&words);
        } else if (strcmp(word, "--log-counts") == 0) {
            o->log_counts = true;
        } else {
            fprintf(stderr, "sink: unknown option %s\n", word);
            exit(2);
        }
    }
}

/* ---- one thread ---- */

static void accept_all(struct sink *sink)
{
    const int on = 1;
    int fd;

    while ((fd = accept4(sink->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        SSL *ssl = NULL;

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (sink->tls != NULL) {
            ssl = SSL_new(sink->tls);
            SSL_set_fd(ssl, fd);
        }
        connection_open(&sink->lane, fd, ssl);
    }
}

static void *run_lane(void *ctx)
{
    struct sink *sink = ctx;
    struct lane *lane = &sink->lane;
    struct epoll_event events[EVENTS];
    struct epoll_event listening = {.events = EPOLLIN | EPOLLEXCLUSIVE,
                                    .data.ptr = NULL};
    int timeout_ms = -1, n = 0;

    epoll_ctl(lane->epoll, EPOLL_CTL_ADD, sink->listener, &listening);
    while (n >= 0 || errno == EINTR) {
        n = epoll_wait(lane->epoll, events, EVENTS, timeout_ms);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                accept_all(sink);
            else
                connection_advance(events[i].data.ptr);
        }
        timeout_ms = lane_send_due(lane);
    }
    die("cannot wait");
}

static void start_lane(const struct sink *model)
{
    struct sink *sink = mem_buffer(sizeof *sink);
    pthread_t thread;

    *sink = *model;
    sink->lane.epoll = epoll_create1(EPOLL_CLOEXEC);
    sink->lane.scratch = mem_buffer(SCRATCH_BYTES);
    sink->lane.zeros = mem_new(1, SCRATCH_BYTES);
    if (sink->lane.epoll < 0 || pthread_create(&thread, NULL, run_lane, sink) != 0)
        die("cannot start a thread");
    pthread_detach(thread);
}

/* ---- all of it ---- */

static int listen_on(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(*port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("cannot listen");
    *port = ntohs(address.sin_port);
    return fd;
}

static SSL_CTX *load_tls(const struct options *o)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

    if (tls == NULL || SSL_CTX_use_certificate_chain_file(tls, o->certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, o->key, SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "sink: cannot use %s and %s\n", o->certificate, o->key);
        exit(1);
    }
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    return tls;
}

/* Appears whole. */
static void write_port(const char *file, uint16_t port)
{
    struct text half = {0};
    FILE *out;

    text_add_format(&half, "%s.half", file);
    out = fopen(text_string(&half), "w");
    if (out == NULL || fprintf(out, "%u\n", port) < 0 || fclose(out) != 0 ||
        rename(text_string(&half), file) != 0)
        die(file);
    text_free(&half);
}

static void print_counts(const struct counts *c)
{
    printf("{\"requests\": {\"GET\": %llu, \"HEAD\": %llu, \"PUT\": %llu, "
           "\"POST\": %llu, \"DELETE\": %llu, \"other\": %llu}, \"bytes_in\": %llu, "
           "\"bytes_out\": %llu, \"connections\": %llu, \"most_at_once\": %llu}\n",
           (unsigned long long)c->get, (unsigned long long)c->head,
           (unsigned long long)c->put, (unsigned long long)c->post,
           (unsigned long long)c->delete, (unsigned long long)c->other,
           (unsigned long long)c->bytes_in, (unsigned long long)c->bytes_out,
           (unsigned long long)c->connections, (unsigned long long)c->most_open);
    fflush(stdout);
}

static void allow_many_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct verbs verbs = {.bucket = bucket_new(), .secret = "sinksecret"};
    struct options o = {.threads = 1};
    struct counts counts = {0};
    struct sink model = {0};
    sigset_t ending;
    int number_of_signal;

    (void)argc;
    read_options(argv, &o, &verbs);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ending, NULL);
    allow_many_files();
    model.listener = listen_on(&o.port);
    if (o.certificate != NULL)
        model.tls = load_tls(&o);
    model.lane =
        (struct lane){.verbs = &verbs, .counts = &counts, .latency_ms = o.latency_ms};
    for (uint64_t i = 0; i < o.threads; i++)
        start_lane(&model);
    if (o.port_file != NULL)
        write_port(o.port_file, o.port);
    sigwait(&ending, &number_of_signal);
    if (o.log_counts)
        print_counts(&counts);
    _exit(0); /* threads and connections end with the process */
}
