/* fstool COMMAND ARGUMENT...: one program, so that one static file goes into the guest. */
#include "tool.h"
#include <grp.h>

static int as_main(int argc, char **argv)
{
	id_t id = argc > 2 ? (id_t)atoi(argv[1]) : 0;

	if (id == 0)
		die("as needs a user other than root, and a command");
	if (setgroups(0, NULL) || setresgid(id, id, id) || setresuid(id, id, id))
		die("cannot become %u: %s", id, strerror(errno));
	execvp(argv[2], argv + 2);
	die("%s: %s", argv[2], strerror(errno));
}

static const struct {
	const char *name, *usage;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"posix", "DIR: what POSIX calls answer in DIR, one line each, as root and as ordinary users", posix_main},
	{"tree", "DIR COUNT: COUNT small files, the same ones every time", tree_main},
	{"odd", "DIR: files of every kind, with every attribute that tar keeps", odd_main},
	{"as", "UID COMMAND...: runs a command as that user and group", as_main},
	{"manifest", "[-c] DIR: what stat, readlink, xattrs, SEEK_HOLE and read say of a tree; -c: change times too", manifest_main},
	{"lock", "flock|fcntl take|try|wait|get FILE [START LENGTH]: locks; what take and wait have got they hold until they are killed", lock_main},
	{"files", "DIR: open files that are renamed, unlinked, mapped, copied", files_main},
	{"append", "FILE TAG COUNT: COUNT records of 64 bytes by O_APPEND", append_main},
	{"swap", "PATH OTHER...: exchanges names until it is asked to stop (SIGTERM)", swap_main},
	{"lookups", "DIR COUNT CANARY: COUNT looks through a name that somebody else exchanges", lookups_main},
	{"forge", "DIR COUNT CANARY: opens file handles that were never given out", forge_main},
	{"quota", "DEVICE UID KIBIBYTES INODES: hard limits of a user", quota_main},
	{"rates", "DIR COUNT: creates, stats and unlinks COUNT files; files per second", rates_main},
	{"timed", "COUNT COMMAND...: runs a command that does COUNT things; how many a second", timed_main},
};

void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("fstool: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

const char *error_name(int error)
{
	static char number[16];
	const char *name = error == 0 ? "ok" : strerrorname_np(error);

	if (name)
		return name;
	snprintf(number, sizeof number, "E%d", error);
	return number;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **sorted_names(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t count = 0, room = 16;
	char **names = malloc(room * sizeof *names);
	struct dirent *entry;
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (!stream || !names)
		die("cannot list a directory: %s", strerror(errno));
	while ((entry = readdir(stream))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (count + 2 > room)
			names = realloc(names, (room *= 2) * sizeof *names);
		names[count++] = strdup(entry->d_name);
	}
	closedir(stream);
	qsort(names, count, sizeof *names, by_name);
	names[count] = NULL;
	return names;
}

void free_names(char **names)
{
	for (char **name = names; *name; name++)
		free(*name);
	free(names);
}

void remove_tree(int dir, const char *name)
{
	int fd;
	char **names;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return;
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		die("cannot remove %s: %s", name, strerror(errno));
	names = sorted_names(fd);
	for (char **entry = names; *entry; entry++)
		remove_tree(fd, *entry);
	free_names(names);
	close(fd);
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
		die("cannot remove the directory %s: %s", name, strerror(errno));
}

double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	const size_t count = sizeof commands / sizeof *commands;

	for (size_t i = 0; argc > 1 && i < count; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, "fstool %s %s\n", commands[i].name, commands[i].usage);
	return 2;
}
