/*
 * posix DIR: what the calls of POSIX answer, and what they leave behind, one line each. Two file systems agree when the lines do. The cases are
 * products: call x kind of object x who asks, name x call, mode x who x access. After each case everything in its directory is described.
 */
#include "posix.h"
#include <grp.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

struct actor {
	const char *name;
	uid_t uid;
	gid_t gid, group;
};
static const struct actor actors[] = {{"root", 0, 0, 0}, {"owner", 1001, 1001, 1001}, {"group", 1002, 1002, 1001}, {"other", 1003, 1003, 1003}};
const char *const actor_names[] = {"root", "owner", "group", "other"};
const char *const kind_names[] = {"file", "dir", "fulldir", "fifo", "socket", "chardev", "link>file", "link>dir", "dangling", "loop", "missing"};

int home;
char name255[258], name256[259], path4095[PATH_MAX], path4096[PATH_MAX + 1];

int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

void become(int who)
{
	const struct actor *a = &actors[who];

	if (setresuid(-1, 0, -1) || setgroups(1, &a->group) || setresgid(-1, a->gid, -1) || setresuid(-1, a->uid, -1))
		die("cannot become %s: %s", a->name, strerror(errno));
}

void must(long result, const char *what)
{
	if (result < 0)
		die("setting up: %s: %s", what, strerror(errno));
}

void put(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	must(fd, path);
	must(write(fd, "0123456789", 10), "write");
	must(fchown(fd, uid, gid), "fchown");
	must(fchmod(fd, mode), "fchmod");
	close(fd);
}

static void put_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	must(fd, "socket");
	must(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
	close(fd);
}

/* An object of that kind, owned by the owner. */
void make(enum kind kind, const char *path)
{
	char inner[64];

	switch (kind) {
	case FILE_: put(path, 0644, 1001, 1001); return;
	case DIR_: must(mkdir(path, 0755), path); break;
	case FULL:
		must(mkdir(path, 0755), path);
		snprintf(inner, sizeof inner, "%s/in", path);
		put(inner, 0644, 1001, 1001);
		break;
	case FIFO: must(mkfifo(path, 0644), path); break;
	case SOCK: put_socket(path); must(chmod(path, 0755), path); break;
	case CHAR: must(mknod(path, S_IFCHR | 0644, makedev(1, 3)), path); break;
	case LINK_FILE: put("t/lf", 0644, 1001, 1001); must(symlink("lf", path), path); break;
	case LINK_DIR: must(mkdir("t/ld", 0755), "t/ld"); must(chown("t/ld", 1001, 1001), "t/ld"); must(symlink("ld", path), path); break;
	case DANGLING: must(symlink("nowhere", path), path); break;
	case LOOP: must(symlink(strrchr(path, '/') + 1, path), path); break;
	default: return;
	}
	must(lchown(path, 1001, 1001), path);
}

static void describe_xattrs(FILE *to, const char *path)
{
	char list[1024], value[256];
	ssize_t length = llistxattr(path, list, sizeof list), size;

	for (char *name = list; length > 0 && name < list + length; name += strlen(name) + 1) {
		size = lgetxattr(path, name, value, sizeof value);
		fprintf(to, ",%s=%zd", name, size);
	}
}

static void describe(FILE *to, const char *path, const char *name)
{
	char target[64], shown[21];
	struct stat s;
	ssize_t length;

	/* The start of it, on one line. */
	snprintf(shown, sizeof shown, "%s", name);
	for (char *c = shown; *c; c++)
		if (*c <= ' ')
			*c = '?';
	if (lstat(path, &s) < 0) {
		fprintf(to, " %s?%s", shown, error_name(errno));
		return;
	}
	fprintf(to, " %s:%o,%u:%u,%lu", shown, s.st_mode, s.st_uid, s.st_gid, (unsigned long)s.st_nlink);
	if (S_ISREG(s.st_mode))
		fprintf(to, ",%lld", (long long)s.st_size);
	if (S_ISCHR(s.st_mode) || S_ISBLK(s.st_mode))
		fprintf(to, ",%u.%u", major(s.st_rdev), minor(s.st_rdev));
	if (S_ISLNK(s.st_mode) && (length = readlink(path, target, sizeof target)) >= 0)
		fprintf(to, ">%.*s", (int)(length < 20 ? length : 20), target);
	if (S_ISREG(s.st_mode) || S_ISDIR(s.st_mode))
		describe_xattrs(to, path);
	if (S_ISDIR(s.st_mode)) {
		char **names, below[PATH_MAX];
		int fd = open(path, O_RDONLY | O_DIRECTORY);

		must(fd, path);
		names = sorted_names(fd);
		close(fd);
		fprintf(to, " (");
		for (char **entry = names; *entry; entry++) {
			snprintf(below, sizeof below, "%s/%s", path, *entry);
			describe(to, below, *entry);
		}
		fprintf(to, " )");
		free_names(names);
	}
}

static char *description(void)
{
	char *text;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	if (!to)
		die("no memory");
	describe(to, "t", "t");
	fclose(to);
	return text;
}

static char made[128], *pristine;
static bool changed = true, unseen;

/* Before t goes: what the calls since its last description have done to it, which should be nothing. */
static void last_look(void)
{
	char *now;

	if (!unseen)
		return;
	now = description();
	printf("left of %s: %s |%s\n", made, strcmp(now, pristine) ? "changed" : "ok", now);
	free(now);
	unseen = false;
}

bool begin(const char *format, ...)
{
	char key[sizeof made];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(key, sizeof key, format, arguments);
	va_end(arguments);
	if (!changed && !strcmp(key, made))
		return false;
	last_look();
	memcpy(made, key, sizeof made);
	changed = true;
	remove_tree(home, "t");
	must(mkdir("t", 0777), "mkdir t");
	return true;
}

void ready(void)
{
	if (!changed)
		return;
	free(pristine);
	pristine = description();
}

void end(int error, bool looked)
{
	char *now;

	become(ROOT);
	umask(0);
	must(fchdir(home), "fchdir");
	if (error || looked) {
		printf(": %s\n", error_name(error));
		changed = false;
		unseen = true;
		return;
	}
	unseen = false;
	now = description();
	changed = strcmp(now, pristine) != 0;
	printf(": %s |%s\n", error_name(error), now);
	free(now);
}

/* A name of that length in t. */
static void fill_name(char *path, size_t length)
{
	memset(path, 'n', length + 2);
	memcpy(path, "t/", 2);
}

/* A path of that length for t/x or t/xx. */
static void fill_path(char *path, size_t length)
{
	size_t i;

	memcpy(path, "t/", 2);
	for (i = 2; i + 2 < length; i += 2)
		memcpy(path + i, "./", 2);
	memset(path + i, 'x', length - i);
}

int posix_main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {{"kinds", calls_by_kind}, {"in", calls_by_directory}, {"names", calls_by_name}, {"pairs", pairs}, {"modes", permissions},
		     {"directories", directories}, {"new", inheritance}, {"setid", privileges}, {"times", times}, {"xattrs", attribute_limits},
		     {"open", open_files}};

	if (argc < 2 || geteuid() != 0)
		die("posix needs a directory, and root");
	home = open(argv[1], O_RDONLY | O_DIRECTORY);
	must(home, argv[1]);
	must(fchdir(home), "fchdir");
	umask(0);
	fill_name(name255, 255);
	fill_name(name256, 256);
	fill_path(path4095, PATH_MAX - 1);
	fill_path(path4096, PATH_MAX);
	for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
		if (argc < 3 || !strcmp(argv[2], parts[p].name))
			parts[p].run();
	last_look();
	remove_tree(home, "t");
	return fflush(stdout) ? 1 : 0;
}
