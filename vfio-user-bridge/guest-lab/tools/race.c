/*
 * swap: on the host, exchanges names as fast as it can. lookups: in the guest, uses these names; what carries the canary must never be reached.
 * forge: in the guest, opens file handles that nobody ever gave it.
 */
#include "tool.h"
#include <signal.h>
#include <sys/xattr.h>

static volatile sig_atomic_t stop;

static void on_term(int signal)
{
	(void)signal;
	stop = 1;
}

int swap_main(int argc, char **argv)
{
	unsigned long count = 0;

	if (argc < 3 || argc % 2 == 0)
		die("swap needs pairs of names");
	signal(SIGTERM, on_term);
	puts("swapping");
	fflush(stdout);
	/* An even number of times: in the end everything is where it was. */
	for (; !stop || count % 2; count++) {
		/* The other side is to get its turn with the directory too. */
		usleep((useconds_t)(count * 7 % 100));
		for (int i = 1; i < argc; i += 2)
			if (renameat2(AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], RENAME_EXCHANGE) < 0)
				die("%s: %s", argv[i], strerror(errno));
	}
	printf("%lu\n", count);
	return 0;
}

static const char *canary;
static unsigned long errors[256], successes;

static void caught(const char *what, const char *path)
{
	die("ESCAPED: %s of %s reached what lies outside", what, path);
}

static void outcome(long result)
{
	if (result >= 0)
		successes++;
	else
		errors[errno & 255]++;
}

/* Reads and looks for the canary. */
static void look_into(int fd, const char *path)
{
	char data[256] = "";
	ssize_t got = pread(fd, data, sizeof data - 1, 0);

	if (got > 0 && memmem(data, (size_t)got, canary, strlen(canary)))
		caught("read", path);
}

static void look_at_directory(int fd, const char *path)
{
	DIR *stream = fdopendir(fd);
	struct dirent *entry;

	if (!stream) {
		close(fd);
		return;
	}
	while ((entry = readdir(stream)))
		if (strstr(entry->d_name, canary))
			caught("readdir", path);
	closedir(stream);
}

static void at(char *path, const char *dir, const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", dir, name);
}

/* One of many ways to use the names "d" (a directory, or a link to one outside) and "f" (a file, a link to one outside, or a pipe). */
static void look(const char *dir, unsigned long n)
{
	char path[PATH_MAX], other[PATH_MAX], value[64];
	struct stat s;
	int fd;

	switch (n % 16) {
	case 0: case 1: case 2:
		at(path, dir, "d/in");
		fd = open(path, O_RDONLY | O_NONBLOCK);
		outcome(fd);
		if (fd >= 0) {
			look_into(fd, path);
			close(fd);
		}
		break;
	case 3: case 4:
		at(path, dir, "f");
		fd = open(path, O_RDONLY | O_NONBLOCK);
		outcome(fd);
		if (fd >= 0) {
			look_into(fd, path);
			close(fd);
		}
		break;
	case 5:
		at(path, dir, "f");
		fd = open(path, O_WRONLY | O_APPEND | O_NONBLOCK);
		outcome(fd);
		if (fd >= 0) {
			if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && write(fd, "w", 1) < 0)
				errors[errno & 255]++;
			close(fd);
		}
		break;
	case 6:
		at(path, dir, "d");
		fd = open(path, O_RDONLY | O_DIRECTORY);
		outcome(fd);
		if (fd >= 0)
			look_at_directory(fd, path);
		break;
	case 7:
		at(path, dir, "d/made");
		fd = open(path, O_CREAT | O_WRONLY, 0644);
		outcome(fd);
		if (fd >= 0)
			close(fd);
		break;
	case 8:
		at(path, dir, "d/made");
		outcome(unlink(path));
		at(path, dir, "d/victim");
		outcome(stat(path, &s));
		if (stat(path, &s) == 0)
			caught("stat", path);
		break;
	case 9:
		at(path, dir, "d/in");
		outcome(stat(path, &s));
		break;
	case 10:
		at(path, dir, "f");
		outcome(chmod(path, 0644));
		break;
	case 11:
		at(path, dir, "f");
		outcome(truncate(path, 4));
		break;
	case 12:
		at(path, dir, "d/in");
		at(other, dir, "taken");
		outcome(link(path, other));
		fd = open(other, O_RDONLY | O_NONBLOCK);
		if (fd >= 0) {
			look_into(fd, other);
			close(fd);
		}
		unlink(other);
		break;
	case 13:
		at(path, dir, "d/victim");
		at(other, dir, "moved");
		outcome(rename(path, other));
		if (unlink(path) == 0 || unlink(other) == 0)
			caught("rename or unlink", path);
		break;
	case 14:
		at(path, dir, "d/in");
		outcome(getxattr(path, "user.canary", value, sizeof value));
		if (getxattr(path, "user.canary", value, sizeof value) >= 0)
			caught("getxattr", path);
		outcome(setxattr(path, "user.guest", "v", 1, 0));
		break;
	case 15:
		at(path, dir, "d/sub/in");
		fd = open(path, O_RDWR | O_NONBLOCK);
		outcome(fd);
		if (fd >= 0) {
			look_into(fd, path);
			close(fd);
		}
		break;
	}
}

int lookups_main(int argc, char **argv)
{
	unsigned long count;

	if (argc != 4)
		die("lookups needs a directory, a number and the canary");
	count = strtoul(argv[2], NULL, 10);
	canary = argv[3];
	for (unsigned long n = 0; n < count; n++)
		look(argv[1], n);
	printf("ok=%lu", successes);
	for (int i = 0; i < 256; i++)
		if (errors[i])
			printf(" %s=%lu", error_name(i), errors[i]);
	putchar('\n');
	return 0;
}

static uint64_t state = 88172645463325252u;

static uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

int forge_main(int argc, char **argv)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} real, forged;
	int mount, id, fd;
	unsigned long count;
	uint32_t *word = (uint32_t *)forged.handle.f_handle;

	if (argc != 4)
		die("forge needs a directory, a number and the canary");
	count = strtoul(argv[2], NULL, 10);
	canary = argv[3];
	mount = open(argv[1], O_RDONLY | O_DIRECTORY);
	real.handle.handle_bytes = MAX_HANDLE_SZ;
	if (mount < 0 || name_to_handle_at(mount, "", &real.handle, &id, AT_EMPTY_PATH) < 0)
		die("%s: %s", argv[1], strerror(errno));
	fd = open_by_handle_at(mount, &real.handle, O_RDONLY);
	if (fd < 0)
		die("the handle of %s itself: %s", argv[1], strerror(errno));
	close(fd);
	/* FUSE: upper and lower half of the node id, generation. */
	for (unsigned long n = 0; n < count; n++) {
		memcpy(&forged, &real, sizeof real);
		switch (n % 4) {
		case 0: word[0] = (uint32_t)draw(); word[1] = (uint32_t)draw(); break;
		case 1: word[0] = 0; word[1] = (uint32_t)(n / 4); break;
		case 2: word[n % 3] ^= 1u << draw() % 32; break;
		case 3: word[0] = draw() % 2 ? 0 : 0xffffffff; word[1] = (uint32_t)draw() % 1024; word[2] = (uint32_t)draw() % 4; break;
		}
		fd = open_by_handle_at(mount, &forged.handle, O_RDONLY | O_NONBLOCK);
		outcome(fd);
		if (fd < 0)
			continue;
		look_into(fd, "a forged handle");
		look_at_directory(fd, "a forged handle");
	}
	printf("ok=%lu", successes);
	for (int i = 0; i < 256; i++)
		if (errors[i])
			printf(" %s=%lu", error_name(i), errors[i]);
	putchar('\n');
	return 0;
}
