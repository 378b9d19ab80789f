#ifndef TRANSFER_DIR_LIST_H
#define TRANSFER_DIR_LIST_H

#include "transfer/dir_tree.h"
#include "transfer/store_impl.h"

/*
 * Listings of a file:// store, a page of at most STORE_PAGE items at a time, in memory
 * that does not grow with what is listed.  All functions block and are for worker
 * threads.
 *
 * The temporary folder of a version is not listed.  Symbolic links to files are listed,
 * those to folders only one level deep; what is neither file nor folder is not.  What
 * comes or goes meanwhile may or may not be listed.
 */
struct dir_list;

enum dir_list_kind {
    DIR_LIST_LEVEL,  /* files and folders ("name/") directly below, in order of key */
    DIR_LIST_FLAT,   /* all files below, folder by folder in no order */
    DIR_LIST_UPLOADS /* uploads whose key begins with the prefix, in order of id; where
                        the prefix ends in '/', also strays, with the key "" */
};

/* The prefix is copied. */
struct dir_list *dir_list_new(enum dir_list_kind kind, const char *prefix);
void dir_list_free(struct dir_list *list);

/* The next items.  Nothing there is an empty listing.  Stops once *stop
 * (ERROR_CANCELLED); after an error it can only be freed. */
int dir_list_next(struct dir_list *list, struct dir_tree *tree,
                  struct store_items *items, const atomic_bool *stop,
                  struct error *err);

/* No more to come. */
bool dir_list_is_at_end(const struct dir_list *list);

#endif
