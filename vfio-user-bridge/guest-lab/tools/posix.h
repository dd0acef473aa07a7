/* The parts of "posix": a world of one directory t, the calls, and what is tried there. */
#ifndef POSIX_H
#define POSIX_H
#include "tool.h"
#include <linux/fs.h>

/* "group" is in the owner's group by its supplementary groups only. */
enum { ROOT, OWNER, GROUP, OTHER, ACTORS };
extern const char *const actor_names[];
enum kind { FILE_, DIR_, FULL, FIFO, SOCK, CHAR, LINK_FILE, LINK_DIR, DANGLING, LOOP, MISSING, KINDS };
extern const char *const kind_names[];

struct call {
	const char *name;
	/* An error number, 0 when it worked. */
	int (*run)(const char *path, long number);
	long number;
	/* It only looks: nothing needs to be described after it. */
	bool looks;
};
extern const struct call calls[];
extern const size_t call_count;
extern const struct call accesses[12], inside[6], makers[8], changes[13];

/* The directory that t is in. */
extern int home;
/* Paths in t: names of 255 and 256 bytes, wholes of 4095 and 4096. */
extern char name255[258], name256[259], path4095[PATH_MAX], path4096[PATH_MAX + 1];

void become(int who);
void must(long result, const char *what);
int errno_of(long result);
int closed(int fd);
void put(const char *path, mode_t mode, uid_t uid, gid_t gid);
void make(enum kind kind, const char *path);

/* True when t is new and empty, and what "key" stands for must be made in it; false when it still is as it was made. */
bool begin(const char *key, ...) __attribute__((format(printf, 1, 2)));
/* After the making: from here on everything that changes is an effect of the call. */
void ready(void);
int run_as(int who, const struct call *call, const char *path);
/* Ends a line: the answer and, when the call may have changed something, what is there now. What a call changed although it failed shows in the
   next description of the same t, at the latest before it is removed. */
void end(int error, bool looked);

void calls_by_kind(void);
void calls_by_directory(void);
void calls_by_name(void);
void pairs(void);
void permissions(void);
void directories(void);
void inheritance(void);
void privileges(void);
void times(void);
void attribute_limits(void);
void open_files(void);
#endif
