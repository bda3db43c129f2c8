#include "schema_value.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/config/scalar.h>

#define PATH_MAX_BYTES 4095

/* Enums, numbers and durations are stored as 32 bits. */
_Static_assert(sizeof(enum bw_key_kind) == sizeof(uint32_t), "an enum is stored as uint32_t");

static bool refuse(char *out_why, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(char *out_why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(out_why, BW_VALUE_WHY_BYTES, format, args); /* quotes and words are short */
    va_end(args);
    return false;
}

static void append(char *text, size_t size, const char *more)
{
    const size_t used = strlen(text);

    BW_ASSERT(bw_copy_text(text + used, size - used, more)); /* words of our own tables */
}

static const struct bw_key_word *find_word(const struct bw_key *key, const char *text)
{
    for (const struct bw_key_word *word = key->words; word != NULL && word->word != NULL; word++) {
        if (strcmp(word->word, text) == 0)
            return word;
    }
    return NULL;
}

static const char *word_of(const struct bw_key *key, uint32_t value)
{
    for (const struct bw_key_word *word = key->words; word != NULL && word->word != NULL; word++) {
        if (word->value == value)
            return word->word;
    }
    return NULL;
}

/* "a, b or c" */
static void list_words(const struct bw_key *key, char out_text[BW_VALUE_TEXT_BYTES])
{
    out_text[0] = '\0';
    for (const struct bw_key_word *word = key->words; word != NULL && word->word != NULL; word++) {
        if (word != key->words)
            append(out_text, BW_VALUE_TEXT_BYTES, word[1].word == NULL ? " or " : ", ");
        append(out_text, BW_VALUE_TEXT_BYTES, word->word);
    }
}

static void format_number(const struct bw_key *key, uint32_t value, char *out, size_t size)
{
    char duration[BW_DURATION_TEXT_BYTES];

    if (key->kind == BW_KEY_DURATION) {
        bw_duration_format(value, duration);
        (void)snprintf(out, size, "%s", duration); /* a duration is shorter than any `size` here */
    } else {
        (void)snprintf(out, size, "%" PRIu32, value); /* so is a number */
    }
}

void bw_value_range(const struct bw_key *key, char out_text[BW_VALUE_TEXT_BYTES])
{
    char low[BW_DURATION_TEXT_BYTES];
    char high[BW_DURATION_TEXT_BYTES];
    char words[BW_VALUE_TEXT_BYTES];

    list_words(key, words);
    out_text[0] = '\0';
    if (key->kind == BW_KEY_WORD || (key->kind == BW_KEY_BOOL && words[0] != '\0')) {
        append(out_text, BW_VALUE_TEXT_BYTES, words);
        return;
    }
    if ((key->kind == BW_KEY_DURATION || key->kind == BW_KEY_NUMBER) && key->max > 0) {
        format_number(key, key->min, low, sizeof low);
        format_number(key, key->max, high, sizeof high);
        append(out_text, BW_VALUE_TEXT_BYTES, low);
        append(out_text, BW_VALUE_TEXT_BYTES, " to ");
        append(out_text, BW_VALUE_TEXT_BYTES, high);
    }
    if (words[0] != '\0') {
        append(out_text, BW_VALUE_TEXT_BYTES, out_text[0] != '\0' ? " or " : "or ");
        append(out_text, BW_VALUE_TEXT_BYTES, words);
    }
}

static bool read_number(const struct bw_key *key, const char *text, const char *quote, void *out,
                        char *out_why)
{
    const struct bw_key_word *word = find_word(key, text);
    const bool is_duration = key->kind == BW_KEY_DURATION;
    char range[BW_VALUE_TEXT_BYTES];
    uint32_t value = 0;

    if (word != NULL) {
        memcpy(out, &word->value, sizeof word->value);
        return true;
    }
    bw_value_range(key, range);
    if (is_duration && !bw_duration_parse(text, &value)) {
        if (bw_number_parse(text, &value))
            return refuse(out_why, "\"%s\" has no unit; write %sms, %ss, %sm or %sh", quote, quote,
                          quote, quote, quote);
        return refuse(out_why,
                      "\"%s\" is not a duration (numbers with h, m, s or ms, like 1m30s; at most "
                      "1193h)%s%s",
                      quote, range[0] != '\0' ? ", " : "", range);
    }
    if (!is_duration && !bw_number_parse(text, &value))
        return refuse(out_why, "\"%s\" is not a whole number%s%s", quote,
                      range[0] != '\0' ? ", " : "", range);
    if (key->max > 0 && (value < key->min || value > key->max))
        return refuse(out_why, "%s is out of range, %s", quote, range);
    memcpy(out, &value, sizeof value);
    return true;
}

static bool read_word(const struct bw_key *key, const char *text, const char *quote, void *out,
                      char *out_why)
{
    const struct bw_key_word *word = find_word(key, text);
    char words[BW_VALUE_TEXT_BYTES];
    bool truth = false;

    if (key->kind == BW_KEY_BOOL && key->words == NULL) {
        if (!bw_truth_parse(text, &truth))
            return refuse(out_why, "\"%s\" is neither true nor false", quote);
        memcpy(out, &truth, sizeof truth);
        return true;
    }
    if (word == NULL) {
        list_words(key, words);
        return refuse(out_why, "\"%s\" is not one of %s", quote, words);
    }
    if (key->kind == BW_KEY_BOOL) {
        truth = word->value != 0;
        memcpy(out, &truth, sizeof truth);
    } else {
        memcpy(out, &word->value, sizeof word->value);
    }
    return true;
}

static bool read_text(const struct bw_key *key, const char *text, struct bw_config_arena *arena,
                      void *out, char *out_why)
{
    const size_t length = strlen(text);
    const char *copy;

    if (length < key->min || (key->max > 0 && length > key->max))
        return refuse(out_why, "is %zu bytes long, it may be %" PRIu32 " to %" PRIu32, length,
                      key->min, key->max);
    copy = bw_config_arena_copy(arena, text);
    memcpy(out, &copy, sizeof copy);
    return true;
}

static bool read_path(const struct bw_key *key, const char *text, const char *directory,
                      struct bw_config_arena *arena, void *out, char *out_why)
{
    const uint32_t length_max = key->max > 0 ? key->max : PATH_MAX_BYTES;
    const bool has_slash = directory[strlen(directory) - 1] == '/';
    const char *copy = text[0] == '/' ? bw_config_arena_copy(arena, text)
                                      : bw_config_arena_format(arena, "%s%s%s", directory,
                                                               has_slash ? "" : "/", text);

    if (strlen(copy) > length_max)
        return refuse(out_why, "the whole path is %zu bytes long, the limit is %" PRIu32,
                      strlen(copy), length_max);
    memcpy(out, &copy, sizeof copy);
    return true;
}

static bool read_name(const char *text, const char *quote, void *out, char *out_why)
{
    if (!bw_name_is_valid(text))
        return refuse(out_why,
                      "\"%s\" is not a valid name (1 to 63 of letters, digits, '.', '_' and '-', the first a letter "
                      "or digit)",
                      quote);
    BW_ASSERT(bw_copy_text(out, BW_NAME_MAX + 1, text));
    return true;
}

static bool read_address(const struct bw_key *key, const char *text, const char *quote, void *out,
                         struct bw_config_arena *arena, char *out_why)
{
    const char *why;

    if (!bw_address_check(text, key->min == 0, &why))
        return refuse(out_why, "\"%s\" %s", quote, why);
    if (key->name == NULL) { /* an item of a list */
        const char *copy = bw_config_arena_copy(arena, text);

        memcpy(out, &copy, sizeof copy);
        return true;
    }
    BW_ASSERT(bw_copy_text(out, BW_ADDRESS_MAX + 1, text));
    return true;
}

bool bw_value_read(const struct bw_key *key, const struct bw_node *node, const char *directory,
                   struct bw_config_arena *arena, void *out, char out_why[BW_VALUE_WHY_BYTES])
{
    const char *text = node->text;
    char quote[BW_QUOTE_BYTES];

    if (text[0] == '\0')
        return refuse(out_why, "has no value; expected %s", bw_value_kind_name(key));
    if (!node->quoted && (strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0))
        return refuse(out_why, "\"%s\" is not a value; leave the key out instead", text);
    (void)bw_document_quote(text, quote);
    switch (key->kind) {
    case BW_KEY_NAME:
        return read_name(text, quote, out, out_why);
    case BW_KEY_TEXT:
        return read_text(key, text, arena, out, out_why);
    case BW_KEY_PATH:
        return read_path(key, text, directory, arena, out, out_why);
    case BW_KEY_ADDRESS:
        return read_address(key, text, quote, out, arena, out_why);
    case BW_KEY_DURATION:
    case BW_KEY_NUMBER:
        return read_number(key, text, quote, out, out_why);
    case BW_KEY_BOOL:
    case BW_KEY_WORD:
        return read_word(key, text, quote, out, out_why);
    case BW_KEY_MAP:
    case BW_KEY_LIST:
    case BW_KEY_ENV:
        break;
    }
    BW_ASSERT(!"a mapping or list is no scalar");
    return false;
}

const char *bw_value_kind_name(const struct bw_key *key)
{
    switch (key->kind) {
    case BW_KEY_ADDRESS:
        return "HOST:PORT";
    case BW_KEY_NUMBER:
        return "whole number";
    case BW_KEY_BOOL:
        return key->words == NULL ? "true or false" : "word";
    case BW_KEY_LIST:
        return key->item == BW_KEY_MAP       ? "list of mappings"
               : key->item == BW_KEY_ADDRESS ? "list of HOST:PORT"
                                             : "list";
    case BW_KEY_ENV:
        return "mapping of variables";
    case BW_KEY_NAME:
        return "name";
    case BW_KEY_TEXT:
        return "text";
    case BW_KEY_PATH:
        return "path";
    case BW_KEY_DURATION:
        return "duration";
    case BW_KEY_WORD:
        return "word";
    case BW_KEY_MAP:
        return "mapping";
    }
    return "value";
}

void bw_value_absent(const struct bw_key *key, const char *initialised,
                     char out_text[BW_VALUE_TEXT_BYTES])
{
    const char *word;
    uint32_t number;
    bool truth;

    out_text[0] = '\0';
    if (key->required)
        return;
    if (key->absent_note != NULL || key->absent != NULL) {
        append(out_text, BW_VALUE_TEXT_BYTES,
               key->absent_note != NULL ? key->absent_note : key->absent);
        return;
    }
    if (initialised == NULL)
        return;
    switch (key->kind) {
    case BW_KEY_BOOL:
        memcpy(&truth, initialised + key->offset, sizeof truth);
        word = key->words != NULL ? word_of(key, truth) : truth ? "true" : "false";
        append(out_text, BW_VALUE_TEXT_BYTES, word != NULL ? word : "");
        return;
    case BW_KEY_WORD:
    case BW_KEY_DURATION:
    case BW_KEY_NUMBER:
        memcpy(&number, initialised + key->offset, sizeof number);
        word = word_of(key, number);
        if (word != NULL)
            append(out_text, BW_VALUE_TEXT_BYTES, word);
        else if (key->kind != BW_KEY_WORD)
            format_number(key, number, out_text, BW_VALUE_TEXT_BYTES);
        return;
    case BW_KEY_NAME:
    case BW_KEY_TEXT:
    case BW_KEY_PATH:
    case BW_KEY_ADDRESS:
    case BW_KEY_MAP:
    case BW_KEY_LIST:
    case BW_KEY_ENV:
        return;
    }
}
