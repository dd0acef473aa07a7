/* What "posix" tries: products of calls, objects, modes and people. What shares its objects comes one after another. */
#include "posix.h"
#include <sys/xattr.h>

int run_as(int who, const struct call *call, const char *path)
{
	int error;

	become(who);
	error = call->run(path, call->number);
	become(ROOT);
	return error;
}

void calls_by_kind(void)
{
	static const int who[] = {ROOT, OWNER, OTHER};

	for (int kind = 0; kind < KINDS; kind++)
		for (size_t c = 0; c < call_count; c++)
			for (size_t w = 0; w < 3; w++) {
				if (begin("%s", kind_names[kind]))
					make(kind, "t/x");
				ready();
				printf("%s %s %s", calls[c].name, kind_names[kind], actor_names[who[w]]);
				end(run_as(who[w], &calls[c], "t/x"), calls[c].looks);
			}
}

/* The directory forbids writing or searching, or is sticky and somebody else's. */
void calls_by_directory(void)
{
	static const mode_t modes[] = {0755, 0733, 0766, 0700, 01777};
	static const int kinds[] = {FILE_, DIR_, MISSING};

	for (size_t m = 0; m < 5; m++)
		for (size_t k = 0; k < 3; k++)
			for (size_t c = 0; c < call_count; c++) {
				if (begin("in-%04o %d", modes[m], kinds[k])) {
					make(kinds[k], "t/x");
					if (kinds[k] != MISSING)
						must(chmod("t/x", 0777), "chmod");
					must(chmod("t", modes[m]), "chmod");
				}
				ready();
				printf("in-%04o %s %s other", modes[m], calls[c].name, kind_names[kinds[k]]);
				end(run_as(OTHER, &calls[c], "t/x"), calls[c].looks);
			}
}

void calls_by_name(void)
{
	const char *const names[][2] = {
		{"empty", ""}, {"below-file", "t/f/x"}, {"below-missing", "t/m/x"}, {"below-loop", "t/l/x"}, {"file/", "t/f/"}, {"dir/", "t/d/"},
		{"missing/", "t/m/"}, {"link>dir/", "t/ld/"}, {"link>file/", "t/lf/"}, {"dir/.", "t/d/."}, {"dir/..", "t/d/.."}, {"255", name255},
		{"256", name256}, {"path4095", path4095}, {"path4096", path4096},
		{"utf8", "t/\303\244\342\202\254\360\237\220\247"}, {"bytes", "t/\377\001\n\t\\x"},
	};

	for (size_t n = 0; n < sizeof names / sizeof *names; n++)
		for (size_t c = 0; c < call_count; c++) {
			if (begin("names")) {
				put("t/f", 0644, 1001, 1001);
				must(mkdir("t/d", 0777), "mkdir");
				must(symlink("l", "t/l"), "symlink");
				must(symlink("d", "t/ld"), "symlink");
				must(symlink("f", "t/lf"), "symlink");
			}
			ready();
			printf("name-%s %s", names[n][0], calls[c].name);
			end(run_as(ROOT, &calls[c], names[n][1]), calls[c].looks);
		}
}

/* One kind onto another: rename with each flag, and link. */
void pairs(void)
{
	static const struct {
		const char *name;
		unsigned flags;
	} how[] = {{"link", 0}, {"rename", 0}, {"rename-noreplace", RENAME_NOREPLACE}, {"rename-exchange", RENAME_EXCHANGE}, {"rename-whiteout", RENAME_WHITEOUT}};

	for (int from = 0; from < KINDS; from++)
		for (int to = 0; to < KINDS; to++)
			for (int h = 0; h < 5; h++) {
				/* Both links would have the same target. */
				if (from == to && (from == LINK_FILE || from == LINK_DIR))
					continue;
				if (begin("%s-%s", kind_names[from], kind_names[to])) {
					make(from, "t/x");
					make(to, "t/y");
				}
				ready();
				printf("%s %s %s", how[h].name, kind_names[from], kind_names[to]);
				end(errno_of(h == 0 ? link("t/x", "t/y") : renameat2(AT_FDCWD, "t/x", AT_FDCWD, "t/y", how[h].flags)), false);
			}
}

void permissions(void)
{
	static const mode_t modes[] = {0, 0400, 0200, 0100, 0040, 0020, 0010, 0004, 0002, 0001, 0700, 0070, 0007, 0077, 0707, 0770};

	for (size_t m = 0; m < sizeof modes / sizeof *modes; m++)
		for (int kind = FILE_; kind <= DIR_; kind++)
			for (size_t a = 0; a < sizeof accesses / sizeof *accesses; a++)
				for (int who = 0; who < ACTORS; who++) {
					if (begin("mode-%04o %d", modes[m], kind)) {
						make(kind, "t/x");
						must(chmod("t/x", modes[m]), "chmod");
					}
					ready();
					printf("mode-%04o %s %s %s", modes[m], accesses[a].name, kind_names[kind], actor_names[who]);
					end(run_as(who, &accesses[a], "t/x"), accesses[a].looks);
				}
}

void directories(void)
{
	static const mode_t modes[] = {0500, 0600, 0300, 0755, 0777, 01777, 02777, 03777};

	for (size_t m = 0; m < sizeof modes / sizeof *modes; m++)
		for (int holder = 0; holder < 2; holder++)
			for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
				for (int who = 0; who < ACTORS; who++) {
					if (begin("dir-%04o %d", modes[m], holder)) {
						make(FULL, "t/x");
						if (holder)
							must(lchown("t/x", 1003, 1003), "chown");
						must(chmod("t/x", modes[m]), "chmod");
					}
					ready();
					printf("dir-%04o-of-%s %s %s", modes[m], holder ? "other" : "owner", inside[i].name, actor_names[who]);
					end(run_as(who, &inside[i], "t/x"), inside[i].looks);
				}
}

/* What a new object gets from its directory's set-group-id bit, its creator and the umask. */
void inheritance(void)
{
	static const mode_t masks[] = {0, 022, 077, 0777};
	static const mode_t modes[] = {0777, 02777};

	for (size_t d = 0; d < 2; d++)
		for (size_t k = 0; k < 4; k++)
			for (size_t c = 0; c < sizeof makers / sizeof *makers; c++)
				for (int who = 0; who < ACTORS; who++) {
					if (begin("new-in-%04o", modes[d])) {
						must(chown("t", 1001, 1001), "chown");
						must(chmod("t", modes[d]), "chmod");
					}
					ready();
					umask(masks[k]);
					printf("new-in-%04o umask-%03o %s %s", modes[d], masks[k], makers[c].name, actor_names[who]);
					end(run_as(who, &makers[c], "t/x"), makers[c].looks);
				}
}

/* Which changes take set-id bits and capabilities from a file. */
void privileges(void)
{
	static const mode_t modes[] = {06777, 06766, 02777, 02767, 04766, 06666};
	/* Version 2, effective, cap_net_raw permitted. */
	static const unsigned char capability[20] = {1, 0, 0, 2, 0, 0x20};

	for (size_t m = 0; m < sizeof modes / sizeof *modes; m++)
		for (size_t c = 0; c < sizeof changes / sizeof *changes; c++)
			for (int who = 0; who < ACTORS; who++) {
				if (begin("setid-%04o", modes[m])) {
					put("t/x", 0666, 1001, 1001);
					must(chmod("t/x", modes[m]), "chmod");
					/* Where it is refused, its absence is a difference. */
					setxattr("t/x", "security.capability", capability, sizeof capability, 0);
				}
				ready();
				printf("setid-%04o %s %s", modes[m], changes[c].name, actor_names[who]);
				end(run_as(who, &changes[c], "t/x"), changes[c].looks);
			}
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Which times a call changes, of the object and of its directory. Old times are set first, and the change time gets time to differ. */
void times(void)
{
	static const int kinds[] = {FILE_, DIR_, LINK_FILE, MISSING};
	static const char *const path[] = {"t/x", "t"};
	const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}}, pause = {0, 12000000};
	struct stat before[2], after[2];
	int there[2], error;

	for (size_t k = 0; k < 4; k++)
		for (size_t c = 0; c < call_count; c++) {
			if (begin("times %d", kinds[k]))
				make(kinds[k], "t/x");
			ready();
			if (kinds[k] != MISSING)
				must(utimensat(AT_FDCWD, "t/x", old, AT_SYMLINK_NOFOLLOW), "utimensat");
			must(utimensat(AT_FDCWD, "t", old, 0), "utimensat");
			for (int i = 0; i < 2; i++)
				there[i] = lstat(path[i], &before[i]) == 0;
			nanosleep(&pause, NULL);
			error = run_as(ROOT, &calls[c], "t/x");
			printf("times %s %s", calls[c].name, kind_names[kinds[k]]);
			for (int i = 0; i < 2; i++)
				if (there[i] && lstat(path[i], &after[i]) == 0)
					printf(" %s%s%s", i ? "directory" : "object", same_time(before[i].st_mtim, after[i].st_mtim) ? "" : "-m",
					       same_time(before[i].st_ctim, after[i].st_ctim) ? "" : "-c");
			end(error, calls[c].looks);
		}
}
