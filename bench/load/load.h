/* Shared by the load generators: a clock, a histogram, a script, and the protocol with bench.
 *
 * A generator connects, warms up, prints "ready" and waits for a line. Then it measures, prints
 * one line of JSON, and holds its connections until its standard input ends. So the server is
 * idle when bench reads its CPU time, after "ready" and after the JSON.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Nanoseconds after which an answer counts as missing. */
#define PATIENCE 5000000000ull

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* 64 buckets for each power of two of nanoseconds: off by at most 1.6 %. */
#define PARTS 64
static uint64_t histogram[64 * PARTS], recorded, longest;

static unsigned bucketOf(uint64_t ns) {
    if (ns < PARTS) return ns;
    int power = 63 - __builtin_clzll(ns); /* PARTS is 1 << 6 */
    return (power - 5) * PARTS + (ns >> (power - 6)) - PARTS;
}

static void record(uint64_t ns) {
    histogram[bucketOf(ns)]++;
    recorded++;
    if (ns > longest) longest = ns;
}

static void forgetRecorded(void) {
    memset(histogram, 0, sizeof histogram);
    recorded = longest = 0;
}

/* Return the microseconds below which `share` of all recorded values lie. */
static double percentile(double share) {
    uint64_t before = 0;
    if (!longest) return 0;
    unsigned n = 0;
    while (n < 64 * PARTS - 1 && (before += histogram[n]) < share * recorded) n++;
    uint64_t ns = n < PARTS ? n : (uint64_t)(PARTS + n % PARTS) << (n / PARTS - 1);
    return ns / 1e3;
}

static void fillAtRandom(char *bytes, size_t count) {
    uint64_t state = 88172645463325252ull; /* xorshift64: the same bytes each time */
    for (size_t n = 0; n < count; n++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        bytes[n] = state >> 32;
    }
}

static void sayReady(void) {
    char line[16];
    puts("ready");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) exit(1);
}

/* `seconds` is the time measured; `in` and `out` count bytes since the generator's start. */
static void sayResult(double seconds, uint64_t lost, uint64_t in, uint64_t out) {
    printf("{\"messages\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"p50\": %.2f, \"p99\": %.2f, "
           "\"longest\": %.2f, \"lost\": %llu, \"bytesIn\": %llu, \"bytesOut\": %llu}\n",
           (unsigned long long)recorded, seconds, recorded / seconds, percentile(0.5),
           percentile(0.99), longest / 1e3, (unsigned long long)lost, (unsigned long long)in,
           (unsigned long long)out);
    fflush(stdout);
    while (getchar() != EOF) {}
}

static struct sockaddr_in addressOf(const char *host, const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die("%s is not an IPv4 address", host);
    if (ntohl(address.sin_addr.s_addr) >> 24 != 127) die("%s is not this machine", host);
    return address;
}
