/* rates DIR COUNT: one process creates, stats and unlinks files. timed: another does. quota: limits without the quota package. */
#include "tool.h"
#include <sys/quota.h>
#include <sys/wait.h>

static void rate(const char *name, const char *dir, long count, int (*call)(const char *path))
{
	char path[PATH_MAX];
	double start = seconds();

	for (long i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/f%07ld", dir, i);
		if (call(path) < 0)
			die("%s %s: %s", name, path, strerror(errno));
	}
	printf("%s %.0f\n", name, (double)count / (seconds() - start));
}

static int create(const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

	return fd < 0 ? -1 : close(fd);
}

static int look(const char *path)
{
	struct stat s;

	return stat(path, &s);
}

/* What the guest still knows of the files is forgotten, or stat would ask nobody. */
static void forget(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0 || write(fd, "2\n", 2) != 2)
		die("drop_caches: %s", strerror(errno));
	close(fd);
}

int rates_main(int argc, char **argv)
{
	long count = argc == 3 ? atol(argv[2]) : -1;

	if (count <= 0)
		die("rates needs a directory and a number");
	if (mkdir(argv[1], 0755) < 0)
		die("%s: %s", argv[1], strerror(errno));
	rate("create", argv[1], count, create);
	forget();
	rate("stat", argv[1], count, look);
	rate("unlink", argv[1], count, unlink);
	return rmdir(argv[1]) < 0;
}

/* The command's own output goes nowhere. */
int timed_main(int argc, char **argv)
{
	long count = argc > 2 ? atol(argv[1]) : -1;
	double start = seconds();
	int status, null;
	pid_t child;

	if (count <= 0)
		die("timed needs a number and a command");
	child = fork();
	if (child == 0) {
		null = open("/dev/null", O_WRONLY);
		if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
			die("/dev/null: %s", strerror(errno));
		execvp(argv[2], argv + 2);
		die("%s: %s", argv[2], strerror(errno));
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		die("%s: %s", argv[2], strerror(errno));
	printf("%.0f\n", (double)count / (seconds() - start));
	return status != 0;
}

int quota_main(int argc, char **argv)
{
	struct dqblk limits = {.dqb_valid = QIF_LIMITS};

	if (argc != 5)
		die("quota needs a device, a user, KiB and inodes");
	limits.dqb_bhardlimit = limits.dqb_bsoftlimit = strtoull(argv[3], NULL, 10);
	limits.dqb_ihardlimit = limits.dqb_isoftlimit = strtoull(argv[4], NULL, 10);
	if (quotactl(QCMD(Q_SETQUOTA, USRQUOTA), argv[1], atoi(argv[2]), (caddr_t)&limits) < 0)
		die("quota of %s: %s", argv[1], strerror(errno));
	return 0;
}
