/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The outcome of simulations, as a table for people and as JSON for programs. */
#pragma once

#include <json-glib/json-glib.h>

#include "fleet.h"

/* What all runs have in common. */
void sim_report_begin(const SimFleetSettings *settings);

/* One run, as some lines on stdout. */
void sim_report_run(const SimFleetSettings *settings, const SimFleetResult *result);

/* One run, as the next member of the array that @json is in. docs/scheduling.md has the keys. */
void sim_report_json(JsonBuilder *json, const SimFleetSettings *settings,
                     const SimFleetResult *result);
