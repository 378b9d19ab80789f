/* Of people's lines the second column is as wide as the longest name of a check. */
#include "agent/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/exit_code.h"
#include "agent/json_line.h"
#include "agent/terminal.h"
#include "base/text.h"

enum { NAME_WIDTH = 12 };

static const struct {
    const char *word;
    enum color color;
} findings[] = {
    [FINDING_OK] = {"ok", COLOR_GREEN},
    [FINDING_NOTE] = {"note", COLOR_YELLOW},
    [FINDING_FAILS] = {"fails", COLOR_RED},
};

static void add_json(struct text *out, const char *check, enum finding finding,
                     const char *message, const char *hint)
{
    json_line_begin(out);
    json_line_string(out, "check", check);
    json_line_string(out, "result", findings[finding].word);
    json_line_string(out, "message", message);
    json_line_string(out, "hint", hint);
    json_line_end(out);
}

static void add_words(struct text *out, const char *check, enum finding finding,
                      const char *message, const char *hint)
{
    enum color color = findings[finding].color;
    struct terminal terminal;

    terminal_open(&terminal, STDOUT_FILENO);
    text_add_format(out, "%s%-5s%s  %-*s  ", terminal_color_on(&terminal, color),
                    findings[finding].word, terminal_color_off(&terminal, color),
                    NAME_WIDTH, check);
    text_add_printable(out, message, strlen(message));
    text_add(out, "\n");
    if (hint != NULL) {
        text_add_format(out, "%*s", 5 + 2 + NAME_WIDTH + 4, "");
        text_add_printable(out, hint, strlen(hint));
        text_add(out, "\n");
    }
    terminal_close(&terminal);
}

void doctor_tell(struct doctor *d, const char *check, enum finding finding,
                 const char *message, const char *hint)
{
    struct text out = {0};

    d->n_failed += finding == FINDING_FAILS;
    if (d->c->options->json)
        add_json(&out, check, finding, message, hint);
    else
        add_words(&out, check, finding, message, hint);
    fputs(text_string(&out), stdout);
    fflush(stdout);
    text_free(&out);
}

static void tell_format(struct doctor *d, const char *check, enum finding finding,
                        const char *hint, const char *format, va_list args)
{
    char *message;

    if (vasprintf(&message, format, args) < 0)
        abort();
    doctor_tell(d, check, finding, message, hint);
    free(message);
}

void doctor_ok(struct doctor *d, const char *check, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell_format(d, check, FINDING_OK, NULL, format, args);
    va_end(args);
}

void doctor_note(struct doctor *d, const char *check, const char *hint,
                 const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell_format(d, check, FINDING_NOTE, hint, format, args);
    va_end(args);
}

void doctor_failed(struct doctor *d, const char *check, const struct error *err,
                   const char *hint)
{
    int code = exit_code_for(err);

    d->is_refused |= code == EXIT_REFUSED || err->kind == ERROR_EXPIRED;
    doctor_tell(d, check, FINDING_FAILS, err->text,
                hint != NULL ? hint : exit_hint_for(err));
}

void doctor_policy(struct doctor *d, const char *policy)
{
    struct text out = {0};

    if (d->c->options->json) {
        json_line_begin(&out);
        json_line_string(&out, "check", "policy");
        json_line_string(&out, "result", findings[FINDING_NOTE].word);
        json_line_string(&out, "message", "the smallest IAM policy that would do");
        json_line_string(&out, "policy", policy);
        json_line_end(&out);
    } else {
        text_add(&out, "\nThe smallest IAM policy that would do:\n\n");
        text_add(&out, policy);
    }
    fputs(text_string(&out), stdout);
    text_free(&out);
}
