/* Command lines: a subcommand lists its options in a table, which is read strictly and printed as its help. */
#ifndef SKALD_PROGRAM_OPTIONS_H
#define SKALD_PROGRAM_OPTIONS_H
#include <skald/skald.h>

enum { MOST_COUNTS = 64, MOST_TEXTS = 4 };

/* "1,8,32" */
typedef struct counts {
    uint32_t n;
    uint32_t at[MOST_COUNTS];
} counts;

/* Of an option that is given again and again. */
typedef struct texts {
    uint32_t n;
    const char *at[MOST_TEXTS];
} texts;

typedef enum option_kind {
    OPTION_FLAG,       /* int: becomes 1 */
    OPTION_TEXT,       /* const char * */
    OPTION_TEXTS,      /* texts: one more each time */
    OPTION_PAIR,       /* const char *[2]: takes two values */
    OPTION_COUNT,      /* uint32_t, at least `least` */
    OPTION_COUNTS,     /* counts, each at least `least` */
    OPTION_SEED,       /* uint64_t */
    OPTION_REAL,       /* float from 0 to `most` */
    OPTION_CACHE_TYPE, /* skald_dtype: f32 or f16 */
} option_kind;

typedef struct option {
    const char *name; /* "-m" or "--temp"; NULL ends the table */
    option_kind kind;
    void *to;          /* holds the default before */
    const char *value; /* its name in the help; NULL for a flag */
    const char *help;
    uint32_t least;
    float most;
} option;

typedef struct command_line {
    const char *command;
    const char *usage; /* what follows "skald COMMAND" */
    const char *about;
    const option *options;
    const char **argument; /* receives arguments that are no options; NULL: none is taken */
    int n_arguments;       /* how many; 0: one, a text */
} command_line;

enum { EXIT_USAGE = 2, GO_ON = -1 };

/* GO_ON, or the code to exit with: 0 after --help, EXIT_USAGE after a complaint. */
int options_read(const command_line *line, int argc, char **argv);

/* Say what was wrong on stderr, in printf's way; give the exit code. */
int usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
int failure(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with the library's own sentence. */
int skald_failure(const char *command, skald_status status, const skald_report *why);

#endif
