/* words.h - a word for each value of an enum, as logs, people and JSON are given it. Enum and words come
 * from one list of rows X(NAME, "word", ...): the n-th is that of the value n. */
#ifndef BW_BASE_WORDS_H
#define BW_BASE_WORDS_H

#include <stddef.h>

/* Defines `const char *function(type value)`; `other` is for what is not in the list. */
#define BW_WORDS(function, type, list, other)                                                      \
    BW_WORDS_BY_ROW(function, type, list, BW_WORD_OF_ROW, other)
/* The same where the word is the name itself: rows X(NAME, ...). */
#define BW_NAMES(function, type, list, other)                                                      \
    BW_WORDS_BY_ROW(function, type, list, BW_NAME_OF_ROW, other)

/* The same with the sentence that stands behind the word: rows X(NAME, "word", "sentence"). */
#define BW_SENTENCES(function, type, list, other)                                                  \
    BW_WORDS_BY_ROW(function, type, list, BW_SENTENCE_OF_ROW, other)

#define BW_WORD_OF_ROW(name, word, ...)         word,
#define BW_NAME_OF_ROW(name, ...)               #name,
#define BW_SENTENCE_OF_ROW(name, word, text)    text,
#define BW_WORDS_BY_ROW(function, type, list, row, other)                                          \
    const char *function(type value)                                                               \
    {                                                                                              \
        static const char *const words[] = {list(row)};                                            \
                                                                                                   \
        return (size_t)value < sizeof words / sizeof words[0] ? words[value] : (other);            \
    }

#endif
