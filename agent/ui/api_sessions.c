/* Sessions: begun, stopped, resumed, slowed down, given up. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/control.h"
#include "agent/ui/answer_json.h"
#include "agent/ui/arguments.h"
#include "agent/ui/browse.h"
#include "agent/ui/errand.h"
#include "agent/ui/launch.h"
#include "agent/ui/relay.h"
#include "agent/ui/ui.h"
#include "base/mem.h"

enum { LOG_BYTES = 64 << 10 };

static void on_run_ended(void *ctx, int code, const char *error)
{
    struct ui *ui = ctx;

    (void)code;
    (void)error;
    if (!ui->is_ending)
        ui_tell_changed(ui, "datastores");
}

static void launch(struct ui *ui, struct exchange *x, struct arguments *a)
{
    const struct launch_options options = {.children = &ui->children,
                                           .arguments = a->words,
                                           .ended = on_run_ended,
                                           .ctx = ui};

    launch_start(x, &options);
    arguments_free(a);
}

/* ---- beginning ---- */

static void add_rules(struct arguments *a, const cJSON *rules, const char *option)
{
    const cJSON *rule;

    cJSON_ArrayForEach(rule, rules) if (cJSON_IsString(rule))
        arguments_option(a, option, rule->valuestring);
}

static void create(struct ui *ui, struct exchange *x)
{
    cJSON *q = question_of(x);
    struct arguments a = {0};
    char *source;

    if (q == NULL)
        return;
    source = browse_path_of(question_string(q, "source"));
    arguments_add(&a, "datastore create --json");
    arguments_option(&a, "name", question_string(q, "name"));
    arguments_option(&a, "cluster", question_string(q, "cluster"));
    arguments_option(&a, "bwlimit", question_string(q, "limit"));
    arguments_option(&a, "symlinks", question_string(q, "symlinks"));
    arguments_flag(&a, "no-copy", question_flag(q, "no_copy"));
    arguments_flag(&a, "skip-unreadable", question_flag(q, "skip_unreadable"));
    arguments_flag(&a, "fresh", question_flag(q, "fresh"));
    add_rules(&a, cJSON_GetObjectItem(q, "exclude"), "exclude");
    arguments_positional(&a, source);
    launch(ui, x, &a);
    free(source);
    cJSON_Delete(q);
}

/* ---- of files that a page has ---- */

const char api_drop_answer[] = "/api/drops/answer";

static void drop(struct ui *ui, struct exchange *x)
{
    cJSON *q = question_of(x);
    struct drop_options options;

    if (q == NULL)
        return;
    options = (struct drop_options){
        .id = question_string(q, "drop"),
        .page = question_string(q, "page"),
        .label = question_string(q, "label"),
        .name = question_string(q, "name"),
        .cluster = question_string(q, "cluster"),
        .limit = question_string(q, "limit"),
        .skip_unreadable = question_flag(q, "skip_unreadable"),
        .fresh = question_flag(q, "fresh"),
        .ended = on_run_ended,
        .ctx = ui,
    };
    if (broadcast_find(ui->pages, options.page) == NULL)
        answer_refusal(x, 409, "the page has no stream of events");
    else
        drops_start(ui->drops, x, &options);
    cJSON_Delete(q);
}

static void drop_answer(struct ui *ui, struct exchange *x)
{
    drops_end_answer(ui->drops, x);
}

/* ---- one that is there ---- */

/* The one that is asked about; NULL: there is none, and the answer has been given. */
static const struct watched_session *session_of(struct ui *ui, struct exchange *x,
                                                const char *id)
{
    const struct watched_session *s = session_watch_find(ui->sessions, id);

    if (s == NULL)
        answer_refusal(x, 404, "this session is not known here any more");
    return s;
}

static int stop_session(struct errand *e)
{
    return control_ask_stop(e->subject, &e->err);
}

static int limit_session(struct errand *e)
{
    return control_ask_limit(e->subject, e->number, &e->err);
}

static void ask(struct ui *ui, struct exchange *x, const struct watched_session *s,
                errand_fn *run, uint64_t number)
{
    const struct errand question = {.subject = s->socket, .number = number};

    if (s->is_running)
        errand_start(&ui->loop, x, &question, run, "application/json");
    else
        answer_refusal(x, 409, "it does not run");
}

static void stop(struct ui *ui, struct exchange *x)
{
    cJSON *q = question_of(x);
    const struct watched_session *s =
        q != NULL ? session_of(ui, x, question_string(q, "session")) : NULL;

    if (s != NULL)
        ask(ui, x, s, stop_session, 0);
    cJSON_Delete(q);
}

static void limit(struct ui *ui, struct exchange *x)
{
    cJSON *q = question_of(x);
    const struct watched_session *s =
        q != NULL ? session_of(ui, x, question_string(q, "session")) : NULL;
    const char *rate = q != NULL ? question_string(q, "limit") : "";
    uint64_t bytes = 0;

    if (s != NULL && rate[0] != '\0' && text_parse_size(rate, &bytes) != 0)
        answer_refusal(x, 400, "that is no rate: for example 10M, or 500K");
    else if (s != NULL)
        ask(ui, x, s, limit_session, bytes);
    cJSON_Delete(q);
}

static void start_resume(struct ui *ui, struct exchange *x,
                         const struct watched_session *s)
{
    struct arguments a = {0};

    arguments_add(&a, "datastore resume --json");
    arguments_option(&a, "cluster", s->cluster);
    arguments_positional(&a, s->name);
    arguments_positional(&a, s->source);
    launch(ui, x, &a);
}

static void resume(struct ui *ui, struct exchange *x)
{
    cJSON *q = question_of(x);
    const struct watched_session *s =
        q != NULL ? session_of(ui, x, question_string(q, "session")) : NULL;

    if (s != NULL && s->is_running)
        answer_refusal(x, 409, "it runs already");
    else if (s != NULL)
        start_resume(ui, x, s);
    cJSON_Delete(q);
}

/* ---- its log ---- */

static int read_tail(struct errand *e)
{
    int fd = open(e->subject, O_RDONLY | O_CLOEXEC);
    char *bytes = mem_buffer(LOG_BYTES);
    struct stat st = {0};
    ssize_t n = -1;

    if (fd >= 0 && fstat(fd, &st) == 0)
        n = pread(fd, bytes, LOG_BYTES,
                  st.st_size > LOG_BYTES ? st.st_size - LOG_BYTES : 0);
    if (n < 0)
        error_errno(&e->err, errno, "cannot read the log %s", e->subject);
    else
        text_add_bytes(&e->out, bytes, (size_t)n);
    if (fd >= 0)
        close(fd);
    free(bytes);
    return n < 0 ? -1 : 0;
}

static void log_tail(struct ui *ui, struct exchange *x)
{
    const char *id = exchange_query(x, "session");
    const struct watched_session *s = session_of(ui, x, id != NULL ? id : "");
    const struct errand question = {.subject = s != NULL ? s->log : NULL};

    if (s != NULL)
        errand_start(&ui->loop, x, &question, read_tail, "text/plain; charset=utf-8");
}

const struct api_route api_sessions[] = {
    {"POST", "/api/create", create},        {"POST", "/api/drops", drop},
    {"POST", api_drop_answer, drop_answer}, {"POST", "/api/sessions/stop", stop},
    {"POST", "/api/sessions/limit", limit}, {"POST", "/api/sessions/resume", resume},
    {"GET", "/api/sessions/log", log_tail}, {0},
};
