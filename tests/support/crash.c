/* Counts the operations by which processes change files below a folder; at one of them it kills the process, or lets
   the operation fail. Preloaded (LD_PRELOAD), so that it sees what HDF5, SQLite and FFmpeg do as well as Python.
   Processes that are forked share the count. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    char folder[PATH_MAX];
    char at_what[PATH_MAX + 32];
    long count, at;
    int error; /* 0: kill */
} *plan;

__attribute__((constructor)) static void share(void) {
    plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void crash_plan(const char *folder, long at, int error) {
    plan->count = 0, plan->at = at, plan->error = error, plan->at_what[0] = 0;
    snprintf(plan->folder, PATH_MAX, "%s", folder);
}

long crash_count(void) { return plan->count; }

const char *crash_at(void) { return plan->at_what; }

/* Of an open file, or of a name in an open folder, the path; empty where there is none. */
static void path_of(int descriptor, const char *name, char *path) {
    char link[64] = "/proc/self/cwd";
    if (name && name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return;
    }
    if (descriptor != AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    length = length < 0 ? 0 : length;
    snprintf(path + length, PATH_MAX - length, "%s%s", name ? "/" : "", name ? name : "");
}

/* Whether this operation is the one that fails. */
static int fails(const char *operation, int descriptor, const char *name) {
    char path[PATH_MAX];
    int before = errno;
    size_t length = plan ? strlen(plan->folder) : 0;
    if (!length)
        return 0;
    path_of(descriptor, name, path);
    errno = before;
    if (strncmp(path, plan->folder, length) || __atomic_add_fetch(&plan->count, 1, __ATOMIC_SEQ_CST) != plan->at)
        return 0;
    snprintf(plan->at_what, sizeof plan->at_what, "%s %s", operation, path + length);
    if (!plan->error)
        kill(getpid(), SIGKILL);
    errno = plan->error;
    return 1;
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

#define OPEN(name, descriptor, call, ...)                                                                              \
    int name(__VA_ARGS__, int flags, ...) {                                                                            \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t mode = va_arg(more, mode_t);                                                                            \
        va_end(more);                                                                                                  \
        if (flags & (O_WRONLY | O_RDWR | O_CREAT) && fails("open", descriptor, path))                                  \
            return -1;                                                                                                 \
        return REAL(int, #name, __VA_ARGS__, int, ...) call;                                                           \
    }
#define OTHER(type, name, operation, descriptor, path, call, ...)                                                      \
    type name(__VA_ARGS__) {                                                                                           \
        return fails(operation, descriptor, path) ? -1 : REAL(type, #name, __VA_ARGS__) call;                          \
    }

OPEN(open, AT_FDCWD, (path, flags, mode), const char *path)
OPEN(open64, AT_FDCWD, (path, flags, mode), const char *path)
OPEN(openat, folder, (folder, path, flags, mode), int folder, const char *path)
OPEN(openat64, folder, (folder, path, flags, mode), int folder, const char *path)
OTHER(ssize_t, write, "write", file, NULL, (file, bytes, size), int file, const void *bytes, size_t size)
OTHER(ssize_t, writev, "write", file, NULL, (file, bytes, size), int file, const struct iovec *bytes, int size)
OTHER(ssize_t, pwrite, "write", file, NULL, (file, bytes, size, at), int file, const void *bytes, size_t size, off_t at)
OTHER(ssize_t, pwrite64, "write", file, NULL, (file, bytes, size, at), int file, const void *bytes, size_t size, off_t at)
OTHER(int, ftruncate, "truncate", file, NULL, (file, size), int file, off_t size)
OTHER(int, ftruncate64, "truncate", file, NULL, (file, size), int file, off_t size)
OTHER(int, fsync, "fsync", file, NULL, (file), int file)
OTHER(int, fdatasync, "fsync", file, NULL, (file), int file)
OTHER(int, rename, "rename", AT_FDCWD, path, (old, path), const char *old, const char *path)
OTHER(int, unlink, "unlink", AT_FDCWD, path, (path), const char *path)
OTHER(int, unlinkat, "unlink", folder, path, (folder, path, flags), int folder, const char *path, int flags)
OTHER(int, rmdir, "rmdir", AT_FDCWD, path, (path), const char *path)
OTHER(int, mkdir, "mkdir", AT_FDCWD, path, (path, mode), const char *path, mode_t mode)
OTHER(int, chmod, "chmod", AT_FDCWD, path, (path, mode), const char *path, mode_t mode)
