/* former_json.h - documents of a witness of the release before. */
#ifndef BW_CLI_FORMER_JSON_H
#define BW_CLI_FORMER_JSON_H

#include <jansson.h>

/* Gives the members of a version 1 document (status, group, explain, history, report, plan) their names of version 2, in place.
 * Witnesses are upgraded one by one: until the last one, some of their answers are of version 1. In documents of both versions
 * the lists of gates in epochs get the words of this release. Every other document, and NULL, stays as it is. */
void bw_json_from_former(json_t *document);

#endif
