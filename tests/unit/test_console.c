/*
 * What people and scripts see, read back from a pseudo terminal, pipes and files.  A
 * small terminal is played here: it follows the cursor and notes any character that
 * would land beyond the last column, any move above the first row.
 *
 * Nothing sleeps: the console's clock is the loop's, which the test turns by hand.
 */
#include "agent/console.h"

#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include <cmocka.h>

#include "agent/display.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

static const int64_t noon_ms = INT64_C(1795353360123);

/* ---- events ---- */

static struct event progress_event(uint64_t done, enum progress_state state)
{
    struct event e = {.kind = EVENT_PROGRESS, .time_ms = noon_ms};

    e.progress = (struct event_progress){.files_done = done,
                                         .files_total = 54321,
                                         .bytes_done = done << 20,
                                         .bytes_total = UINT64_C(54321) << 20,
                                         .bytes_sent = done << 20,
                                         .rate = 36175872,
                                         .eta_s = 80,
                                         .retries = 3,
                                         .connections = 16,
                                         .state = state,
                                         .scan_done = true};
    return e;
}

static struct event session_event(void)
{
    struct event e = {.kind = EVENT_SESSION, .time_ms = noon_ms};

    e.session = (struct event_session){.name = "imagenet",
                                       .version = 3,
                                       .cluster = "local",
                                       .source = "/data/imagenet",
                                       .session_id = "0123"};
    return e;
}

static struct event published_event(void)
{
    struct event e = {.kind = EVENT_PUBLISHED, .time_ms = noon_ms};

    e.published = (struct event_published){.name = "imagenet",
                                           .version = 3,
                                           .cluster = "local",
                                           .url = "file:///store/imagenet/v3/",
                                           .files = 12345,
                                           .bytes = 3 << 20,
                                           .bytes_sent = 1 << 20,
                                           .bytes_copied = 2 << 20,
                                           .root = "sha256:00",
                                           .seconds = 200};
    return e;
}

static struct event warning_event(const char *path)
{
    struct event e = {.kind = EVENT_WARNING, .time_ms = noon_ms};

    e.warning = (struct event_warning){
        .path = path, .kind = "special", .message = "a pipe: left out"};
    return e;
}

static struct event stopped_event(void)
{
    struct event e = {.kind = EVENT_STOPPED, .time_ms = noon_ms};

    e.stopped = (struct event_stopped){.resumable = true,
                                       .exit_code = 130,
                                       .reason = "interrupted",
                                       .resume_command =
                                           "grid datastore create /data/imagenet"};
    return e;
}

/* ---- a clock that is turned by hand ---- */

struct bench {
    struct loop loop;
    struct console *console;
};

static void turn_clock(struct bench *b, uint64_t ms)
{
    /* uv_now() is the loop's cached time: nothing else moves it here. */
    b->loop.uv.time += ms;
}

static void open_bench(struct bench *b, struct console_options options)
{
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(loop_open(&b->loop), 0);
    options.loop = &b->loop;
    b->console = console_open(&options);
}

static void close_bench(struct bench *b)
{
    console_close(b->console);
    loop_close(&b->loop);
}

/* ---- somebody who reads, on a thread ---- */

struct reader {
    int fd;
    uv_thread_t thread;
    struct text bytes;
};

static void read_all(void *arg)
{
    struct reader *r = arg;
    char bytes[4096];
    ssize_t n;

    while ((n = read(r->fd, bytes, sizeof bytes)) > 0)
        text_add_bytes(&r->bytes, bytes, (size_t)n);
    close(r->fd); /* EIO: the other side of the terminal was closed */
}

static void reader_start(struct reader *r, int fd)
{
    memset(r, 0, sizeof *r);
    r->fd = fd;
    assert_int_equal(uv_thread_create(&r->thread, read_all, r), 0);
}

static const char *reader_end(struct reader *r)
{
    uv_thread_join(&r->thread);
    return text_string(&r->bytes);
}

static unsigned count(const char *text, const char *word)
{
    unsigned n = 0;

    for (const char *p = text; (p = strstr(p, word)) != NULL; p += strlen(word))
        n++;
    return n;
}

/* ---- pipes: plain lines and JSON ---- */

struct pipes {
    struct bench bench;
    int out[2], err[2];
    struct reader out_reader, err_reader;
};

static void open_pipes(struct pipes *p, struct console_options options)
{
    memset(p, 0, sizeof *p);
    assert_int_equal(pipe(p->out), 0);
    assert_int_equal(pipe(p->err), 0);
    reader_start(&p->out_reader, p->out[0]);
    reader_start(&p->err_reader, p->err[0]);
    options.out = p->out[1];
    options.err = p->err[1];
    open_bench(&p->bench, options);
}

static void close_pipes(struct pipes *p)
{
    close_bench(&p->bench);
    close(p->out[1]);
    close(p->err[1]);
    reader_end(&p->out_reader);
    reader_end(&p->err_reader);
}

static void free_pipes(struct pipes *p)
{
    text_free(&p->out_reader.bytes);
    text_free(&p->err_reader.bytes);
}

static void tell(struct pipes *p, struct event e)
{
    console_event(p->bench.console, &e);
}

/* A minute of progress, ten times a second, with an outage from second 33 to 40. */
static void send_a_minute(struct pipes *p)
{
    for (unsigned i = 0; i < 600; i++) {
        struct event e = progress_event(i, STATE_UPLOADING);

        if (i >= 330 && i < 400) {
            e.progress.state = STATE_WAITING_NETWORK;
            e.progress.waiting_for = "connection refused";
        }
        tell(p, e);
        turn_clock(&p->bench, 100);
    }
}

static void plain_lines_come_seldom(void **state)
{
    struct pipes p;
    const char *err;

    (void)state;
    open_pipes(&p, (struct console_options){0});
    tell(&p, session_event());
    send_a_minute(&p);
    tell(&p, warning_event("a\npipe\x1b[2J"));
    tell(&p, published_event());
    close_pipes(&p);
    err = text_string(&p.err_reader.bytes);
    assert_non_null(
        strstr(err, "Uploading /data/imagenet as imagenet:3 to cluster local"));
    /* At 0, 10, 20, 30 s; at each change of state, 33 and 40 s; at 50 s. */
    assert_int_equal(count(err, "2026-11-22T13:16:00Z "), 7);
    assert_int_equal(count(err, "waiting for the network: connection refused"), 1);
    assert_non_null(strstr(err, "uploading: 0 %, "));
    assert_non_null(
        strstr(err, " 34.5 MiB/s, ETA 1 min 20 s, 0 of 54,321 files, 3 retries"));
    assert_non_null(strstr(err, "warning: a\\npipe\\x1b[2J: a pipe: left out\n"));
    assert_null(strchr(err, '\x1b'));
    assert_string_equal(text_string(&p.out_reader.bytes),
                        "Published imagenet:3\n"
                        "  files  12,345\n"
                        "  size   3 MiB (1 MiB sent, 2 MiB copied inside the store)\n"
                        "  time   3 min 20 s (5.1 KiB/s)\n"
                        "  url    file:///store/imagenet/v3/\n");
    free_pipes(&p);
}

static void json_comes_once_a_second(void **state)
{
    struct pipes p;
    const char *out;

    (void)state;
    open_pipes(&p, (struct console_options){.mode = CONSOLE_JSON});
    tell(&p, session_event());
    for (unsigned i = 0; i < 30; i++) { /* the reader is quick: the queue is empty */
        tell(&p, progress_event(i, STATE_UPLOADING));
        turn_clock(&p.bench, 100);
    }
    tell(&p, stopped_event());
    close_pipes(&p);
    out = text_string(&p.out_reader.bytes);
    assert_int_equal(count(out, "\"event\":\"session\""), 1);
    assert_int_equal(count(out, "\"event\":\"progress\""), 3);
    assert_int_equal(count(out, "\"event\":\"stopped\""), 1);
    assert_int_equal(count(out, "\n"), 5);
    assert_string_equal(text_string(&p.err_reader.bytes),
                        "stopped: interrupted\nNothing is lost. To resume:\n"
                        "  grid datastore create /data/imagenet\n");
    free_pipes(&p);
}

static void quiet_says_the_result_and_errors(void **state)
{
    struct pipes p;
    struct event e = {.kind = EVENT_ERROR, .time_ms = noon_ms};

    (void)state;
    open_pipes(&p, (struct console_options){.quiet = true});
    tell(&p, session_event());
    send_a_minute(&p);
    tell(&p, warning_event("x"));
    e.error = (struct event_error){
        .kind = "auth", .message = "refused", .hint = "log in\nor do not"};
    tell(&p, e);
    tell(&p, published_event());
    close_pipes(&p);
    assert_string_equal(text_string(&p.err_reader.bytes),
                        "error: refused\n  log in\n  or do not\n");
    assert_string_equal(text_string(&p.out_reader.bytes),
                        "imagenet:3 file:///store/imagenet/v3/\n");
    free_pipes(&p);
}

/* An error that ends it all is said once, not again as the reason. */
static void an_error_is_said_once(void **state)
{
    struct pipes p;
    struct event e = {.kind = EVENT_ERROR, .time_ms = noon_ms};

    (void)state;
    open_pipes(&p, (struct console_options){0});
    e.error = (struct event_error){.kind = "full", .message = "no space left"};
    tell(&p, e);
    e = stopped_event();
    e.stopped.reason = "no space left";
    tell(&p, e);
    close_pipes(&p);
    assert_string_equal(text_string(&p.err_reader.bytes),
                        "error: no space left\nNothing is lost. To resume:\n"
                        "  grid datastore create /data/imagenet\n");
    free_pipes(&p);
}

/* There is nothing that could be lost, or be resumed. */
static void nothing_was_stored_yet(void **state)
{
    struct pipes p;
    struct event e = stopped_event();

    (void)state;
    open_pipes(&p, (struct console_options){0});
    e.stopped.is_nothing_stored = true;
    tell(&p, e);
    close_pipes(&p);
    assert_string_equal(text_string(&p.err_reader.bytes),
                        "stopped: interrupted\nNothing was stored yet. To try again:\n"
                        "  grid datastore create /data/imagenet\n");
    free_pipes(&p);
}

static void unknown_totals_are_not_invented(void **state)
{
    struct pipes p;
    struct event e = progress_event(0, STATE_SCANNING);
    const char *err;

    (void)state;
    open_pipes(&p, (struct console_options){0});
    e.progress.files_total = 12345;
    e.progress.scan_done = false;
    e.progress.eta_s = 5; /* even if somebody says so */
    tell(&p, e);
    console_show_now(p.bench.console);
    close_pipes(&p);
    err = text_string(&p.err_reader.bytes);
    assert_int_equal(count(err, "scanning: 12,345 files so far"), 2);
    assert_null(strchr(err, '%'));
    assert_null(strstr(err, "ETA"));
    free_pipes(&p);
}

/* Log lines from any thread come out whole, and only with --verbose. */
static void log_lines_come_through(void **state)
{
    struct pipes p;

    (void)state;
    open_pipes(&p, (struct console_options){.verbose = true});
    log_open(console_log_fd(p.bench.console), LOG_INFO);
    log_line(LOG_INFO, LOG_SESSION, "stored %s", "a\x1b[2J");
    log_open(-1, LOG_NOTHING);
    close_pipes(&p);
    assert_non_null(strstr(text_string(&p.err_reader.bytes), "stored a\\x1b[2J\n"));
    free_pipes(&p);
}

/* ---- the log file ---- */

static void the_log_has_it_all(void **state)
{
    char name[] = "/tmp/test_console.XXXXXX";
    char bytes[4096];
    int fd = mkstemp(name);
    struct pipes p;
    ssize_t n;

    (void)state;
    assert_true(fd >= 0);
    unlink(name);
    open_pipes(&p, (struct console_options){.quiet = true, .log_file = name});
    tell(&p, session_event());
    send_a_minute(&p);
    tell(&p, warning_event("x"));
    tell(&p, published_event());
    close_pipes(&p);
    free_pipes(&p);
    close(fd);
    fd = open(name, O_RDONLY);
    assert_true(fd >= 0);
    n = read(fd, bytes, sizeof bytes - 1);
    assert_true(n > 0);
    bytes[n] = '\0';
    assert_int_equal(count(bytes, "\"event\":\"progress\""), 6);
    assert_int_equal(count(bytes, "\"event\":\"warning\""), 1);
    assert_int_equal(count(bytes, "\"event\":\"published\""), 1);
    close(fd);
    unlink(name);
}

/* ---- a reader who does not read ---- */

/* Until the writer has filled the pipe, so that from then on nothing is taken. */
static void fill(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    char bytes[4096];

    memset(bytes, ' ', sizeof bytes);
    while (poll(&p, 1, 0) > 0 && (p.revents & POLLOUT) != 0)
        assert_true(write(fd, bytes, sizeof bytes) > 0);
}

static void an_unread_stdout_blocks_nothing(void **state)
{
    struct bench b;
    struct reader reader;
    const char *seen;
    int out[2], nowhere = open("/dev/null", O_WRONLY);
    uint64_t before = uv_hrtime();

    (void)state;
    assert_int_equal(pipe(out), 0);
    fill(out[1]);
    open_bench(&b, (struct console_options){
                       .mode = CONSOLE_JSON, .out = out[1], .err = nowhere});
    for (unsigned i = 0; i < 100000; i++) {
        struct event progress = progress_event(i, STATE_UPLOADING);
        struct event warning = warning_event("some/path");

        turn_clock(&b, 1000);
        console_event(b.console, &progress);
        console_event(b.console, &warning);
    }
    assert_true(uv_hrtime() - before < UINT64_C(30000000000)); /* with sanitizers */
    {
        struct event last = published_event();

        console_event(b.console, &last);
    }
    reader_start(&reader, out[0]); /* now somebody reads */
    close_bench(&b);
    close(out[1]);
    close(nowhere);
    seen = reader_end(&reader);
    assert_true(reader.bytes.size < 1 << 20); /* the queue is bounded */
    assert_true(count(seen, "\"event\":\"progress\"") < 100);
    assert_int_equal(count(seen, "\"event\":\"published\""), 1);
    assert_int_equal(count(seen, "\"kind\":\"not_shown\""), 1);
    assert_int_equal(count(seen, "\"message\":\"9"), 1); /* 9x,xxx of 100,000 */
    text_free(&reader.bytes);
}

static void a_reader_who_never_reads_is_left(void **state)
{
    struct bench b;
    int out[2], nowhere = open("/dev/null", O_WRONLY);
    struct event last = published_event();
    uint64_t before = uv_hrtime();

    (void)state;
    assert_int_equal(pipe(out), 0);
    fill(out[1]);
    open_bench(&b, (struct console_options){
                       .mode = CONSOLE_JSON, .out = out[1], .err = nowhere});
    console_event(b.console, &last);
    close_bench(&b);
    assert_true(uv_hrtime() - before < UINT64_C(4000000000));
    close(out[0]);
    close(out[1]);
    close(nowhere);
}

static void a_reader_who_left_ends_nothing(void **state)
{
    struct bench b;
    int out[2];
    struct event last = published_event();

    (void)state;
    assert_int_equal(pipe(out), 0);
    close(out[0]);
    open_bench(&b, (struct console_options){
                       .mode = CONSOLE_JSON, .out = out[1], .err = out[1]});
    for (unsigned i = 0; i < 100; i++)
        console_event(b.console, &last);
    close_bench(&b);
    close(out[1]);
}

/* `grid ... >all 2>&1`: the result comes after what was said before it. */
static void one_file_for_both_keeps_the_order(void **state)
{
    struct bench b;
    struct reader reader;
    const char *seen;
    int both[2], second;
    struct event e = warning_event("path");

    (void)state;
    assert_int_equal(pipe(both), 0);
    second = dup(both[1]);
    fill(both[1]);
    open_bench(&b, (struct console_options){.out = both[1], .err = second});
    for (unsigned i = 0; i < 1000; i++)
        console_event(b.console, &e);
    e = published_event();
    console_event(b.console, &e);
    reader_start(&reader, both[0]);
    close_bench(&b);
    close(both[1]);
    close(second);
    seen = reader_end(&reader);
    assert_int_equal(count(seen, "warning: path"), 1000);
    assert_null(strstr(strstr(seen, "Published"), "warning"));
    text_free(&reader.bytes);
}

/* ---- a terminal ---- */

struct screen {
    unsigned columns, rows;
    unsigned x, y, used; /* used: rows that were written to since the top */
    unsigned widest;
    bool has_overrun; /* beyond the last column, or above the first row */
};

static void screen_escape(struct screen *s, const char **p)
{
    unsigned n = 0;

    assert_int_equal(**p, '[');
    for ((*p)++; **p >= '0' && **p <= '9'; (*p)++)
        n = 10 * n + (unsigned)(**p - '0');
    switch (**p) {
    case 'A':
        s->has_overrun |= n > s->y;
        s->y -= n > s->y ? s->y : n;
        break;
    case 'J':
    case 'K':
    case 'm':
        break;
    default:
        fail_msg("unknown sequence ESC[%u%c", n, **p);
    }
    (*p)++;
}

static void screen_put(struct screen *s, wchar_t c)
{
    int width = wcwidth(c);

    assert_true(width >= 0); /* no control character comes through */
    s->x += (unsigned)width;
    if (s->x > s->widest)
        s->widest = s->x;
    s->has_overrun |= s->x >= s->columns; /* the last column is left free */
}

static void screen_show(struct screen *s, const char *bytes)
{
    mbstate_t mb = {0};

    for (const char *p = bytes; *p != '\0';) {
        wchar_t c;
        size_t size = mbrtowc(&c, p, strlen(p), &mb);

        assert_true(size > 0 && size <= 4);
        p += size;
        if (c == L'\r') {
            s->x = 0;
        } else if (c == L'\n') {
            s->y++;
            s->used = s->y > s->used ? s->y : s->used;
        } else if (c == L'\x1b') {
            screen_escape(s, &p);
        } else {
            screen_put(s, c);
        }
    }
}

static void set_window(int fd, unsigned columns, unsigned rows)
{
    struct winsize size = {.ws_col = (unsigned short)columns,
                           .ws_row = (unsigned short)rows};

    assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
}

/* NOLINTBEGIN(bugprone-suspicious-missing-comma): one long name takes two lines */
static const char *const hostile[] = {
    "short",
    "train/n01440764/a-rather-long-name-that-goes-on-and-on-and-on-for-ever/00001.tar",
    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97"
    "\xa5"
    "\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c"
    "\xac",
    "\x1b[2J\x1b[1;1H\r\n\b\x07\x9b\xff\xfe",
    "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81/\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80",
    "\xe2\x80\xae/gnp.exe\xe2\x80\xa8\xef\xbb\xbf\xc2\xad",
    "",
    "%s%n%d",
};
/* NOLINTEND(bugprone-suspicious-missing-comma) */

static void draw_all_states(struct display *d, struct text *out, unsigned seed)
{
    for (unsigned i = 0; i < 6; i++) {
        struct event e = progress_event(i == 5 ? 54321 : i * 10000, STATE_UPLOADING);

        e.progress.state = (enum progress_state)(i % 5);
        e.progress.scan_done = i >= 2;
        if (i == 2 || i == 3)
            e.progress.waiting_for = hostile[(seed + i) % 8];
        e.progress.n_files = (seed + i) % 9;
        for (unsigned k = 0; k < e.progress.n_files; k++) {
            e.progress.files[k].path = hostile[(seed + k) % 8];
            e.progress.files[k].done = k;
            e.progress.files[k].size = 7;
        }
        display_draw(d, out, &e.progress);
        if ((seed + i) % 4 == 0)
            display_erase(d, out);
    }
}

/* Every window from 1 x 1 up, every state, names as bad as can be. */
static void fits_every_window(void **state)
{
    struct terminal terminal;
    int master, slave;

    (void)state;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    for (unsigned columns = 1; columns <= 220; columns += columns < 100 ? 1 : 30) {
        for (unsigned rows = 1; rows <= 24; rows += rows < 8 ? 1 : 16) {
            struct screen s = {.columns = columns > 1 ? columns : 2, .rows = rows};
            struct display d;
            struct text out = {0};

            set_window(slave, columns, rows);
            terminal_open(&terminal, slave);
            terminal.has_color = true;
            display_init(&d, &terminal);
            display_set_title(&d, "imagenet:3");
            draw_all_states(&d, &out, columns + rows);
            screen_show(&s, text_string(&out));
            if (s.has_overrun || s.used > rows - 1)
                fail_msg("%u x %u: %u wide, %u rows", columns, rows, s.widest, s.used);
            text_free(&out);
            display_free(&d);
            terminal_close(&terminal);
        }
    }
    close(slave);
    close(master);
}

/* Shortened names are as wide as asked for, or less where a wide character does not
 * fit. */
static void shortens_names(void **state)
{
    struct cells cells;

    (void)state;
    cells_open(&cells, true);
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned width = 0; width < 90; width++) {
            struct text whole = {0}, out = {0};
            unsigned all, got;

            cells_add(&cells, &whole, hostile[i]);
            all = cells_width(&cells, text_string(&whole));
            cells_add_fitted(&cells, &out, hostile[i], width);
            got = cells_width(&cells, text_string(&out));
            assert_true(got <= width);
            assert_true(got + 2 >= (all < width ? all : width));
            if (all <= width)
                assert_string_equal(text_string(&out), text_string(&whole));
            text_free(&whole);
            text_free(&out);
        }
    }
    cells_close(&cells);
}

/* The terminal folds what stands there when its window narrows: it is all drawn over.
 */
static void draws_over_folded_lines(void **state)
{
    struct event e = progress_event(10000, STATE_UPLOADING);
    struct terminal terminal;
    struct display d;
    struct text out = {0};
    char up[16];
    unsigned folded = 0;
    int master, slave;

    (void)state;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    set_window(slave, 100, 40);
    terminal_open(&terminal, slave);
    terminal.has_color = false;
    display_init(&d, &terminal);
    e.progress.files[0].path = hostile[1];
    e.progress.n_files = 1;
    display_draw(&d, &out, &e.progress);
    for (char *p = out.data, *end; (end = strstr(p, "\033[K")) != NULL; p = end + 5) {
        *end = '\0';
        folded += (cells_width(&terminal.cells, p + strspn(p, "\r\n")) + 29) / 30;
    }
    assert_true(folded > 4);
    text_clear(&out);
    set_window(slave, 30, 40);
    display_draw(&d, &out, &e.progress);
    snprintf(up, sizeof up, "\r\033[%uA\033[J", folded);
    assert_int_equal(strncmp(text_string(&out), up, strlen(up)), 0);
    text_free(&out);
    display_free(&d);
    terminal_close(&terminal);
    close(slave);
    close(master);
}

/* The number in the last "go up so many rows". */
static unsigned last_rows_up(const char *seen)
{
    unsigned rows = 0;

    for (const char *p = seen; (p = strchr(p, '\x1b')) != NULL; p++) {
        char *end;
        unsigned long n = strtoul(p + 2, &end, 10);

        if (p[1] == '[' && *end == 'A')
            rows = (unsigned)n;
    }
    return rows;
}

/* Frames that a stopped terminal (^S) did not take leave no trace when it goes on: what
 * is taken off in the end is what was drawn last. */
static void a_stopped_terminal_stays_whole(void **state)
{
    struct bench b;
    struct reader reader;
    const char *seen, *last = NULL;
    int master, slave;

    (void)state;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    set_window(slave, 80, 24);
    open_bench(&b, (struct console_options){.out = slave, .err = slave});
    for (unsigned i = 0; i < 5000; i++) {
        struct event e = progress_event(i, STATE_UPLOADING);

        e.progress.n_files = i < 4000 ? 1 : 8;
        for (unsigned k = 0; k < e.progress.n_files; k++)
            e.progress.files[k].path = hostile[k];
        console_event(b.console, &e);
        e = warning_event("path");
        console_event(b.console, &e);
        turn_clock(&b, 200);
    }
    reader_start(&reader, master);
    close_bench(&b);
    close(slave);
    seen = reader_end(&reader);
    for (const char *p = seen; (p = strstr(p, ": a pipe: left out")) != NULL; p++)
        last = p;
    assert_non_null(last);
    assert_int_equal(last_rows_up(seen), count(last, "\033[K"));
    assert_int_equal(count(last, "more lines like these were not shown"), 1);
    assert_null(strstr(strstr(last, "more lines"), "\033[J")); /* and that line stays */
    text_free(&reader.bytes);
}

/* Messages are folded at blanks; what is longer than a line is cut. */
static void folds_messages(void **state)
{
    struct cells cells;
    struct text out = {0};

    (void)state;
    cells_open(&cells, true);
    cells_add_folded(&cells, &out,
                     "\033[33mwarning:\033[0m a named pipe: left out\nx\n", 20);
    assert_string_equal(text_string(&out),
                        "\033[33mwarning:\033[0m a named\n  pipe: left out\nx\n");
    text_clear(&out);
    cells_add_folded(&cells, &out, "a 123456789012345 b\n", 10);
    assert_string_equal(text_string(&out), "a\n  12345678\n  9012345\n  b\n");
    text_clear(&out);
    cells_add_folded(&cells, &out, "  \xe6\x97\xa5\xe6\x9c\xac\n", 3); /* wide ones */
    assert_string_equal(text_string(&out), " \n\xe6\x97\xa5\n\xe6\x9c\xac\n");
    text_clear(&out);
    cells_add_folded(&cells, &out, "\xe6\x97\xa5", 1); /* impossible: but it ends */
    text_free(&out);
    cells_close(&cells);
}

/* The whole way: console, thread, terminal; the window shrinks meanwhile. */
static void draws_on_a_terminal(void **state)
{
    struct bench b;
    struct reader reader;
    struct screen s = {.columns = 41, .rows = 24}; /* lines of words may be 40 wide */
    const char *seen, *result;
    char *display;
    int master, slave;
    struct event e;

    (void)state;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    set_window(slave, 40, 24);
    reader_start(&reader, master);
    open_bench(&b, (struct console_options){.out = slave, .err = slave});
    e = session_event();
    console_event(b.console, &e);
    for (unsigned i = 0; i < 50; i++) {
        e = progress_event(i * 1000, STATE_UPLOADING);
        e.progress.n_files = 8;
        for (unsigned k = 0; k < 8; k++)
            e.progress.files[k].path = hostile[k];
        console_event(b.console, &e);
        turn_clock(&b, 200);
        if (i == 20) {
            e = warning_event("w");
            console_event(b.console, &e);
        }
    }
    e = published_event();
    console_event(b.console, &e);
    close_bench(&b);
    close(slave);
    seen = reader_end(&reader);
    result = strstr(seen, "\033[32mPublished");
    assert_non_null(result);
    display = mem_copy_bytes(seen, (size_t)(result - seen));
    screen_show(&s, display);
    free(display);
    assert_false(s.has_overrun);
    assert_non_null(strstr(seen, "imagenet:3: uploading"));
    assert_non_null(strstr(seen, "file:///store/imagenet/v3/"));
    /* The result comes after the display was taken away, and stays. */
    assert_null(strstr(result, "\033[J"));
    text_free(&reader.bytes);
}

/* TERM=dumb: no sequence at all. */
static void dumb_terminals_get_plain_lines(void **state)
{
    struct bench b;
    struct reader reader;
    const char *seen;
    int master, slave;
    struct event e = progress_event(5, STATE_UPLOADING);

    (void)state;
    setenv("TERM", "dumb", 1);
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    reader_start(&reader, master);
    open_bench(&b, (struct console_options){.out = slave, .err = slave});
    console_event(b.console, &e);
    e = published_event();
    console_event(b.console, &e);
    close_bench(&b);
    close(slave);
    seen = reader_end(&reader);
    assert_null(strchr(seen, '\x1b'));
    assert_int_equal(count(seen, "uploading: "), 1);
    assert_int_equal(count(seen, "Published"), 1);
    text_free(&reader.bytes);
    setenv("TERM", "xterm", 1);
}

/* The terminal goes away: the upload does not notice. */
static void a_lost_terminal_ends_nothing(void **state)
{
    struct bench b;
    int master, slave;

    (void)state;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    open_bench(&b, (struct console_options){.out = slave, .err = slave});
    close(master);
    for (unsigned i = 0; i < 100; i++) {
        struct event e = progress_event(i, STATE_UPLOADING);

        console_event(b.console, &e);
        turn_clock(&b, 200);
        if (i == 50)
            console_detach(b.console);
    }
    close_bench(&b);
    close(slave);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lines_come_seldom),
        cmocka_unit_test(json_comes_once_a_second),
        cmocka_unit_test(quiet_says_the_result_and_errors),
        cmocka_unit_test(an_error_is_said_once),
        cmocka_unit_test(nothing_was_stored_yet),
        cmocka_unit_test(unknown_totals_are_not_invented),
        cmocka_unit_test(log_lines_come_through),
        cmocka_unit_test(the_log_has_it_all),
        cmocka_unit_test(an_unread_stdout_blocks_nothing),
        cmocka_unit_test(a_reader_who_never_reads_is_left),
        cmocka_unit_test(a_reader_who_left_ends_nothing),
        cmocka_unit_test(one_file_for_both_keeps_the_order),
        cmocka_unit_test(fits_every_window),
        cmocka_unit_test(shortens_names),
        cmocka_unit_test(draws_over_folded_lines),
        cmocka_unit_test(a_stopped_terminal_stays_whole),
        cmocka_unit_test(folds_messages),
        cmocka_unit_test(draws_on_a_terminal),
        cmocka_unit_test(dumb_terminals_get_plain_lines),
        cmocka_unit_test(a_lost_terminal_ends_nothing),
    };

    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    unsetenv("NO_COLOR");
    setlocale(LC_CTYPE, "C.UTF-8"); /* for the terminal that is played here */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
