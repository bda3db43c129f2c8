#include "parts.h"

#include <stdio.h>
#include <string.h>

#include "suggest.h"

static const char *word_of(const struct bw_part *part)
{
    return strchr(part->command->name, ' ') + 1;
}

static int verb_length(const struct bw_part *parts)
{
    return (int)strcspn(parts->command->name, " ");
}

static void print_help(const struct bw_part *parts, size_t count, FILE *out)
{
    (void)fprintf(out, "usage: breakwater %.*s ", verb_length(parts), parts->command->name);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "%s%s", i > 0 ? "|" : "", word_of(&parts[i]));
    (void)fputs(" [ARGUMENT]...\n\n", out);
    for (size_t i = 0; i < count; i++) {
        bw_options_print_help(parts[i].command, out);
        (void)fputs(i + 1 < count ? "\n" : "", out);
    }
}

enum bw_exit bw_parts_run(const struct bw_part *parts, size_t count, int argc, char **argv)
{
    const char *verb = parts->command->name;
    struct bw_suggestion suggestion = {.word = argc < 2 ? "" : argv[1]};

    if (argc < 2) {
        print_help(parts, count, stderr);
        return BW_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(parts, count, stdout);
        return BW_EXIT_FINE;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(argv[1], word_of(&parts[i])) == 0)
            return parts[i].run(argc - 1, argv + 1);
        bw_suggestion_consider(&suggestion, word_of(&parts[i]));
    }
    (void)fprintf(stderr, "error: %.*s: unknown \"%s\"", verb_length(parts), verb, argv[1]);
    if (suggestion.best != NULL)
        (void)fprintf(stderr, " (did you mean \"%s\"?)", suggestion.best);
    (void)fprintf(stderr, "\n  see:  breakwater %.*s --help\n", verb_length(parts), verb);
    return BW_EXIT_USAGE;
}
