/* By hand, since json_line.h knows no arrays. */
#include "agent/session_json.h"

#include <string.h>

#include "agent/agent.h"
#include "agent/exit_code.h"
#include "agent/json_line.h"

bool session_json_goes_on(const struct session_status *s)
{
    return session_status_is_alive(s) ||
           session_status_is_elsewhere(s, agent_clock_ms());
}

const char *session_json_state(const struct session_status *s)
{
    if (session_json_goes_on(s))
        return s->state;
    if (strcmp(s->state, "published") == 0)
        return "succeeded";
    return s->exit_code == EXIT_FAILED || s->exit_code == EXIT_REFUSED ? "failed"
                                                                       : "interrupted";
}

static void add_files(struct text *line, const struct session_status *s)
{
    text_add(line, ",\"files\":[");
    for (unsigned i = 0; i < s->n_files; i++) {
        struct text file = {0};

        json_line_begin(&file);
        json_line_string(&file, "path", s->files[i].path);
        json_line_u64(&file, "done", s->files[i].done);
        json_line_u64(&file, "size", s->files[i].size);
        json_line_end(&file);
        text_add(line, i > 0 ? "," : "");
        text_add_bytes(line, file.data, file.size - 1); /* without the end of line */
        text_free(&file);
    }
    text_add(line, "]");
}

static void add_figures(struct text *line, const struct session_status *s)
{
    json_line_u64(line, "files_done", s->files_done);
    json_line_u64(line, "files_total", s->files_total);
    json_line_u64(line, "bytes_done", s->bytes_done);
    json_line_u64(line, "bytes_total", s->bytes_total);
    json_line_u64(line, "bytes_sent", s->bytes_sent);
    json_line_u64(line, "bytes_in_flight",
                  session_json_goes_on(s) ? s->bytes_in_flight : 0);
    json_line_u64(line, "rate", s->rate);
    json_line_i64(line, "eta_s", s->eta_s);
    json_line_u64(line, "retries", s->retries);
    json_line_u64(line, "connections", s->connections);
    json_line_u64(line, "limit", s->limit);
    json_line_bool(line, "scan_done", s->scan_done);
}

void session_json_add(struct text *out, const struct session_status *s)
{
    struct text line = {0};

    json_line_begin(&line);
    json_line_string(&line, "name", s->name);
    json_line_u64(&line, "version", s->version);
    json_line_string(&line, "cluster", s->cluster);
    json_line_string(&line, "store", s->store);
    json_line_string(&line, "state", session_json_state(s));
    json_line_path(&line, "source", s->source);
    json_line_string(&line, "session_id", s->session);
    json_line_string(&line, "host", s->host);
    json_line_u64(&line, "pid", (uint64_t)s->pid);
    add_figures(&line, s);
    add_files(&line, s);
    json_line_time(&line, "started", s->started_ms);
    json_line_time(&line, "updated", s->updated_ms);
    json_line_string(&line, "reason", s->reason);
    json_line_bool(&line, "refused", s->is_refusal);
    json_line_path(&line, "log", s->log);
    json_line_bool(&line, "running", session_json_goes_on(s));
    json_line_i64(&line, "exit_code", s->exit_code);
    json_line_end(&line);
    text_add_bytes(out, line.data, line.size);
    text_free(&line);
}
