/* SPDX-License-Identifier: Apache-2.0 */
/* What every part of Countersign stands on. Nothing here knows git, runs or sandboxes. */
#ifndef COUNTERSIGN_BASE_H
#define COUNTERSIGN_BASE_H

#include "countersign/base/base64.h"
#include "countersign/base/buf.h"
#include "countersign/base/clock.h"
#include "countersign/base/config.h"
#include "countersign/base/err.h"
#include "countersign/base/escape.h"
#include "countersign/base/fault.h"
#include "countersign/base/file.h"
#include "countersign/base/hash.h"
#include "countersign/base/json.h"
#include "countersign/base/loop.h"
#include "countersign/base/own.h"
#include "countersign/base/spawn.h"
#include "countersign/base/terminal.h"

#endif
