/* tree DIR COUNT: small files whose names and contents depend on their number only, a hundred to a directory. odd DIR: few, but of every kind. */
#include "tool.h"
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

int tree_main(int argc, char **argv)
{
	char path[PATH_MAX], data[4096];
	long count = argc == 3 ? atol(argv[2]) : -1;

	if (count < 0)
		die("tree needs a directory and a number");
	if (mkdir(argv[1], 0755) < 0 && errno != EEXIST)
		die("%s: %s", argv[1], strerror(errno));
	for (long i = 0; i < count; i++) {
		size_t size = mix((uint64_t)i) % 4000;
		int fd;

		if (i % 100 == 0) {
			snprintf(path, sizeof path, "%s/d%04ld", argv[1], i / 100);
			if (mkdir(path, 0755) < 0)
				die("%s: %s", path, strerror(errno));
		}
		for (size_t at = 0; at < size; at += 8) {
			const uint64_t word = mix((uint64_t)i << 20 | at);

			memcpy(data + at, &word, 8);
		}
		snprintf(path, sizeof path, "%s/d%04ld/f%07ld", argv[1], i / 100, i);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) < 0)
			die("%s: %s", path, strerror(errno));
	}
	return 0;
}

static void times_of(const char *name, long long seconds, long nanoseconds)
{
	const struct timespec t[2] = {{1500000000, 5}, {seconds, nanoseconds}};

	if (utimensat(AT_FDCWD, name, t, AT_SYMLINK_NOFOLLOW) < 0)
		die("times of %s: %s", name, strerror(errno));
}

static void file(const char *name, mode_t mode, uid_t uid, gid_t gid, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0 || close(fd) < 0)
		die("%s: %s", name, strerror(errno));
}

static void check(long result, const char *what)
{
	if (result < 0)
		die("%s: %s", what, strerror(errno));
}

static void sparse(const char *name)
{
	static char block[70000];
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	memset(block, 'd', sizeof block);
	check(fd, name);
	check(pwrite(fd, block, sizeof block, 1 << 20), name);
	check(pwrite(fd, block, 4096, 5 << 20), name);
	check(ftruncate(fd, 9 << 20), name);
	close(fd);
}

int odd_main(int argc, char **argv)
{
	static const unsigned char capability[20] = {1, 0, 0, 2, 0, 0x20};
	static const mode_t modes[] = {0, 0400, 0200, 0111, 0644, 0755, 04755, 02755, 02644, 06711, 01644, 07777};
	char name[256] = "", target[1001] = "";

	if (argc != 2 || (mkdir(argv[1], 0755) < 0 && errno != EEXIST) || chdir(argv[1]) < 0)
		die("odd needs a directory");
	umask(0);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		snprintf(name, sizeof name, "mode-%04o", modes[i]);
		file(name, modes[i], 0, 0, name);
	}
	file("owner", 0640, 1234, 5678, "somebody's");
	file("large-ids", 0640, 4000000000u, 4000000001u, "somebody else's");
	file("empty", 0644, 0, 0, "");
	file("one", 0644, 0, 0, "three names");
	check(link("one", "two"), "two");
	check(mkdir("sub", 01777), "sub");
	check(chown("sub", 1234, 5678), "sub");
	check(link("one", "sub/three"), "three");
	check(mkdir("setgid", 0770), "setgid");
	check(chmod("setgid", 02770), "setgid");
	check(mkdir("locked", 0), "locked");
	check(mkfifo("fifo", 0620), "fifo");
	check(mknod("char", S_IFCHR | 0600, makedev(1, 3)), "char");
	check(mknod("block", S_IFBLK | 0660, makedev(7, 200)), "block");
	check(symlink("one", "link"), "link");
	check(symlink("/nowhere/at all", "dangling"), "dangling");
	memset(target, 't', sizeof target - 1);
	check(symlink(target, "long-link"), "long-link");
	check(lchown("link", 1234, 5678), "link");
	memset(name, 'n', 255);
	file(name, 0644, 0, 0, "the longest name");
	file("\303\244 \342\202\254 \360\237\220\247", 0644, 0, 0, "UTF-8");
	file("new\nline\\ and\tblanks \001\377", 0644, 0, 0, "bytes");
	file("attributes", 0644, 0, 0, "named ones");
	check(setxattr("attributes", "user.text", "value", 5, 0), "user.text");
	check(setxattr("attributes", "user.empty", "", 0, 0), "user.empty");
	memset(target, 0, sizeof target);
	check(setxattr("attributes", "user.zeros", target, 1000, 0), "user.zeros");
	check(setxattr("attributes", "security.capability", capability, sizeof capability, 0), "security.capability");
	check(setxattr("sub", "user.of-a-directory", "value", 5, 0), "user.of-a-directory");
	sparse("sparse");
	file("old", 0644, 0, 0, "1911");
	file("new", 0644, 0, 0, "2100");
	times_of("old", -1860000000, 1);
	times_of("new", 4102444800, 999999999);
	times_of("link", 1000000000, 123456789);
	times_of("sub", 1100000000, 987654321);
	return 0;
}
