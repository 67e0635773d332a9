/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The little JSON that the tools print. */
#ifndef JSON_H
#define JSON_H

/* Prints @text as a JSON string. What is not UTF-8 in it goes out as it is. */
void json_string(const char *text);

/* Prints ,"name":"text" with whatever comes before the name: "{" or ",". */
void json_text(const char *before, const char *name, const char *text);

/* The same for a number. */
void json_number(const char *before, const char *name, unsigned long long number);

/* The same for a measurement; a negative one is null. */
void json_measure(const char *before, const char *name, double number);

#endif
