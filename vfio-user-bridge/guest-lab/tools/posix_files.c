/* Sequences of calls on open files and directories, and the limits of extended attributes. */
#include "posix.h"
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

static void answer(const char *what, long result)
{
	int error = errno_of(result);

	if (error)
		printf("%s: %s\n", what, error_name(error));
	else
		printf("%s: %ld\n", what, result);
}

void attribute_limits(void)
{
	static char value[70000], name[300];

	begin("%s", __func__);
	ready();
	put("t/x", 0644, 1001, 1001);
	memset(name, 'n', sizeof name);
	memcpy(name, "user.", 5);
	name[255] = 0;
	answer("xattr name of 255", setxattr("t/x", name, "v", 1, 0));
	answer("xattr get it", getxattr("t/x", name, value, 10));
	answer("xattr remove it", removexattr("t/x", name));
	name[255] = 'n';
	name[256] = 0;
	answer("xattr name of 256", setxattr("t/x", name, "v", 1, 0));
	answer("xattr value of 1000", setxattr("t/x", "user.big", value, 1000, 0));
	answer("xattr size asked", getxattr("t/x", "user.big", NULL, 0));
	answer("xattr room too small", getxattr("t/x", "user.big", value, 999));
	answer("xattr value of 65537", setxattr("t/x", "user.huge", value, 65537, 0));
	answer("xattr empty value", setxattr("t/x", "user.empty", "", 0, 0));
	answer("xattr empty value read", getxattr("t/x", "user.empty", value, 10));
	answer("xattr create existing", setxattr("t/x", "user.empty", "v", 1, XATTR_CREATE));
	answer("xattr replace missing", setxattr("t/x", "user.none", "v", 1, XATTR_REPLACE));
	answer("xattr bad flags", setxattr("t/x", "user.a", "v", 1, 4));
	answer("xattr list size", listxattr("t/x", NULL, 0));
	answer("xattr list too small", listxattr("t/x", value, 3));
	answer("xattr remove", removexattr("t/x", "user.big"));
	answer("xattr remove again", removexattr("t/x", "user.big"));
	become(OTHER);
	answer("xattr user.* by other", setxattr("t/x", "user.o", "v", 1, 0));
	answer("xattr trusted.* by other", setxattr("t/x", "trusted.o", "v", 1, 0));
	become(OWNER);
	answer("xattr user.* by owner", setxattr("t/x", "user.o", "v", 1, 0));
	answer("xattr trusted.* read by owner", getxattr("t/x", "trusted.o", value, 10));
	printf("xattr end");
	end(0, false);
}

void open_files(void)
{
	char b[32], big[8192];
	struct stat s;
	struct rlimit limit = {20000, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
	int fd, dir, other;
	DIR *stream;
	long count;

	begin("%s", __func__);
	ready();
	put("t/x", 0644, 1001, 1001);
	fd = open("t/x", O_RDWR);
	must(fd, "open");
	answer("unlink open file", unlink("t/x"));
	answer("fstat unlinked", fstat(fd, &s));
	answer("links unlinked", (long)s.st_nlink);
	answer("read unlinked", pread(fd, b, sizeof b, 0));
	answer("write unlinked", pwrite(fd, "more", 4, 10));
	answer("ftruncate unlinked", ftruncate(fd, 7));
	answer("fchmod unlinked", fchmod(fd, 0600));
	answer("fchown unlinked", fchown(fd, 1003, 1003));
	answer("futimens unlinked", futimens(fd, NULL));
	answer("fsetxattr unlinked", fsetxattr(fd, "user.a", "v", 1, 0));
	answer("fgetxattr unlinked", fgetxattr(fd, "user.a", b, sizeof b));
	answer("fallocate unlinked", fallocate(fd, 0, 0, 100));
	answer("fsync unlinked", fsync(fd));
	answer("fstat unlinked again", fstat(fd, &s));
	answer("size unlinked", (long)s.st_size);
	answer("mode unlinked", (long)s.st_mode);
	snprintf(b, sizeof b, "/proc/self/fd/%d", fd);
	answer("link unlinked back", linkat(AT_FDCWD, b, AT_FDCWD, "t/back", AT_SYMLINK_FOLLOW));
	answer("flock unlinked", flock(fd, LOCK_EX | LOCK_NB));
	close(fd);

	put("t/a", 0644, 0, 0);
	fd = open("t/a", O_RDWR);
	answer("rename open file", rename("t/a", "t/b"));
	answer("write renamed", pwrite(fd, "AB", 2, 0));
	put("t/c", 0644, 0, 0);
	answer("rename over open file", rename("t/c", "t/b"));
	answer("read replaced", pread(fd, b, 10, 0));
	answer("its first byte", b[0]);
	fstat(fd, &s);
	answer("links replaced", (long)s.st_nlink);
	close(fd);

	fd = open("t/b", O_RDWR);
	answer("seek end", lseek(fd, 0, SEEK_END));
	answer("write at 100000", pwrite(fd, "z", 1, 100000));
	answer("read the gap", pread(fd, b, 8, 50000));
	answer("its byte", b[3]);
	answer("seek data", lseek(fd, 20000, SEEK_DATA));
	answer("seek hole", lseek(fd, 0, SEEK_HOLE));
	answer("seek data beyond", lseek(fd, 200000, SEEK_DATA));
	answer("read negative", pread(fd, b, 1, -1));
	answer("write beyond all limits", pwrite(fd, "z", 1, LONG_MAX - 1));
	answer("read at end", pread(fd, b, 8, 100001));
	answer("ftruncate negative", ftruncate(fd, -1));
	answer("fallocate nothing", fallocate(fd, 0, 0, 0));
	answer("fallocate negative", fallocate(fd, 0, -1, 10));
	other = open("t/copy", O_RDWR | O_CREAT, 0644);
	answer("copy_file_range", copy_file_range(fd, &(off_t){0}, other, &(off_t){0}, 10, 0));
	answer("copy_file_range at end", copy_file_range(fd, &(off_t){200000}, other, &(off_t){0}, 10, 0));
	answer("copy_file_range overlapping", copy_file_range(fd, &(off_t){0}, fd, &(off_t){2}, 10, 0));
	answer("copy_file_range bad flags", copy_file_range(fd, &(off_t){0}, other, &(off_t){0}, 10, 1));
	close(other);
	other = open("t/copy", O_RDONLY);
	answer("copy_file_range to read-only", copy_file_range(fd, &(off_t){0}, other, &(off_t){0}, 10, 0));
	answer("ftruncate read-only", ftruncate(other, 0));
	answer("fallocate read-only", fallocate(other, 0, 0, 10));
	answer("write read-only", write(other, "x", 1));
	close(other);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	answer("write across the limit", pwrite(fd, big, sizeof big, 19000));
	answer("write behind the limit", pwrite(fd, big, sizeof big, 20000));
	answer("truncate behind the limit", ftruncate(fd, 300000));
	setrlimit(RLIMIT_FSIZE, &none);
	close(fd);

	fd = open("t/append", O_RDWR | O_CREAT | O_APPEND, 0644);
	answer("append", write(fd, "aaaa", 4));
	answer("pwrite of an appender", pwrite(fd, "b", 1, 0));
	answer("its offset", lseek(fd, 0, SEEK_CUR));
	other = open("t/append", O_WRONLY);
	answer("write by another", pwrite(other, "cccccccc", 8, 5));
	close(other);
	answer("append again", write(fd, "d", 1));
	fstat(fd, &s);
	answer("size after appending", (long)s.st_size);
	close(fd);

	must(mkdir("t/d", 0755), "mkdir");
	answer("rename into itself", rename("t/d", "t/d/x"));
	answer("rename a parent over", rename("t/append", "t"));
	must(mkdir("t/d/e", 0755), "mkdir");
	answer("rename to its parent", rename("t/d/e", "t/d"));
	stat("t/d", &s);
	answer("links of a directory with one", (long)s.st_nlink);
	must(rename("t/d/e", "t/e"), "rename");
	stat("t/d", &s);
	answer("links after it moved away", (long)s.st_nlink);
	put("t/h1", 0644, 0, 0);
	must(link("t/h1", "t/h2"), "link");
	answer("rename a link over the same file", rename("t/h1", "t/h2"));
	answer("both are there", access("t/h1", F_OK));
	dir = open("t/e", O_RDONLY | O_DIRECTORY);
	answer("rmdir open directory", rmdir("t/e"));
	answer("create in it", openat(dir, "x", O_CREAT | O_RDWR, 0644));
	answer("mkdir in it", mkdirat(dir, "x", 0755));
	answer("stat in it", fstatat(dir, "x", &s, 0));
	answer("fstat it", fstat(dir, &s));
	answer("its links", (long)s.st_nlink);
	answer("chdir to it", fchdir(dir));
	answer("getcwd in it", syscall(SYS_getcwd, big, sizeof big));
	must(fchdir(home), "fchdir");
	close(dir);
	answer("read a directory", read(home, b, 4));
	answer("write a directory", write(home, b, 4));
	answer("fsync a directory", fsync(home));
	answer("ftruncate a directory", ftruncate(home, 0));

	must(mkdir("t/many", 0755), "mkdir");
	for (int i = 0; i < 500; i++) {
		snprintf(big, sizeof big, "t/many/%0*d", 1 + i % 200, i);
		must(closed(open(big, O_CREAT | O_RDWR, 0644)) ? -1 : 0, "create");
	}
	stream = opendir("t/many");
	for (count = 0; readdir(stream); count++)
		;
	answer("entries of a large directory", count);
	rewinddir(stream);
	for (count = 0; count < 200; count++)
		readdir(stream);
	long place = telldir(stream);
	const struct dirent *entry = readdir(stream);
	char name[256] = "";
	if (entry)
		snprintf(name, sizeof name, "%s", entry->d_name);
	for (int i = 0; i < 50; i++)
		readdir(stream);
	seekdir(stream, place);
	entry = readdir(stream);
	answer("seekdir comes back to the same entry", entry && !strcmp(entry->d_name, name));
	for (count = 201; readdir(stream); count++)
		;
	answer("and all that follow", count);
	rewinddir(stream);
	/* Every entry is deleted as it is read. */
	for (count = 0; (entry = readdir(stream));)
		if (entry->d_name[0] != '.' && unlinkat(dirfd(stream), entry->d_name, 0) == 0)
			count++;
	answer("deleted while reading", count);
	closedir(stream);
	answer("rmdir afterwards", rmdir("t/many"));
	printf("open files end");
	end(0, false);
}

