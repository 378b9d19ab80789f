#ifndef AGENT_DISPLAY_H
#define AGENT_DISPLAY_H

#include <stdbool.h>

#include "agent/event.h"
#include "agent/terminal.h"
#include "base/text.h"

/*
 * The live display: a few lines at the bottom of a terminal, drawn over in place. Pure:
 * it makes the bytes, who writes them is the console's business.
 *
 *     imagenet:3: uploading
 *     [##############............................]  33 %
 *     1.2 GiB of 3.6 GiB · 34.5 MiB/s · ETA 1 min 20 s · 12,345 of 54,321 files
 *      63 %  1.0 GiB  train/n01440764/00001.tar
 *
 * No line is wider than the window, no more lines are drawn than it has.  What matters
 * most stays when the window is small.  The cursor rests at the start of the line
 * below.
 */
enum { DISPLAY_LINES_MAX = 20 }; /* headline 4, bar 1, facts 4, files in flight 8 */

struct display {
    const struct terminal *terminal;
    char *title; /* "imagenet:3", or NULL */

    /* Private: how wide each line on the screen is. */
    unsigned widths[DISPLAY_LINES_MAX];
    unsigned n_lines;
    unsigned columns; /* of the window they were drawn for */
};

void display_init(struct display *d, const struct terminal *terminal);
void display_free(struct display *d);
void display_set_title(struct display *d, const char *title); /* copied */

/* Add to *out what draws `now` over what stands there.  All of *out must be shown. */
void display_draw(struct display *d, struct text *out,
                  const struct event_progress *now);

/* Add to *out what takes the display off the screen, for other lines to take its place.
 */
void display_erase(struct display *d, struct text *out);

#endif
