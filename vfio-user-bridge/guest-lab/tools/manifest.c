/* manifest [-c] DIR: a tree in words, one line for each object, in an order of its own. */
#include "tool.h"
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* Hard links: every file with more than one name is called after its first one. */
static struct first {
	dev_t dev;
	ino_t ino;
	char *path;
} *firsts;
static size_t first_count;
static bool with_change_time;

static const char *first_name(const struct stat *s, const char *path)
{
	for (size_t i = 0; i < first_count; i++)
		if (firsts[i].dev == s->st_dev && firsts[i].ino == s->st_ino)
			return firsts[i].path;
	firsts = realloc(firsts, (first_count + 1) * sizeof *firsts);
	firsts[first_count++] = (struct first){s->st_dev, s->st_ino, strdup(path)};
	return path;
}

/* Names with blanks or worse stay on their line. */
static void quoted(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c == '\\' || c >= 127)
			printf("\\%03o", c);
		else
			putchar(c);
	}
}

static void content(int dir, const char *name, const struct stat *s)
{
	static char buffer[1 << 16];
	uint64_t hash = 0xcbf29ce484222325u;
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	off_t data = 0, hole;
	ssize_t got;

	if (fd < 0) {
		printf(" open=%s", error_name(errno));
		return;
	}
	while ((got = read(fd, buffer, sizeof buffer)) > 0)
		for (ssize_t i = 0; i < got; i++)
			hash = (hash ^ (unsigned char)buffer[i]) * 0x100000001b3u;
	printf(" content=%016llx", (unsigned long long)hash);
	if (got < 0)
		printf(" read=%s", error_name(errno));
	printf(" data=");
	while (data < s->st_size && (data = lseek(fd, data, SEEK_DATA)) >= 0) {
		hole = lseek(fd, data, SEEK_HOLE);
		printf("[%lld,%lld)", (long long)data, (long long)hole);
		if (hole < 0)
			break;
		data = hole;
	}
	close(fd);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void attributes(const char *path)
{
	static char list[65536], value[65536];
	char *names[256];
	size_t count = 0;
	ssize_t length = llistxattr(path, list, sizeof list), size;

	for (char *name = list; length > 0 && name < list + length && count < 256; name += strlen(name) + 1)
		names[count++] = name;
	qsort(names, count, sizeof *names, by_text);
	for (size_t i = 0; i < count; i++) {
		size = lgetxattr(path, names[i], value, sizeof value);
		printf(" @%s=", names[i]);
		quoted(value, size < 0 ? 0 : (size_t)size);
	}
}

static void tell(int dir, const char *name, const char *path, const char *shown)
{
	char target[PATH_MAX], inner[PATH_MAX];
	struct stat s;
	ssize_t length;

	if (fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW) < 0) {
		quoted(shown, strlen(shown));
		printf(" %s\n", error_name(errno));
		return;
	}
	quoted(shown, strlen(shown));
	printf(" %07o %u:%u links=%lu mtime=%lld.%09ld", s.st_mode, s.st_uid, s.st_gid, (unsigned long)s.st_nlink, (long long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
	if (with_change_time)
		printf(" ctime=%lld.%09ld", (long long)s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
	if (!S_ISDIR(s.st_mode))
		printf(" size=%lld", (long long)s.st_size);
	if (S_ISCHR(s.st_mode) || S_ISBLK(s.st_mode))
		printf(" device=%u:%u", major(s.st_rdev), minor(s.st_rdev));
	if (!S_ISDIR(s.st_mode) && s.st_nlink > 1) {
		printf(" same-as=");
		const char *first = first_name(&s, shown);
		quoted(first, strlen(first));
	}
	if (S_ISLNK(s.st_mode) && (length = readlinkat(dir, name, target, sizeof target)) >= 0) {
		printf(" target=");
		quoted(target, (size_t)length);
	}
	attributes(path);
	if (S_ISREG(s.st_mode))
		content(dir, name, &s);
	putchar('\n');
	if (S_ISDIR(s.st_mode)) {
		int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		char **names, below[PATH_MAX];

		if (fd < 0)
			die("%s: %s", path, strerror(errno));
		names = sorted_names(fd);
		for (char **entry = names; *entry; entry++) {
			if (snprintf(inner, sizeof inner, "%s/%s", path, *entry) >= PATH_MAX || snprintf(below, sizeof below, "%s/%s", shown, *entry) >= PATH_MAX)
				die("%s: too deep", path);
			tell(fd, *entry, inner, below);
		}
		free_names(names);
		close(fd);
	}
}

int manifest_main(int argc, char **argv)
{
	with_change_time = argc > 1 && !strcmp(argv[1], "-c");
	if (argc != (with_change_time ? 3 : 2))
		die("manifest needs a directory");
	tell(AT_FDCWD, argv[argc - 1], argv[argc - 1], ".");
	return fflush(stdout) ? 1 : 0;
}
