/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include <string.h>

static gboolean is_harmless(gunichar character)
{
    GUnicodeType type = g_unichar_type(character);

    return g_unichar_isprint(character) && type != G_UNICODE_LINE_SEPARATOR &&
           type != G_UNICODE_PARAGRAPH_SEPARATOR && type != G_UNICODE_PRIVATE_USE;
}

char *vgpuctl_text_safe(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *safe = g_string_new(NULL);

    for (const char *c = valid; *c != '\0'; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);
        if (is_harmless(character))
            g_string_append_unichar(safe, character);
        else
            g_string_append_printf(safe, character < 0x100 ? "\\x%02x" : "\\u%04x", character);
    }
    return g_string_free(safe, FALSE);
}

static guint character_columns(gunichar character)
{
    if (g_unichar_iszerowidth(character))
        return 0;
    return g_unichar_iswide(character) ? 2 : 1;
}

guint vgpuctl_text_columns(const char *text)
{
    guint columns = 0;

    for (const char *c = text; *c != '\0'; c = g_utf8_next_char(c))
        columns += character_columns(g_utf8_get_char(c));
    return columns;
}

char *vgpuctl_text_fit(const char *text, guint columns)
{
    static const char dots[] = "...";
    const char *end = text;
    guint used = 0;

    if (vgpuctl_text_columns(text) <= columns)
        return g_strdup(text);
    for (;;) {
        guint more = character_columns(g_utf8_get_char(end));
        if (used + more + strlen(dots) > columns)
            break;
        used += more;
        end = g_utf8_next_char(end);
    }
    return g_strdup_printf("%.*s%s", (int)(end - text), text, dots);
}

/* @value divided by @step as long as it is not below it; at most up to the last of @units. */
static char *scaled(guint64 value, guint step, const char *const *units)
{
    gdouble number = (gdouble)value;

    while (number >= step && units[1] != NULL) {
        number /= step;
        units++;
    }
    return g_strdup_printf("%.1f %s", number, units[0]);
}

char *vgpuctl_text_bytes(guint64 bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL};

    return bytes < 1024 ? g_strdup_printf("%" G_GUINT64_FORMAT " B", bytes)
                        : scaled(bytes, 1024, units);
}

char *vgpuctl_text_time(guint64 nanoseconds)
{
    static const char *const units[] = {"ns", "us", "ms", "s", NULL};

    return nanoseconds == 0 ? g_strdup("0 s") : scaled(nanoseconds, 1000, units);
}

char *vgpuctl_text_uptime(guint64 microseconds)
{
    guint64 seconds = microseconds / G_USEC_PER_SEC;
    guint64 minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
    const char *format = "%" G_GUINT64_FORMAT " %s %" G_GUINT64_FORMAT " %s";

    if (days > 0)
        return g_strdup_printf(format, days, "d", hours % 24, "h");
    if (hours > 0)
        return g_strdup_printf(format, hours, "h", minutes % 60, "min");
    if (minutes > 0)
        return g_strdup_printf(format, minutes, "min", seconds % 60, "s");
    return g_strdup_printf("%" G_GUINT64_FORMAT " s", seconds);
}

char *vgpuctl_text_date(gint64 real_us)
{
    if (real_us == 0)
        return g_strdup("never");

    g_autoptr(GDateTime) date = g_date_time_new_from_unix_local(real_us / G_USEC_PER_SEC);
    return date == NULL ? g_strdup("?") : g_date_time_format(date, "%Y-%m-%d %H:%M:%S");
}

char *vgpuctl_text_ago(gint64 real_us, gint64 now_us)
{
    if (real_us == 0)
        return g_strdup("never");
    /* A clock may have been set back, and the time may be a hostile worker's. */
    if (real_us < 0 || now_us - real_us < G_USEC_PER_SEC)
        return g_strdup("now");

    g_autofree char *duration = vgpuctl_text_uptime((guint64)(now_us - real_us));
    return g_strconcat(duration, " ago", NULL);
}
