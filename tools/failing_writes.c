/* Lets the k-th call that changes a folder fail: LD_PRELOAD of `soak_writes.py`.
 *
 * FAILING_PREFIX: the folder. FAILING_NUMBER: k, from 1. FAILING_ERROR: the errno.
 * FAILING_COUNTER: a file of eight bytes, shared by all processes, that counts the calls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long *counter;
static const char *prefix;
static long number;
static int error;

__attribute__((constructor)) static void begin(void) {
    prefix = getenv("FAILING_PREFIX");
    if (!prefix) return;
    number = atol(getenv("FAILING_NUMBER"));
    error = atoi(getenv("FAILING_ERROR"));
    int file = open(getenv("FAILING_COUNTER"), O_RDWR);
    void *mapped = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    counter = mapped == MAP_FAILED ? NULL : mapped;
    close(file);
}

static int fails(const char *path) {
    if (!counter || !path || strncmp(path, prefix, strlen(prefix)) != 0) return 0;
    if (atomic_fetch_add(counter, 1) + 1 != number) return 0;
    errno = error;
    return 1;
}

static int fails_at(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(path);
}

#define REAL(name) static typeof(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

ssize_t write(int file, const void *data, size_t size) {
    REAL(write);
    return fails_at(file) ? -1 : real(file, data, size);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    REAL(pwrite64);
    return fails_at(file) ? -1 : real(file, data, size, at);
}
int ftruncate64(int file, off64_t size) {
    REAL(ftruncate64);
    return fails_at(file) ? -1 : real(file, size);
}
int fsync(int file) {
    REAL(fsync);
    return fails_at(file) ? -1 : real(file);
}
int rename(const char *from, const char *to) {
    REAL(rename);
    return fails(to) ? -1 : real(from, to);
}
int link(const char *from, const char *to) {
    REAL(link);
    return fails(to) ? -1 : real(from, to);
}
int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    return fails(path) ? -1 : real(path, mode);
}
int chmod(const char *path, mode_t mode) {
    REAL(chmod);
    return fails(path) ? -1 : real(path, mode);
}
int open64(const char *path, int flags, ...) {
    REAL(open64);
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    return (flags & O_CREAT) && fails(path) ? -1 : real(path, flags, mode);
}
FILE *fopen64(const char *path, const char *mode) {
    REAL(fopen64);
    return mode[0] != 'r' && fails(path) ? NULL : real(path, mode);
}
