/* Counts the system calls that change files below one folder, and lets the Nth of them fail.
 *
 * Preloaded (LD_PRELOAD) into the process under test, which calls `faults_arm` through ctypes once
 * it is ready. The count lies in a page that parent and child share, so that it outlives a kill.
 * A call is counted before it is made: "kill at N" leaves calls 1 to N-1 done.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum action { NONE, KILL, TORN, ERROR, SIGNAL, SHORT };
enum call { WRITES, TAKES_ROOM, SYNCS, REMOVES };

struct shared {
    volatile long seen;      /* file-changing calls below the folder */
    volatile long point;     /* the one that is to fail, from 1; 0 for none */
    volatile int action;
    volatile int number;     /* errno, or signal */
    volatile int for_ever;   /* all later calls fail as well */
    volatile long struck;    /* calls that the fault has met */
    volatile long kinds;     /* bit for each kind of call that the fault has met */
};

static struct shared *shared;
static char folder[PATH_MAX];
static size_t folder_length;

/* -- what Python calls ------------------------------------------------------------------------ */

void faults_watch(const char *path)
{
    if (!shared)
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || strlen(path) >= sizeof folder)
        abort();
    strcpy(folder, path);
    folder_length = strlen(path);
}

void faults_arm(long point, int action, int number, int for_ever)
{
    shared->seen = shared->struck = shared->kinds = 0;
    shared->point = point;
    shared->action = action;
    shared->number = number;
    shared->for_ever = for_ever;
}

void faults_heal(void) { shared->point = 0; }
long faults_seen(void) { return shared->seen; }
long faults_struck(void) { return shared->struck; }
long faults_kinds(void) { return shared->kinds; }

/* -- is it ours, and is it its turn? ----------------------------------------------------------- */

static int below_folder(const char *path)
{
    return folder_length && strncmp(path, folder, folder_length) == 0 &&
           (path[folder_length] == '/' || path[folder_length] == '\0');
}

static int name_of(int descriptor, char *name)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, name, PATH_MAX - 1);
    if (length < 0)
        return 0;
    name[length] = '\0';
    return 1;
}

static int ours(int descriptor)
{
    char name[PATH_MAX];
    int before = errno, answer = shared && name_of(descriptor, name) && below_folder(name);
    errno = before;
    return answer;
}

static int ours_at(int at, const char *path)
{
    char name[2 * PATH_MAX];
    int before = errno, answer = 0;
    if (!shared || !path)
        return 0;
    if (path[0] == '/')
        return below_folder(path);
    if (at == AT_FDCWD ? getcwd(name, PATH_MAX) != NULL : name_of(at, name)) {
        strcat(name, "/");
        strncat(name, path, PATH_MAX - 1);
        answer = below_folder(name);
    }
    errno = before;
    return answer;
}

/* 0: go on; -1: fail with errno; -2: only half of it, then kill; -3: only half of it */
static int turn(enum call kind)
{
    long now = __sync_add_and_fetch(&shared->seen, 1);
    if (!shared->point || now < shared->point || (now > shared->point && !shared->for_ever))
        return 0;
    if (shared->action == ERROR && kind == REMOVES && shared->number != EIO)
        return 0; /* a full disk or quota lets files be removed */
    if ((shared->action == TORN || shared->action == SHORT) && kind != WRITES)
        return 0; /* only what writes bytes can be cut */
    shared->struck++;
    shared->kinds |= 1L << kind;
    switch (shared->action) {
    case KILL:
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    case TORN:
        return -2;
    case ERROR:
        errno = shared->number;
        return -1;
    case SIGNAL:
        raise(shared->number);
        return 0;
    case SHORT:
        return -3;
    default:
        return 0;
    }
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* Calls that change a file's bytes, whole or, cut, half of them. */
#define CUT(full, half) \
    int what = ours(descriptor) ? turn(WRITES) : 0; \
    if (what == -1) \
        return -1; \
    if (what <= -2) { \
        ssize_t done = half; \
        if (what == -2) { \
            kill(getpid(), SIGKILL); \
            for (;;) \
                pause(); \
        } \
        return done; \
    } \
    return full

/* Calls that are made, or not. */
#define WHOLE(is_ours, kind, call) \
    if ((is_ours) && turn(kind) == -1) \
        return -1; \
    return call

#define HALF(size) ((size) > 1 ? (size) / 2 : (size))

ssize_t write(int descriptor, const void *data, size_t size)
{
    REAL(write);
    CUT(real(descriptor, data, size), real(descriptor, data, HALF(size)));
}

#define PWRITE(name, offset_type) \
    ssize_t name(int descriptor, const void *data, size_t size, offset_type offset) \
    { \
        REAL(name); \
        CUT(real(descriptor, data, size, offset), real(descriptor, data, HALF(size), offset)); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    REAL(writev);
    CUT(real(descriptor, parts, count), real(descriptor, parts, HALF(count)));
}

#define PWRITEV(name, offset_type) \
    ssize_t name(int descriptor, const struct iovec *parts, int count, offset_type offset) \
    { \
        REAL(name); \
        CUT(real(descriptor, parts, count, offset), real(descriptor, parts, HALF(count), offset)); \
    }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define PWRITEV2(name, offset_type) \
    ssize_t name(int descriptor, const struct iovec *parts, int count, offset_type offset, int flags) \
    { \
        REAL(name); \
        CUT(real(descriptor, parts, count, offset, flags), \
            real(descriptor, parts, HALF(count), offset, flags)); \
    }
PWRITEV2(pwritev2, off_t)
PWRITEV2(pwritev64v2, off64_t)

#define SENDFILE(name, offset_type) \
    ssize_t name(int descriptor, int from, offset_type *offset, size_t size) \
    { \
        REAL(name); \
        CUT(real(descriptor, from, offset, size), real(descriptor, from, offset, HALF(size))); \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

ssize_t copy_file_range(int from, off64_t *there, int descriptor, off64_t *here, size_t size,
                        unsigned int flags)
{
    REAL(copy_file_range);
    CUT(real(from, there, descriptor, here, size, flags),
        real(from, there, descriptor, here, HALF(size), flags));
}

#define FTRUNCATE(name, offset_type) \
    int name(int descriptor, offset_type size) \
    { \
        REAL(name); \
        WHOLE(ours(descriptor), TAKES_ROOM, real(descriptor, size)); \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define TRUNCATE(name, offset_type) \
    int name(const char *path, offset_type size) \
    { \
        REAL(name); \
        WHOLE(ours_at(AT_FDCWD, path), TAKES_ROOM, real(path, size)); \
    }
TRUNCATE(truncate, off_t)
TRUNCATE(truncate64, off64_t)

#define FALLOCATE(name, offset_type) \
    int name(int descriptor, int mode, offset_type offset, offset_type size) \
    { \
        REAL(name); \
        WHOLE(ours(descriptor), TAKES_ROOM, real(descriptor, mode, offset, size)); \
    }
FALLOCATE(fallocate, off_t)
FALLOCATE(fallocate64, off64_t)

/* These return the error number instead of setting errno. */
#define POSIX_FALLOCATE(name, offset_type) \
    int name(int descriptor, offset_type offset, offset_type size) \
    { \
        REAL(name); \
        if (ours(descriptor) && turn(TAKES_ROOM) == -1) \
            return shared->number; \
        return real(descriptor, offset, size); \
    }
POSIX_FALLOCATE(posix_fallocate, off_t)
POSIX_FALLOCATE(posix_fallocate64, off64_t)

#define SYNC(name) \
    int name(int descriptor) \
    { \
        REAL(name); \
        WHOLE(ours(descriptor), SYNCS, real(descriptor)); \
    }
SYNC(fsync)
SYNC(fdatasync)

int rename(const char *from, const char *to)
{
    REAL(rename);
    WHOLE(ours_at(AT_FDCWD, to), TAKES_ROOM, real(from, to));
}

int renameat(int at, const char *from, int to_at, const char *to)
{
    REAL(renameat);
    WHOLE(ours_at(to_at, to), TAKES_ROOM, real(at, from, to_at, to));
}

int renameat2(int at, const char *from, int to_at, const char *to, unsigned int flags)
{
    REAL(renameat2);
    WHOLE(ours_at(to_at, to), TAKES_ROOM, real(at, from, to_at, to, flags));
}

int link(const char *from, const char *to)
{
    REAL(link);
    WHOLE(ours_at(AT_FDCWD, to), TAKES_ROOM, real(from, to));
}

int linkat(int at, const char *from, int to_at, const char *to, int flags)
{
    REAL(linkat);
    WHOLE(ours_at(to_at, to), TAKES_ROOM, real(at, from, to_at, to, flags));
}

int symlink(const char *from, const char *to)
{
    REAL(symlink);
    WHOLE(ours_at(AT_FDCWD, to), TAKES_ROOM, real(from, to));
}

int unlink(const char *path)
{
    REAL(unlink);
    WHOLE(ours_at(AT_FDCWD, path), REMOVES, real(path));
}

int unlinkat(int at, const char *path, int flags)
{
    REAL(unlinkat);
    WHOLE(ours_at(at, path), REMOVES, real(at, path, flags));
}

int rmdir(const char *path)
{
    REAL(rmdir);
    WHOLE(ours_at(AT_FDCWD, path), REMOVES, real(path));
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    WHOLE(ours_at(AT_FDCWD, path), TAKES_ROOM, real(path, mode));
}

int mkdirat(int at, const char *path, mode_t mode)
{
    REAL(mkdirat);
    WHOLE(ours_at(at, path), TAKES_ROOM, real(at, path, mode));
}

/* Opening changes a file only when it makes or empties one. */
#define CHANGES(flags) ((flags) & (O_CREAT | O_TRUNC) || ((flags) & O_TMPFILE) == O_TMPFILE)

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = CHANGES(flags) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        WHOLE(CHANGES(flags) && ours_at(AT_FDCWD, path), TAKES_ROOM, real(path, flags, mode)); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) \
    { \
        REAL(name); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = CHANGES(flags) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        WHOLE(CHANGES(flags) && ours_at(at, path), TAKES_ROOM, real(at, path, flags, mode)); \
    }
OPENAT(openat)
OPENAT(openat64)

#define CREAT(name) \
    int name(const char *path, mode_t mode) \
    { \
        REAL(name); \
        WHOLE(ours_at(AT_FDCWD, path), TAKES_ROOM, real(path, mode)); \
    }
CREAT(creat)
CREAT(creat64)
