/*
 * lock flock|fcntl take|try|wait|get FILE [START LENGTH]: exclusive locks, of the whole file or (fcntl) a part.
 * take: at once or an error, then held until killed; try: whether it could be taken; wait: blocks, then holds; get: who is in the way.
 */
#include "tool.h"
#include <sys/file.h>

static void hold(void)
{
	fflush(stdout);
	for (;;)
		pause();
}

int lock_main(int argc, char **argv)
{
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	bool whole, wait;
	int fd, result;

	if (argc < 4)
		die("lock needs a kind, a verb and a file");
	whole = !strcmp(argv[1], "flock");
	wait = !strcmp(argv[2], "wait");
	if (argc > 5) {
		range.l_start = atoll(argv[4]);
		range.l_len = atoll(argv[5]);
	}
	fd = open(argv[3], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("%s: %s", argv[3], strerror(errno));
	if (!strcmp(argv[2], "get")) {
		if (fcntl(fd, F_GETLK, &range) < 0)
			die("F_GETLK: %s", strerror(errno));
		if (range.l_type == F_UNLCK)
			puts("free");
		else
			printf("%s %lld %lld\n", range.l_type == F_WRLCK ? "write" : "read", (long long)range.l_start, (long long)range.l_len);
		return 0;
	}
	if (wait) {
		puts("waiting");
		fflush(stdout);
	}
	do
		result = whole ? flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) : fcntl(fd, wait ? F_SETLKW : F_SETLK, &range);
	while (result < 0 && errno == EINTR && wait);
	if (result < 0) {
		/* Both names of the same answer. */
		puts(errno == EACCES ? "EAGAIN" : error_name(errno));
		return 1;
	}
	puts("taken");
	if (strcmp(argv[2], "try"))
		hold();
	return 0;
}
