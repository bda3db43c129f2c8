/* api.h - asking the witnesses: which ones, as whom, and who of them leads. Design 5.2, 5.3.
 *
 * Blocking; one command at a time. Messages go to stderr. */
#ifndef BW_CLI_API_H
#define BW_CLI_API_H

#include <stdio.h>

#include <jansson.h>

#include <breakwater/config/cli_config.h>
#include <breakwater/config/site_config.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/names.h>

#include "options.h"

/* What every command that asks the witnesses takes; a member of its values. */
struct bw_api_values {
    const char *config;
    struct bw_option_list endpoints;
    const char *ca;
    const char *identity;
    const char *wait_timeout;
};
#define BW_API_OPTIONS(type, member)                                                               \
    BW_OPTION_TEXT(type, member.config, "config", 0, "FILE", "configuration of commands (cli.yaml)"), \
        BW_OPTION_LIST(type, member.endpoints, "endpoint", 0, "HOST:PORT",                         \
                       "address of a witness; may be repeated"),                                   \
        BW_OPTION_TEXT(type, member.ca, "ca", 0, "FILE", "CA certificates to trust"),              \
        BW_OPTION_TEXT(type, member.identity, "identity", 0, "FILE",                               \
                       "your certificate and key, in one file"),                                   \
        BW_OPTION_TEXT(type, member.wait_timeout, "wait-timeout", 0, "D",                          \
                       "limit of the wait for an answer or a result")

#define BW_API_PATH_BYTES    4096
#define BW_API_WITNESSES_MAX (BW_ENDPOINTS_MAX + BW_WITNESSES_MAX)

/* One witness that may be asked: configured, or told by another one over mutual TLS. */
struct bw_api_witness {
    char address[BW_ADDRESS_MAX + 1];
    bool is_learnt; /* not configured: learnt from an answer */
    enum bw_err err; /* of the last survey; BW_OK: `status` is its answer */
    bool is_forbidden; /* it answers, and will not have this certificate: 403 */
    bool is_left_behind; /* it answers of a generation that no site follows: `status` was dropped */
    bool is_left_behind_told;
    char why[512];  /* it failed so, or said this; "" */
    json_t *status; /* breakwater.status/v2; NULL: none */
};

struct bw_api {
    const struct bw_cli_command *command;
    struct bw_credentials *credentials;
    char identity_file[BW_API_PATH_BYTES]; /* with the certificate of who asks */
    char config_file[BW_API_PATH_BYTES]; /* that names the endpoints; "": they were given as options */
    struct bw_api_witness witnesses[BW_API_WITNESSES_MAX];
    size_t count;
    uint32_t wait_ms;
    uint32_t lookup_ms;     /* how long a witness's name may be looked up: as long as --wait-timeout says */
    struct bw_names *names; /* what was looked up, from one question to the next */
    json_t *status; /* the best answer of the last survey, borrowed; NULL: nobody answered */
    int leader;     /* index of the one that says that it leads; -1: none */
    bool is_repeatable; /* what is asked for has an id: said twice it is done once */
};

struct bw_api_reply {
    int status; /* HTTP */
    json_t *body; /* an object; owned; NULL: it was none */
};

/* Finds configuration and certificates. False: end with `*out_exit`, the reason was told. */
bool bw_api_open(struct bw_api *api, const struct bw_cli_command *command,
                 const struct bw_api_values *values, uint32_t wait_ms, enum bw_exit *out_exit);
/* The same as the agent of `site`: its witnesses, its certificate, and whom its file revokes. Fails without a message. */
BW_MUST_CHECK enum bw_err bw_api_open_at_site(struct bw_api *api, const struct bw_cli_command *command,
                                              const struct bw_site_config *site, struct bw_diag *diag);
/* Accepts a zeroed one. */
void bw_api_close(struct bw_api *api);

/* Asks every witness for its status, all at once, and notes who leads. True: one does, and its
 * answer is api->status. Warns, once for each, of those that a recovery has left behind. */
bool bw_api_survey(struct bw_api *api);
/* Of what was answered (choose.c): drops what those say that another one of their cluster answers a higher
 * generation than, and notes who leads of the others. */
void bw_api_choose(struct bw_api *api);
/* Asks the witnesses from `first` on for their status, all at once (ask_all.c), and waits for the answers. */
void bw_api_ask_all(struct bw_api *api, size_t first);
#define BW_API_CONNECT_MS       2000
#define BW_API_ANSWER_BYTES_MAX (32 * 1024 * 1024)
/* Warns of each that was dropped so, and was not told yet. */
void bw_api_tell_left_behind(struct bw_api *api);
/* Says why there is no leader to ask, witness by witness; returns BW_EXIT_NO_QUORUM, or
 * BW_EXIT_FAILED where there is one that refuses this certificate. */
enum bw_exit bw_api_no_quorum(const struct bw_api *api, const char *consequence);

/* After a survey: names the endpoints of the file that are no witness's any more, with the list that belongs
 * there; nothing, if there are none (choose.c). A command keeps nothing of what it learns: the file is its
 * user's. */
void bw_api_tell_outdated(const struct bw_api *api);

/* Asks the leader, whoever that is by then; only witnesses that are configured, or that a member
 * has named, are ever asked. BW_EXIT_FINE: `out_reply` is an answer, whatever its status says.
 * Otherwise the reason was told; BW_EXIT_UNKNOWN: it may have been done. `body` NULL: none. */
enum bw_exit bw_api_ask(struct bw_api *api, const char *method, const char *path,
                        const json_t *body, struct bw_api_reply *out_reply);
void bw_api_reply_deinit(struct bw_api_reply *reply);
/* It is refused for the moment only, and nothing was changed: it may be asked again. */
bool bw_api_is_busy(const struct bw_api_reply *reply);
/* The same, of which only success (200, 202) is an answer: BW_EXIT_FINE, a new reference. Otherwise what it
 * says was told. */
enum bw_exit bw_api_fetch(struct bw_api *api, const char *method, const char *path,
                          const json_t *body, json_t **out_document);
/* Prints a text of a witness, and each command of ours in it on a line of its own. Ends the line. */
void bw_print_refusal(const char *text, FILE *out);
/* Tells what an answer that is no success says: error, problems, next step. */
enum bw_exit bw_api_complain(const struct bw_api *api, const struct bw_api_reply *reply);

/* Texts and numbers of an answer; what is missing or of another type is "" or 0. A control
 * character in a text shows as `?`; the result of text is good until the sixteenth call after it. */
const char *bw_json_member(const json_t *object, const char *key);
/* The same of a value itself. */
const char *bw_json_shown(const json_t *value);
int64_t bw_json_number(const json_t *object, const char *key);
bool bw_json_truth(const json_t *object, const char *key);
/* Each text of a list, on a line of its own after `before`, to stdout. */
void bw_json_print_texts(const json_t *list, const char *before);
/* To stdout; BW_EXIT_FAILED when it cannot be, or is NULL. */
enum bw_exit bw_json_print(const json_t *document);
/* The first object of a list that has this text as its `key`; NULL: none. */
json_t *bw_json_find(const json_t *list, const char *key, const char *text);
/* A list of texts has this one. */
bool bw_json_has(const json_t *list, const char *text);
/* The group of that name in a status; NULL: none. */
json_t *bw_json_find_group(const json_t *status, const char *name);
/* The site of `group` that holds it; NULL: none does. */
const json_t *bw_json_find_holder(const json_t *group);

/* Asks for `path` and shows the answer: a table by `print`, or as it is. `nothing` NULL: asks the leader alone; else,
 * where no leader answers, whoever does, and says so: what is committed stays true. `nothing` ends the error if nobody does. */
enum bw_exit bw_api_show(struct bw_api *api, const char *path, const char *nothing,
                         enum bw_output output, void (*print)(const json_t *document));

/* Sleeps between two looks at something that changes by itself. */
void bw_api_pause(uint32_t ms);
uint64_t bw_api_now_ms(void);

/* Asking the person before something is changed. Design 5.2. */

/* Somebody can be asked, or need not be. False: end with BW_EXIT_USAGE; it was said that --yes is
 * needed without a terminal. */
bool bw_confirm_is_possible(const struct bw_cli_command *command, bool is_yes);

/* Asks on the terminal and waits for exactly `word` ("yes", or a name that is to be typed). True
 * without asking when `is_yes`. False: end with BW_EXIT_FAILED; it was said that nothing changed. */
bool bw_confirm(const struct bw_cli_command *command, bool is_yes, const char *question,
                const char *word);
/* The same of what `api` is asked by its command. The question says in which cluster, as whom, and which file has led
 * there: another shell has another one. */
bool bw_api_confirm(const struct bw_api *api, bool is_yes, const char *question, const char *word);

/* Documents of a witness of the release before. */

/* Gives the members of a version 1 document (status, group, explain, history, report, plan) their names of version 2, in place.
 * Witnesses are upgraded one by one: until the last one, some of their answers are of version 1. In documents of both versions
 * the lists of gates in epochs get the words of this release. Every other document, and NULL, stays as it is. */
void bw_json_from_former(json_t *document);

#endif
