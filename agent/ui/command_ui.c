/*
 * `grid ui`: the server is opened, its link is printed and shown, and the loop runs
 * until somebody presses Ctrl-C.  Sessions that were begun go on after that.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/console.h"
#include "agent/exit_code.h"
#include "agent/json_line.h"
#include "agent/ui/answer_json.h"
#include "agent/ui/asset.h"
#include "agent/ui/ui.h"
#include "base/mem.h"

/* ---- requests ---- */

static enum guard_verdict judge(struct ui *ui, const struct exchange *x,
                                const char **why)
{
    const struct guard_request request = {
        .method = x->method,
        .host = exchange_header(x, "Host"),
        .origin = exchange_header(x, "Origin"),
        .fetch_site = exchange_header(x, "Sec-Fetch-Site"),
        .cookie = exchange_cookie(x, ui->guard.cookie_name),
        .token = exchange_query(x, "token"),
    };

    return guard_check(&ui->guard, &request, why);
}

static void refuse(struct exchange *x, const char *why)
{
    struct text page = {0};

    text_add_format(&page,
                    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
                    "<title>grid: not allowed</title><h1>Not allowed</h1>"
                    "<p>This page needs the link that <code>grid ui</code> prints, and "
                    "the link works once: %s.</p><p>Press Enter in the terminal where "
                    "<code>grid ui</code> runs for a new link, or start it again.</p>",
                    why);
    exchange_answer(x, 403, "text/html; charset=utf-8", page.data, page.size);
    text_free(&page);
}

/* The token is worth nothing any more, and leaves the address bar. */
static void welcome(struct ui *ui, struct exchange *x)
{
    struct text cookie = {0};

    text_add_format(&cookie, "%s=%s; Path=/; HttpOnly; SameSite=Strict",
                    ui->guard.cookie_name, ui->guard.cookie);
    exchange_answer(x, 303, "text/plain", "", 0);
    exchange_add_header(x, "Set-Cookie", text_string(&cookie));
    exchange_add_header(x, "Location", "/");
    text_free(&cookie);
}

static void on_begun(void *ctx, struct exchange *x)
{
    struct ui *ui = ctx;
    const char *why = "";

    switch (judge(ui, x, &why)) {
    case GUARD_REFUSED:
        refuse(x, why);
        break;
    case GUARD_WELCOME:
        welcome(ui, x);
        break;
    case GUARD_PASSED:
        api_begin(ui, x);
        break;
    }
}

static void answer_asset(struct exchange *x)
{
    const struct asset *a =
        asset_find(strcmp(x->path, "/") == 0 ? "/index.html" : x->path);

    if (a == NULL || strcmp(x->method, "GET") != 0)
        answer_refusal(x, a == NULL ? 404 : 405, "there is no such thing");
    else
        exchange_answer(x, 200, a->type, a->bytes, a->size);
}

static void on_complete(void *ctx, struct exchange *x)
{
    if (strncmp(x->path, "/api/", 5) == 0)
        api_answer(ctx, x);
    else
        answer_asset(x);
}

static const struct server_events server_events = {on_begun, on_complete};

/* ---- pages and sessions ---- */

void ui_tell_changed(struct ui *ui, const char *what)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "what", what);
    json_line_end(&line);
    broadcast_tell(ui->pages, "changed", text_string(&line));
    text_free(&line);
}

static void tell_page(void *ctx, const struct watched_session *s)
{
    page_tell(ctx, "session", s->json);
}

static void on_page_came(void *ctx, struct page *p)
{
    struct ui *ui = ctx;

    page_tell(p, "hello", "{}");
    session_watch_each(ui->sessions, tell_page, p);
    drops_page_came(ui->drops, p);
}

static void on_page_went(void *ctx, struct page *p)
{
    struct ui *ui = ctx;

    drops_page_went(ui->drops, p);
}

static const struct broadcast_events broadcast_events = {on_page_came, on_page_went};

static void on_session_changed(void *ctx, const struct watched_session *s)
{
    struct ui *ui = ctx;

    broadcast_tell(ui->pages, "session", s->json);
}

static void on_session_gone(void *ctx, const struct watched_session *s)
{
    struct ui *ui = ctx;

    broadcast_tell(ui->pages, "session_gone", s->json);
}

static const struct session_watch_events watch_events = {on_session_changed,
                                                         on_session_gone};

/* ---- the link ---- */

static void add_link(struct text *text, const struct ui *ui)
{
    text_add_format(text, "http://127.0.0.1:%u/?token=%s", ui->guard.port,
                    ui->guard.token);
}

static void print_link(const struct ui *ui)
{
    struct text link = {0};

    add_link(&link, ui);
    printf("%s\n", text_string(&link));
    fflush(stdout);
    text_free(&link);
}

/* On another machine than the one with the browser. */
static void say_tunnel(const struct ui *ui)
{
    const char *user = getenv("USER");
    char host[256] = "HOST";

    if (getenv("SSH_CONNECTION") == NULL)
        return;
    gethostname(host, sizeof host - 1);
    fprintf(stderr,
            "This is an SSH session: on your own machine run\n"
            "    ssh -L %u:127.0.0.1:%u %s%s%s\n"
            "and open the link there.\n",
            ui->guard.port, ui->guard.port, user != NULL ? user : "",
            user != NULL ? "@" : "", host);
}

static bool has_display(void)
{
    return getenv("SSH_CONNECTION") == NULL &&
           (getenv("DISPLAY") != NULL || getenv("WAYLAND_DISPLAY") != NULL);
}

static void on_opener_ended(uv_process_t *process, int64_t status, int signal)
{
    (void)status;
    (void)signal;
    uv_close((uv_handle_t *)process, (uv_close_cb)free);
}

/* Where there is no such program the link is there all the same. */
static void open_browser(struct ui *ui)
{
    uv_process_t *process = mem_new(1, sizeof *process);
    struct text link = {0};
    char *arguments[] = {"xdg-open", NULL, NULL};
    uv_process_options_t options = {
        .file = "xdg-open", .args = arguments, .exit_cb = on_opener_ended};

    add_link(&link, ui);
    arguments[1] = link.data;
    if (uv_spawn(&ui->loop.uv, process, &options) != 0)
        uv_close((uv_handle_t *)process, (uv_close_cb)free);
    else
        uv_unref((uv_handle_t *)process);
    text_free(&link);
}

/* ---- the terminal ---- */

struct keys {
    uv_poll_t poll;
    uv_signal_t interrupt, terminate;
    struct ui *ui;
    bool has_poll, is_over;
};

/* Enter: the old link has been used, or went to the wrong browser. */
static void on_key(uv_poll_t *poll, int status, int events)
{
    struct keys *k = poll->data;
    char bytes[256];

    (void)events;
    if (status != 0 || read(STDIN_FILENO, bytes, sizeof bytes) <= 0) {
        uv_poll_stop(poll);
        return;
    }
    agent_random_hex(k->ui->guard.token, GUARD_SECRET_BYTES);
    print_link(k->ui);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct keys *k = handle->data;

    (void)number;
    k->is_over = true;
}

static void keys_start(struct keys *k, struct ui *ui)
{
    k->ui = ui;
    uv_signal_init(&ui->loop.uv, &k->interrupt);
    uv_signal_init(&ui->loop.uv, &k->terminate);
    k->interrupt.data = k->terminate.data = k->poll.data = k;
    uv_signal_start(&k->interrupt, on_signal, SIGINT);
    uv_signal_start(&k->terminate, on_signal, SIGTERM);
    k->has_poll =
        isatty(STDIN_FILENO) && uv_poll_init(&ui->loop.uv, &k->poll, STDIN_FILENO) == 0;
    if (k->has_poll)
        uv_poll_start(&k->poll, UV_READABLE, on_key);
}

static void keys_stop(struct keys *k)
{
    uv_close((uv_handle_t *)&k->interrupt, NULL);
    uv_close((uv_handle_t *)&k->terminate, NULL);
    if (k->has_poll)
        uv_close((uv_handle_t *)&k->poll, NULL);
}

/* ---- all of it ---- */

static void make_secrets(struct ui *ui)
{
    ui->guard.port = server_port(ui->server);
    agent_random_hex(ui->guard.token, GUARD_SECRET_BYTES);
    agent_random_hex(ui->guard.cookie, GUARD_SECRET_BYTES);
    snprintf(ui->guard.cookie_name, sizeof ui->guard.cookie_name, "grid_ui_%u",
             ui->guard.port);
}

static void ui_end(struct ui *ui)
{
    ui->is_ending = true;
    session_watch_stop(ui->sessions);
    server_close(ui->server);
    drops_end(ui->drops);
    broadcast_close(ui->pages);
    children_end(&ui->children);
    uv_run(&ui->loop.uv, UV_RUN_NOWAIT); /* what is deferred */
}

static void ui_run(struct ui *ui, struct keys *k)
{
    ui->pages = broadcast_open(&ui->loop, &broadcast_events, ui);
    ui->sessions = session_watch_start(
        &ui->loop, paths_of(ui->command->paths, PATHS_SESSIONS), &watch_events, ui);
    ui->drops = drops_new(&ui->loop, &ui->children, ui->pages, ui->command->paths);
    make_secrets(ui);
    keys_start(k, ui); /* before anybody knows that it runs */
    print_link(ui);
    say_tunnel(ui);
    fprintf(stderr,
            "The link opens the page once%s.  Ctrl-C ends the page; uploads that were "
            "begun go on.\n",
            isatty(STDIN_FILENO) ? "; Enter: another link, for another browser" : "");
    if (!ui->command->options->no_open && has_display())
        open_browser(ui);
    loop_run_until(&ui->loop, &k->is_over);
    keys_stop(k);
    ui_end(ui);
}

int command_ui(const struct command_context *c)
{
    struct ui ui = {.command = c};
    struct keys keys = {0};
    struct error err;
    int status = loop_open(&ui.loop);

    if (status != 0) {
        error_set(&err, ERROR_IO, status, "cannot open the event loop: %s",
                  uv_strerror(status));
        return command_fail(c->options, &err);
    }
    ui.children.loop = &ui.loop;
    status = server_open(&ui.server, &ui.loop, (uint16_t)c->options->port,
                         &server_events, &ui, &err);
    if (status == 0)
        ui_run(&ui, &keys);
    loop_close(&ui.loop);
    return status == 0 ? EXIT_DONE : command_fail(c->options, &err);
}
