/* Which function answers which request. */
#include <string.h>

#include "agent/ui/answer_json.h"
#include "agent/ui/ui.h"
#include "base/span.h"

static const struct api_route *find(const struct exchange *x, bool *is_known)
{
    static const struct api_route *const parts[] = {api_lookups, api_sessions,
                                                    api_clusters};

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        for (const struct api_route *r = parts[i]; r->path != NULL; r++) {
            if (strcmp(r->path, x->path) != 0)
                continue;
            *is_known = true;
            if (strcmp(r->method, x->method) == 0)
                return r;
        }
    return NULL;
}

void api_begin(struct ui *ui, struct exchange *x)
{
    if (strcmp(x->path, api_drop_answer) == 0 && strcmp(x->method, "POST") == 0)
        drops_begin_answer(ui->drops, x);
}

void api_answer(struct ui *ui, struct exchange *x)
{
    bool is_known = false;
    const struct api_route *route = find(x, &is_known);

    if (route != NULL)
        route->answer(ui, x);
    else if (is_known)
        answer_refusal(x, 405, "not with this method");
    else
        answer_refusal(x, 404, "there is no such thing");
}
