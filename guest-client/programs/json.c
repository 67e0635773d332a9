/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <stdio.h>

void json_string(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

void json_text(const char *before, const char *name, const char *text)
{
    printf("%s\"%s\":", before, name);
    json_string(text);
}

void json_number(const char *before, const char *name, unsigned long long number)
{
    printf("%s\"%s\":%llu", before, name, number);
}

void json_measure(const char *before, const char *name, double number)
{
    if (number < 0)
        printf("%s\"%s\":null", before, name);
    else
        printf("%s\"%s\":%.6g", before, name, number);
}
