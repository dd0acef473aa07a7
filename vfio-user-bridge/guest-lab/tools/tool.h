/* What the programs of the file-system scenarios share. They are linked statically and run in the guest and on the host. */
#ifndef TOOL_H
#define TOOL_H
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Ends the program: a check failed or something could not be set up. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* An error's symbol, "ok" for 0. */
const char *error_name(int error);

/* Removes a tree, if it is there, whatever its modes are; as root. */
void remove_tree(int dir, const char *name);

/* The names in a directory without "." and "..", sorted; ends with NULL. The caller frees them with free_names. */
char **sorted_names(int dir);
void free_names(char **names);

double seconds(void);

int posix_main(int argc, char **argv);
int tree_main(int argc, char **argv);
int odd_main(int argc, char **argv);
int manifest_main(int argc, char **argv);
int lock_main(int argc, char **argv);
int files_main(int argc, char **argv);
int append_main(int argc, char **argv);
int swap_main(int argc, char **argv);
int lookups_main(int argc, char **argv);
int forge_main(int argc, char **argv);
int quota_main(int argc, char **argv);
int rates_main(int argc, char **argv);
int timed_main(int argc, char **argv);
#endif
