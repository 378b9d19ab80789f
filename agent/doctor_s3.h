#ifndef AGENT_DOCTOR_S3_H
#define AGENT_DOCTOR_S3_H

#include "agent/doctor.h"

/*
 * The checks of an s3:// store: name, connection, keys, clock, bucket, region, what may
 * be done there and what it can.  d->agent is open, its store is not yet.  Writes only
 * below .grid-probe/, and cleans up.
 */
void doctor_s3_run(struct doctor *d);

#endif
