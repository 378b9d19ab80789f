#ifndef AGENT_UI_ASSET_TABLE_H
#define AGENT_UI_ASSET_TABLE_H

#include "agent/ui/asset.h"

/* What embed.cmake writes, for asset.c alone. */
extern const struct asset asset_table[];
extern const size_t asset_count;

#endif
