/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

typedef struct {
    GLogLevelFlags level;
    int priority; /* syslog's, which is the journal's */
    const char *word;
} Level;

static const Level *level_of(GLogLevelFlags flags)
{
    static const Level levels[] = {
        {G_LOG_LEVEL_ERROR, LOG_CRIT, "fatal"},        {G_LOG_LEVEL_CRITICAL, LOG_ERR, "error"},
        {G_LOG_LEVEL_WARNING, LOG_WARNING, "warning"}, {G_LOG_LEVEL_MESSAGE, LOG_NOTICE, "notice"},
        {G_LOG_LEVEL_INFO, LOG_INFO, "info"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(levels); i++)
        if (flags & levels[i].level)
            return &levels[i];
    return NULL;
}

static GLogWriterOutput write_line(GLogLevelFlags flags, const GLogField *fields, gsize n_fields,
                                   gpointer prefix)
{
    const Level *level = level_of(flags);
    const char *message = "";
    char priority[8] = "";

    if (level == NULL)
        return G_LOG_WRITER_HANDLED;
    for (gsize i = 0; i < n_fields; i++)
        if (g_str_equal(fields[i].key, "MESSAGE"))
            message = fields[i].value;
    if (g_log_writer_is_journald(STDERR_FILENO))
        g_snprintf(priority, sizeof(priority), "<%d>", level->priority);

    /* Drivers' texts are in it: one message stays one line. */
    g_autofree char *line = g_utf8_make_valid(message, -1);
    for (char *c = line; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    dprintf(STDERR_FILENO, "%s%s: %s: %s\n", priority, (const char *)prefix, level->word, line);
    return G_LOG_WRITER_HANDLED;
}

void vgpu_log_init(const char *prefix)
{
    g_log_set_writer_func(write_line, (gpointer)prefix, NULL);
}
