/* The calls that "posix" makes: each gets a path and a number of its own meaning. */
#include "posix.h"
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

int closed(int fd)
{
	int error = errno;

	if (fd < 0)
		return error;
	close(fd);
	return 0;
}

static int c_open(const char *p, long flags) { return closed(open(p, (int)flags | O_NONBLOCK, 0666)); }

static int c_write(const char *p, long flags)
{
	int fd = open(p, (int)flags | O_NONBLOCK, 0666), error;

	if (fd < 0)
		return errno;
	error = errno_of(write(fd, "abc", 3));
	close(fd);
	return error;
}

static int c_read(const char *p, long flags)
{
	char buffer[16];
	int fd = open(p, (int)flags | O_NONBLOCK), error;

	if (fd < 0)
		return errno;
	error = errno_of(pread(fd, buffer, sizeof buffer, 0));
	close(fd);
	return error;
}

static int c_tmpfile(const char *p, long flags)
{
	int fd = open(p, O_TMPFILE | (int)flags, 0640), error = 0;
	char link_path[64];

	if (fd < 0)
		return errno;
	if (write(fd, "tmp", 3) != 3)
		error = errno;
	snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", fd);
	if (!error)
		error = errno_of(linkat(AT_FDCWD, link_path, AT_FDCWD, "t/new", AT_SYMLINK_FOLLOW));
	close(fd);
	return error;
}

static int c_chmod(const char *p, long mode) { return errno_of(chmod(p, (mode_t)mode)); }
static int c_lchmod(const char *p, long mode) { return errno_of(fchmodat(AT_FDCWD, p, (mode_t)mode, AT_SYMLINK_NOFOLLOW)); }
/* uid in the upper half, gid in the lower; 0xffff is "leave it". */
static uid_t half(long id) { return (id & 0xffff) == 0xffff ? (uid_t)-1 : (uid_t)(id & 0xffff); }
static int c_chown(const char *p, long ids) { return errno_of(chown(p, half(ids >> 16), half(ids))); }
static int c_lchown(const char *p, long ids) { return errno_of(lchown(p, half(ids >> 16), half(ids))); }
static int c_mkdir(const char *p, long mode) { return errno_of(mkdir(p, (mode_t)mode)); }
static int c_mknod(const char *p, long mode) { return errno_of(mknod(p, (mode_t)mode, S_ISCHR(mode) || S_ISBLK(mode) ? makedev(1, 3) : 0)); }
static int c_unlink(const char *p, long flags) { return errno_of(unlinkat(AT_FDCWD, p, (int)flags)); }
static int c_truncate(const char *p, long size) { return errno_of(truncate(p, size)); }
static int c_stat(const char *p, long flags) { struct stat s; return errno_of(fstatat(AT_FDCWD, p, &s, (int)flags)); }
static int c_access(const char *p, long mode) { return errno_of(faccessat(AT_FDCWD, p, (int)mode, AT_EACCESS)); }
static int c_statfs(const char *p, long x) { struct statfs s; (void)x; return errno_of(statfs(p, &s)); }
static int c_chdir(const char *p, long x) { int e = errno_of(chdir(p)); (void)x; must(fchdir(home), "fchdir"); return e; }
static int c_readlink(const char *p, long size) { char b[64]; return errno_of(readlink(p, b, (size_t)size)); }
static int c_symlink(const char *p, long length)
{
	static char target[PATH_MAX + 2];

	memset(target, 'x', (size_t)length);
	target[length] = 0;
	return errno_of(symlink(target, p));
}
static int c_link_from(const char *p, long flags) { return errno_of(linkat(AT_FDCWD, p, AT_FDCWD, "t/new", (int)flags)); }
static int c_link_to(const char *p, long x) { int e = closed(open("t/other", O_WRONLY | O_CREAT, 0644)); (void)x; return e ? e : errno_of(link("t/other", p)); }
static int c_rename_from(const char *p, long flags) { return errno_of(renameat2(AT_FDCWD, p, AT_FDCWD, "t/new", (unsigned)flags)); }
static int c_opendir(const char *p, long x)
{
	DIR *d = opendir(p);

	(void)x;
	if (!d)
		return errno;
	errno = 0;
	while (readdir(d))
		;
	closedir(d);
	return errno;
}

static int c_utime(const char *p, long how)
{
	struct timespec t[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
	int flags = how & 16 ? AT_SYMLINK_NOFOLLOW : 0;

	switch (how & 15) {
	case 1: t[0].tv_nsec = t[1].tv_nsec = UTIME_NOW; break;
	case 2: t[0].tv_nsec = t[1].tv_nsec = UTIME_OMIT; break;
	case 3: t[0].tv_nsec = UTIME_NOW; t[1].tv_nsec = UTIME_OMIT; break;
	case 4: t[0].tv_nsec = 1000000000; break;
	case 5: return errno_of(utimensat(AT_FDCWD, p, NULL, flags));
	}
	return errno_of(utimensat(AT_FDCWD, p, t, flags));
}

static const char *const xattr_names[] = {"user.a", "trusted.a", "security.a", "bogus.a", "user.", "noprefix", "user.missing", "system.a"};
static int c_setxattr(const char *p, long n) { return errno_of(setxattr(p, xattr_names[n & 15], "value", 5, (int)(n >> 4))); }
static int c_lsetxattr(const char *p, long n) { return errno_of(lsetxattr(p, xattr_names[n & 15], "value", 5, 0)); }
static int c_getxattr(const char *p, long n) { char v[64]; return errno_of(getxattr(p, xattr_names[n & 15], v, sizeof v)); }
static int c_removexattr(const char *p, long n) { return errno_of(removexattr(p, xattr_names[n & 15])); }
static int c_listxattr(const char *p, long size) { char v[256]; return errno_of(listxattr(p, v, (size_t)size)); }

static int c_fallocate(const char *p, long mode)
{
	int fd = open(p, O_RDWR | O_NONBLOCK), error;

	if (fd < 0)
		return errno;
	error = errno_of(fallocate(fd, (int)mode, 0, 4096));
	close(fd);
	return error;
}

static int c_getflags(const char *p, long x)
{
	int fd = open(p, O_RDONLY | O_NONBLOCK), flags, error;

	(void)x;
	if (fd < 0)
		return errno;
	error = errno_of(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	close(fd);
	return error;
}

static int c_flock(const char *p, long x)
{
	int fd = open(p, O_RDONLY | O_NONBLOCK), error;

	(void)x;
	if (fd < 0)
		return errno;
	error = errno_of(flock(fd, LOCK_EX | LOCK_NB));
	close(fd);
	return error;
}

static int c_fcntl(const char *p, long type)
{
	struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET};
	int fd = open(p, (type == F_WRLCK ? O_RDWR : O_RDONLY) | O_NONBLOCK), error;

	if (fd < 0)
		return errno;
	error = errno_of(fcntl(fd, F_SETLK, &lock));
	close(fd);
	return error;
}

const struct call calls[] = {
	{"open-r", c_open, O_RDONLY, true}, {"open-w", c_open, O_WRONLY, true}, {"open-rw", c_open, O_RDWR, true},
	{"open-creat", c_open, O_RDWR | O_CREAT}, {"open-excl", c_open, O_RDWR | O_CREAT | O_EXCL}, {"open-trunc", c_open, O_WRONLY | O_TRUNC},
	{"open-creat-trunc-r", c_open, O_RDONLY | O_CREAT | O_TRUNC}, {"open-directory", c_open, O_RDONLY | O_DIRECTORY, true},
	{"open-nofollow", c_open, O_RDONLY | O_NOFOLLOW, true}, {"open-creat-nofollow", c_open, O_RDWR | O_CREAT | O_NOFOLLOW},
	{"open-path", c_open, O_PATH, true}, {"open-path-nofollow", c_open, O_PATH | O_NOFOLLOW, true}, {"open-noatime", c_open, O_RDONLY | O_NOATIME, true},
	{"open-creat-directory", c_open, O_RDONLY | O_CREAT | O_DIRECTORY}, {"open-w-directory", c_open, O_WRONLY | O_DIRECTORY, true},
	{"open-direct", c_open, O_RDONLY | O_DIRECT, true},
	{"write", c_write, O_WRONLY}, {"write-append", c_write, O_WRONLY | O_APPEND}, {"write-rdonly", c_write, O_RDONLY, true},
	{"write-sync", c_write, O_WRONLY | O_SYNC}, {"read", c_read, O_RDONLY, true}, {"read-wronly", c_read, O_WRONLY, true},
	{"tmpfile", c_tmpfile, O_RDWR}, {"tmpfile-w", c_tmpfile, O_WRONLY}, {"tmpfile-excl", c_tmpfile, O_RDWR | O_EXCL}, {"tmpfile-r", c_tmpfile, O_RDONLY},
	{"chmod-640", c_chmod, 0640}, {"chmod-4755", c_chmod, 04755}, {"chmod-2755", c_chmod, 02755}, {"chmod-1777", c_chmod, 01777}, {"chmod-7777", c_chmod, 07777},
	{"lchmod-600", c_lchmod, 0600},
	{"chown-keep", c_chown, 0xffffffff}, {"chown-user", c_chown, 1003L << 16 | 0xffff}, {"chown-owngroup", c_chown, 0xffff0000L | 1001},
	{"chown-group", c_chown, 0xffff0000L | 1003}, {"chown-same", c_chown, 1001L << 16 | 1001}, {"lchown", c_lchown, 1003L << 16 | 1003},
	{"mkdir-755", c_mkdir, 0755}, {"mkdir-3777", c_mkdir, 03777}, {"mkfifo", c_mknod, S_IFIFO | 0644}, {"mknod-file", c_mknod, S_IFREG | 06755},
	{"mknod-char", c_mknod, S_IFCHR | 0600}, {"mknod-block", c_mknod, S_IFBLK | 0600}, {"mknod-socket", c_mknod, S_IFSOCK | 0755},
	{"mknod-dir", c_mknod, S_IFDIR | 0755}, {"mknod-bad", c_mknod, 0160000 | 0644},
	{"symlink", c_symlink, 5}, {"symlink-empty", c_symlink, 0}, {"symlink-4095", c_symlink, 4095}, {"symlink-4096", c_symlink, 4096},
	{"readlink", c_readlink, 64, true}, {"readlink-1", c_readlink, 1, true}, {"readlink-0", c_readlink, 0, true},
	{"link-from", c_link_from, 0}, {"link-from-follow", c_link_from, AT_SYMLINK_FOLLOW}, {"link-to", c_link_to, 0},
	{"rename-from", c_rename_from, 0}, {"rename-from-noreplace", c_rename_from, RENAME_NOREPLACE}, {"rename-from-bad", c_rename_from, 128},
	{"rename-from-noreplace-exchange", c_rename_from, RENAME_NOREPLACE | RENAME_EXCHANGE},
	{"unlink", c_unlink, 0}, {"rmdir", c_unlink, AT_REMOVEDIR}, {"opendir", c_opendir, 0, true}, {"chdir", c_chdir, 0, true},
	{"truncate-5", c_truncate, 5}, {"truncate-0", c_truncate, 0}, {"truncate-5000", c_truncate, 5000}, {"truncate-minus", c_truncate, -1},
	{"truncate-huge", c_truncate, LONG_MAX},
	{"stat", c_stat, 0, true}, {"lstat", c_stat, AT_SYMLINK_NOFOLLOW, true}, {"access-r", c_access, R_OK, true}, {"access-w", c_access, W_OK, true}, {"access-x", c_access, X_OK, true},
	{"statfs", c_statfs, 0, true},
	{"utime-set", c_utime, 0}, {"utime-now", c_utime, 1}, {"utime-omit", c_utime, 2}, {"utime-now-omit", c_utime, 3}, {"utime-bad", c_utime, 4},
	{"utime-null", c_utime, 5}, {"lutime-set", c_utime, 16}, {"lutime-now", c_utime, 17},
	{"setxattr-user", c_setxattr, 0}, {"setxattr-trusted", c_setxattr, 1}, {"setxattr-security", c_setxattr, 2}, {"setxattr-bogus", c_setxattr, 3},
	{"setxattr-noname", c_setxattr, 4}, {"setxattr-noprefix", c_setxattr, 5}, {"setxattr-replace", c_setxattr, XATTR_REPLACE << 4},
	{"setxattr-create", c_setxattr, XATTR_CREATE << 4}, {"lsetxattr-user", c_lsetxattr, 0}, {"lsetxattr-trusted", c_lsetxattr, 1},
	{"getxattr-missing", c_getxattr, 6, true}, {"getxattr-bogus", c_getxattr, 3, true}, {"removexattr-missing", c_removexattr, 6}, {"listxattr", c_listxattr, 256, true},
	{"listxattr-0", c_listxattr, 0, true},
	{"fallocate", c_fallocate, 0}, {"fallocate-keep", c_fallocate, FALLOC_FL_KEEP_SIZE}, {"punch", c_fallocate, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
	{"punch-nokeep", c_fallocate, FALLOC_FL_PUNCH_HOLE}, {"zero-range", c_fallocate, FALLOC_FL_ZERO_RANGE}, {"collapse", c_fallocate, FALLOC_FL_COLLAPSE_RANGE},
	{"insert", c_fallocate, FALLOC_FL_INSERT_RANGE},
	{"getflags", c_getflags, 0, true}, {"flock", c_flock, 0, true}, {"lock-r", c_fcntl, F_RDLCK, true}, {"lock-w", c_fcntl, F_WRLCK, true},
};
const size_t call_count = sizeof calls / sizeof *calls;


const struct call accesses[] = {
	{"open-r", c_open, O_RDONLY, true}, {"open-w", c_open, O_WRONLY, true}, {"open-trunc", c_open, O_RDWR | O_TRUNC}, {"access-x", c_access, X_OK, true},
	{"truncate", c_truncate, 3}, {"utime-now", c_utime, 1}, {"utime-set", c_utime, 0}, {"chmod", c_chmod, 0644}, {"setxattr", c_setxattr, 0},
	{"listxattr", c_listxattr, 256, true}, {"opendir", c_opendir, 0, true}, {"chdir", c_chdir, 0, true},
};

static int c_create_in(const char *p, long x) { char b[64]; (void)x; snprintf(b, sizeof b, "%s/n", p); return closed(open(b, O_CREAT | O_EXCL | O_RDWR, 0666)); }
static int c_mkdir_in(const char *p, long x) { char b[64]; (void)x; snprintf(b, sizeof b, "%s/n", p); return errno_of(mkdir(b, 0777)); }
static int c_stat_in(const char *p, long x) { char b[64]; struct stat s; (void)x; snprintf(b, sizeof b, "%s/in", p); return errno_of(lstat(b, &s)); }
static int c_unlink_in(const char *p, long x) { char b[64]; (void)x; snprintf(b, sizeof b, "%s/in", p); return errno_of(unlink(b)); }
static int c_move_in(const char *p, long x) { char b[64]; (void)x; snprintf(b, sizeof b, "%s/in", p); return errno_of(rename(b, "t/new")); }
static int c_over_in(const char *p, long x) { char b[64]; (void)x; closed(open("t/other", O_WRONLY | O_CREAT, 0644)); snprintf(b, sizeof b, "%s/in", p); return errno_of(rename("t/other", b)); }


const struct call inside[] = {{"create", c_create_in, 0}, {"mkdir", c_mkdir_in, 0}, {"stat", c_stat_in, 0, true}, {"unlink", c_unlink_in, 0},
	     {"move-out", c_move_in, 0}, {"move-over", c_over_in, 0}};

/* What makes something new. */
const struct call makers[] = {{"open-666", c_open, O_CREAT | O_EXCL | O_RDWR}, {"mkdir-777", c_mkdir, 0777}, {"mkdir-2755", c_mkdir, 02755},
	     {"fifo-666", c_mknod, S_IFIFO | 0666}, {"file-2755", c_mknod, S_IFREG | 02755}, {"file-2775", c_mknod, S_IFREG | 02775},
	     {"file-6777", c_mknod, S_IFREG | 06777}, {"symlink", c_symlink, 3}};

/* What changes a file. */
const struct call changes[] = {{"write", c_write, O_WRONLY}, {"append", c_write, O_WRONLY | O_APPEND}, {"truncate", c_truncate, 5},
	      {"truncate-same", c_truncate, 10}, {"open-trunc", c_open, O_WRONLY | O_TRUNC}, {"fallocate", c_fallocate, 0},
	      {"punch", c_fallocate, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE}, {"chown-keep", c_chown, 0xffffffff},
	      {"chown-same", c_chown, 1001L << 16 | 1001}, {"chown-group", c_chown, 0xffff0000L | 1001}, {"utime", c_utime, 1},
	      {"setxattr", c_setxattr, 0}, {"read", c_read, O_RDONLY, true}};
