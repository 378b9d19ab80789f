/* Clusters: the list, logging in, the doctor, and which is the current one. */
#include <string.h>

#include "agent/ui/answer_json.h"
#include "agent/ui/arguments.h"
#include "agent/ui/relay.h"
#include "agent/ui/ui.h"
#include "base/span.h"

static void on_changed(void *ctx, int code)
{
    struct ui *ui = ctx;

    (void)code;
    if (!ui->is_ending)
        ui_tell_changed(ui, "clusters");
}

/* It changes something: it goes on when the page is closed meanwhile. */
static void act(struct ui *ui, struct exchange *x, struct arguments *a,
                const char *input)
{
    const struct relay_options options = {.children = &ui->children,
                                          .arguments = a->words,
                                          .input = input,
                                          .is_action = true,
                                          .ended = on_changed,
                                          .ctx = ui};

    relay_start(x, &options);
    arguments_free(a);
}

static void look(struct ui *ui, struct exchange *x, struct arguments *a)
{
    const struct relay_options options = {.children = &ui->children,
                                          .arguments = a->words};

    relay_start(x, &options);
    arguments_free(a);
}

static void list(struct ui *ui, struct exchange *x)
{
    struct arguments a = {0};

    arguments_add(&a, "cluster --json");
    look(ui, x, &a);
}

static void check(struct ui *ui, struct exchange *x)
{
    const char *name = exchange_query(x, "name");
    struct arguments a = {0};

    arguments_add(&a, "cluster check --json");
    arguments_positional(&a, name != NULL ? name : "");
    look(ui, x, &a);
}

/* The secret goes through stdin alone. */
static void log_in(struct ui *ui, struct exchange *x)
{
    static const char *const options[] = {"cluster", "store",      "endpoint",
                                          "region",  "username",   "profile",
                                          "ca-file", "addressing", "sign-payload"};
    cJSON *q = question_of(x);
    struct text input = {0};
    struct arguments a = {0};

    if (q == NULL)
        return;
    arguments_add(&a, "login");
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        arguments_option(&a, options[i], question_string(q, options[i]));
    arguments_flag(&a, "key-stdin", question_string(q, "key")[0] != '\0');
    text_add_format(&input, "%s\n", question_string(q, "key"));
    act(ui, x, &a, text_string(&input));
    explicit_bzero(input.data, input.size);
    text_free(&input);
    cJSON_Delete(q);
}

static void run_on_name(struct ui *ui, struct exchange *x, const char *words,
                        bool is_option)
{
    cJSON *q = question_of(x);
    struct arguments a = {0};

    if (q == NULL)
        return;
    arguments_add(&a, words);
    if (is_option)
        arguments_option(&a, "cluster", question_string(q, "name"));
    else
        arguments_positional(&a, question_string(q, "name"));
    act(ui, x, &a, NULL);
    cJSON_Delete(q);
}

static void use(struct ui *ui, struct exchange *x)
{
    run_on_name(ui, x, "user set-cluster-context", false);
}

static void log_out(struct ui *ui, struct exchange *x)
{
    run_on_name(ui, x, "logout", true);
}

static void forget(struct ui *ui, struct exchange *x)
{
    run_on_name(ui, x, "cluster delete", false);
}

const struct api_route api_clusters[] = {
    {"GET", "/api/clusters", list},
    {"GET", "/api/clusters/check", check},
    {"POST", "/api/clusters/login", log_in},
    {"POST", "/api/clusters/use", use},
    {"POST", "/api/clusters/logout", log_out},
    {"POST", "/api/clusters/forget", forget},
    {0},
};
