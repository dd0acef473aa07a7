/* files DIR: mapped files. append FILE TAG COUNT: records that must neither be lost nor torn. */
#include "tool.h"
#include <sys/mman.h>

#define SIZE (3 * 1024 * 1024 + 1234)

static void need(bool ok, const char *what)
{
	if (!ok)
		die("%s (%s)", what, strerror(errno));
	printf("ok %s\n", what);
}

static unsigned char pattern(size_t at)
{
	return (unsigned char)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static bool same(const unsigned char *data, size_t from, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (data[i] != pattern(from + i))
			return false;
	return true;
}

int files_main(int argc, char **argv)
{
	static unsigned char buffer[SIZE];
	unsigned char *map, *second;
	int fd, other;

	if (argc != 2 || chdir(argv[1]) < 0)
		die("files needs a directory");
	fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0644);
	need(fd >= 0 && ftruncate(fd, SIZE) == 0, "a file of 3 MiB and some bytes, made by ftruncate");
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(map != MAP_FAILED, "mapped shared for reading and writing");
	for (size_t i = 0; i < SIZE; i++)
		map[i] = pattern(i);
	need(pread(fd, buffer, SIZE, 0) == SIZE && same(buffer, 0, SIZE), "read() sees what was stored through the mapping");
	need(msync(map, SIZE, MS_SYNC) == 0, "msync");
	need(pwrite(fd, "written", 7, 5000) == 7 && !memcmp(map + 5000, "written", 7), "the mapping sees what was written by write()");
	for (size_t i = 5000; i < 5007; i++)
		map[i] = pattern(i);
	other = open("mapped", O_RDONLY);
	second = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, other, 0);
	need(second != MAP_FAILED && same(second, 0, SIZE), "a second mapping sees the same");
	munmap(second, SIZE);
	second = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, other, 0);
	need(second != MAP_FAILED, "mapped private of a read-only descriptor");
	memset(second, 0, SIZE);
	need(same(map, 0, SIZE), "private changes stay private");
	munmap(second, SIZE);
	close(other);
	need(munmap(map, SIZE) == 0 && fsync(fd) == 0 && close(fd) == 0, "unmapped, synchronized, closed");

	fd = open("mapped-unlinked", O_RDWR | O_CREAT | O_TRUNC, 0644);
	need(fd >= 0 && ftruncate(fd, SIZE) == 0 && unlink("mapped-unlinked") == 0, "a file without a name");
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(map != MAP_FAILED, "mapped");
	for (size_t i = 0; i < SIZE; i++)
		map[i] = pattern(i);
	need(msync(map, SIZE, MS_SYNC) == 0 && pread(fd, buffer, SIZE, 0) == SIZE && same(buffer, 0, SIZE), "it holds what was stored");
	munmap(map, SIZE);
	close(fd);

	struct statx now;
	fd = open("mapped-append", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0644);
	need(fd >= 0 && ftruncate(fd, 8192) == 0, "a file for appending");
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(map != MAP_FAILED, "mapped");
	memcpy(map, "first page", 10);
	need(msync(map, 8192, MS_SYNC) == 0 && write(fd, "tail", 4) == 4 && munmap(map, 8192) == 0 && fsync(fd) == 0, "its first page changed, and four bytes appended");
	need(statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_SIZE, &now) == 0 && now.stx_size == 8196, "it has grown by these four");
	close(fd);

	/* Every length around page and block borders, by O_DIRECT where that is allowed. */
	fd = open("direct", O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0644);
	need(fd >= 0, "opened with O_DIRECT");
	unsigned char *aligned = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < 1 << 20; i++)
		aligned[i] = pattern(i);
	need(pwrite(fd, aligned, 1 << 20, 0) == 1 << 20, "1 MiB written with O_DIRECT");
	memset(aligned, 0, 1 << 20);
	need(pread(fd, aligned, 1 << 20, 0) == 1 << 20 && same(aligned, 0, 1 << 20), "1 MiB read back with O_DIRECT");
	other = open("direct", O_RDONLY);
	need(pread(other, buffer, 1 << 20, 0) == 1 << 20 && same(buffer, 0, 1 << 20), "the cached view agrees");
	for (size_t i = 0; i < 65536; i++)
		aligned[i] = pattern(i + 1);
	need(pwrite(fd, aligned, 65536, 65536) == 65536 && pread(other, buffer, 65536, 65536) == 65536 && same(buffer, 1, 65536),
	     "the cached view sees a later O_DIRECT write");
	need(pread(fd, aligned, 4096, 1 << 20) == 0, "O_DIRECT at the end reads nothing");
	close(other);
	close(fd);
	return 0;
}

int append_main(int argc, char **argv)
{
	char record[65];
	long count = argc == 4 ? atol(argv[3]) : -1;
	int fd;

	if (count < 0)
		die("append needs a file, a tag and a number");
	fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0644);
	if (fd < 0)
		die("%s: %s", argv[1], strerror(errno));
	for (long i = 0; i < count; i++) {
		snprintf(record, sizeof record, "%s %-*ld\n", argv[2], (int)(62 - strlen(argv[2])), i);
		if (write(fd, record, 64) != 64)
			die("record %ld: %s", i, strerror(errno));
	}
	return close(fd) < 0;
}
