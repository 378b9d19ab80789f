#ifndef AGENT_DOCTOR_DIR_H
#define AGENT_DOCTOR_DIR_H

#include "agent/doctor.h"

/*
 * The checks of a folder: is it there, may we write, what can its file system, how much
 * room is left, how fast is it.  Removes what it makes.
 */
void doctor_dir_store(struct doctor *d);

/* The same, as far as it matters there, of the place of checkpoints and logs. */
void doctor_dir_state(struct doctor *d);

#endif
