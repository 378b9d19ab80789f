/*
 *     judged by its name and type --+--> told as an issue
 *                                   +--> a folder or link: into the plan, and that is all
 *                                   +--> a file: into the plan, and where it is not stored
 *                                        already it is one to be read
 *
 * A hard link needs to know what it is a link to first.
 */
#include "transfer/unpack_impl.h"

#include <string.h>

#include "transfer/archive_name.h"

/* ---- an item arrives in the plan ---- */

/* Stored, and of an archive that is still the same: no need to read it. */
static bool may_pass_over(const struct unpack *u)
{
    if (u->planned.state == CHECKPOINT_FAILED)
        return true;
    return u->planned.state == CHECKPOINT_STORED && u->is_trusted &&
           (u->is_hard_link || archive_reader_can_skip(u->reader));
}

static void on_file_planned(struct unpack *u)
{
    if (u->planned.has_size)
        unpack_note_size(u, u->entry.stamp.size);
    if (may_pass_over(u)) {
        unpack_step_over(u);
        return;
    }
    unpack_file_add(u);
    u->step = STEP_KNOW;
}

static void on_arrived(void *ctx, const struct error *err)
{
    struct unpack *u = ctx;

    u->is_busy = false;
    unpack_step_over(u);
    if (err != NULL) {
        unpack_fail(u, err);
    } else if (u->planned.is_blocked) {
        unpack_tell(
            u, ISSUE_IN_THE_WAY, text_string(&u->path),
            "the archive has a file or link where a folder of the same name would "
            "be: left out");
    } else {
        if (u->planned.is_again && u->entry.type != ENTRY_DIRECTORY)
            unpack_tell(u, ISSUE_DUPLICATE, text_string(&u->path),
                        "it is in the archive more than once: the last one counts");
        if (u->entry.type == ENTRY_FILE)
            on_file_planned(u);
    }
    unpack_wake(u);
}

void unpack_item_arrive(struct unpack *u)
{
    if (unpack_file_is_under_way(u, text_string(&u->path)))
        return;
    u->is_busy = true;
    checkpoint_arrive(u->o.checkpoint, &u->entry, &u->planned, on_arrived, u);
}

/* What a hard link leads to comes before it. */
static void on_origin(void *ctx, const struct error *err)
{
    struct unpack *u = ctx;
    const struct upload_record *r = &u->origin_record;
    struct text message = {0};

    u->is_busy = false;
    u->step = STEP_NEXT;
    if (err != NULL) {
        unpack_fail(u, err);
    } else if (r->has_object && r->upload_id[0] == '\0') {
        u->entry.stamp.size = r->object_size;
        u->step = STEP_ARRIVE;
    } else if (u->err.kind == ERROR_NONE) {
        text_add_format(&message, "a hard link to %s, which is not stored: left out",
                        text_string(&u->origin));
        unpack_tell(u, ISSUE_UNREADABLE, text_string(&u->path), text_string(&message));
        text_free(&message);
    }
    unpack_wake(u);
}

void unpack_item_find_origin(struct unpack *u)
{
    if (unpack_file_is_under_way(u, text_string(&u->origin)))
        return;
    u->is_busy = true;
    upload_record_free(&u->origin_record);
    checkpoint_read_upload(u->o.checkpoint, text_string(&u->origin), &u->origin_record,
                           on_origin, u);
}

/* ---- judging an item ---- */

static void plan_as(struct unpack *u, const struct archive_item *item,
                    enum entry_type type)
{
    u->planned = (struct checkpoint_arrival){.has_size = true};
    u->is_hard_link = false;
    u->entry = (struct entry){
        .path = text_string(&u->path),
        .type = type,
        .mode = item->mode,
        .stamp = {.mtime_ns = item->mtime_ns},
    };
    if (type == ENTRY_FILE) {
        u->planned.has_size = item->has_size;
        u->entry.stamp.size = item->size;
    } else if (type == ENTRY_SYMLINK) {
        text_clear(&u->target);
        text_add(&u->target, text_string(&item->target));
        u->entry.target = text_string(&u->target);
    }
    u->step = STEP_ARRIVE;
}

static void take_file(struct unpack *u, const struct archive_item *item)
{
    if (item->is_encrypted)
        unpack_tell(u, ISSUE_UNREADABLE, text_string(&u->path), "it is encrypted");
    else if (unpack_is_too_much(u, item->size))
        unpack_refuse_too_much(u);
    else
        plan_as(u, item, ENTRY_FILE);
}

static void take_link(struct unpack *u, const struct archive_item *item)
{
    const char *path = text_string(&u->path);

    if (u->o.source.skips_links) {
        unpack_tell(u, ISSUE_LINK_SKIPPED, path, "a symbolic link: left out");
        return;
    }
    if (archive_name_link_leaves(path, text_string(&item->target)))
        unpack_tell(u, ISSUE_LINK_OUTSIDE, path,
                    "a symbolic link that leads out of the archive: kept as a link");
    plan_as(u, item, ENTRY_SYMLINK);
}

static void take_hard_link(struct unpack *u, const struct archive_item *item)
{
    enum archive_name verdict =
        archive_name_read(&u->origin, text_string(&item->target));

    if (strcmp(text_string(&u->origin), text_string(&u->path)) == 0)
        return; /* to itself: it is there already */
    if (verdict != ARCHIVE_NAME_GOOD) {
        unpack_tell(u, ISSUE_UNSAFE, text_string(&u->path),
                    "a hard link that leads out of the archive: left out");
        return;
    }
    plan_as(u, item, ENTRY_FILE);
    u->planned.has_size = true;
    u->is_hard_link = true;
    u->step = STEP_ORIGIN;
}

static bool is_wanted(const struct unpack *u, const struct archive_item *item)
{
    const struct filter *filter = u->o.source.filter;

    if (filter == NULL)
        return true;
    return item->type == ARCHIVE_ITEM_FOLDER
               ? filter_takes_folder(filter, text_string(&u->path))
               : filter_takes(filter, text_string(&u->path));
}

static void take_item(struct unpack *u, const struct archive_item *item)
{
    switch (item->type) {
    case ARCHIVE_ITEM_FILE:
        take_file(u, item);
        break;
    case ARCHIVE_ITEM_FOLDER:
        plan_as(u, item, ENTRY_DIRECTORY);
        break;
    case ARCHIVE_ITEM_LINK:
        take_link(u, item);
        break;
    case ARCHIVE_ITEM_HARD_LINK:
        take_hard_link(u, item);
        break;
    case ARCHIVE_ITEM_SPECIAL:
        unpack_tell(u, ISSUE_SPECIAL, text_string(&u->path),
                    "a device, pipe or socket: left out");
        break;
    }
}

void unpack_item_judge(struct unpack *u)
{
    const struct archive_item *item = archive_reader_item(u->reader);
    const char *name = text_string(&item->name);
    enum archive_name verdict = archive_name_read(&u->path, name);

    if (archive_name_fault(verdict) != NULL)
        unpack_tell(u, ISSUE_UNSAFE, name, archive_name_fault(verdict));
    else if (verdict == ARCHIVE_NAME_GOOD && is_wanted(u, item))
        take_item(u, item);
}
