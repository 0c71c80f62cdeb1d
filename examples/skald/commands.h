/* The subcommands: arguments behind the subcommand's name in, exit code out. */
#ifndef SKALD_PROGRAM_COMMANDS_H
#define SKALD_PROGRAM_COMMANDS_H

int command_run(int argc, char **argv);
int command_info(int argc, char **argv);
int command_tokenize(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_perplexity(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_batch(int argc, char **argv);

#endif
