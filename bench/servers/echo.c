/* The plainest C server: epoll, one recv and one send a message.
 *
 *   echo [BUFFER]         TCP, BUFFER bytes a recv (16,384)
 *   echo udp              UDP, recvfrom and sendto
 *
 * Data that the kernel does not take is queued, and the client is not read meanwhile. Prints its port.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    int fd;
    size_t queued;
    char *rest;
};

static size_t size = 16384;
static char *buffer;
static int epoll;

static void watch(struct connection *one, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = one};
    epoll_ctl(epoll, operation, one->fd, &event);
}

static void drop(struct connection *one) {
    close(one->fd);
    free(one->rest);
    free(one);
}

/* Send, and keep what is left. Returns what is left, or -1 for an error. */
static ssize_t pass(struct connection *one, const char *data, size_t count) {
    ssize_t sent = send(one->fd, data, count, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return -1;
    if (sent < 0) sent = 0;
    one->queued = count - sent;
    if (one->queued) {
        if (!one->rest) one->rest = malloc(size);
        memmove(one->rest, data + sent, one->queued);
    }
    return one->queued;
}

static void serve(struct connection *one, uint32_t events) {
    if (one->queued) {
        if (!(events & ~EPOLLIN)) return;
        ssize_t left = pass(one, one->rest, one->queued);
        if (left < 0) drop(one);
        else if (left == 0) watch(one, EPOLL_CTL_MOD, EPOLLIN);
        return;
    }
    ssize_t got = recv(one->fd, buffer, size, 0);
    if (got < 0 && errno == EAGAIN) return;
    ssize_t left = got > 0 ? pass(one, buffer, got) : -1;
    if (left < 0) drop(one);
    else if (left > 0) watch(one, EPOLL_CTL_MOD, EPOLLOUT);
}

static void acceptAll(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *one = calloc(1, sizeof *one);
        one->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(one, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void streams(int listener) {
    struct epoll_event events[256];
    struct connection port = {.fd = listener};
    buffer = malloc(size);
    epoll = epoll_create1(0);
    watch(&port, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int n = 0; n < count; n++) {
            if (events[n].data.ptr == &port) acceptAll(listener);
            else serve(events[n].data.ptr, events[n].events);
        }
    }
}

static void datagrams(int fd) {
    struct sockaddr_storage from;
    socklen_t length;
    buffer = malloc(65536);
    for (;;) {
        length = sizeof from;
        ssize_t got = recvfrom(fd, buffer, 65536, 0, (void *)&from, &length);
        if (got >= 0) sendto(fd, buffer, got, 0, (void *)&from, length);
    }
}

int main(int count, char **arguments) {
    int udp = count > 1 && strcmp(arguments[1], "udp") == 0;
    if (count > 1 && !udp) size = atol(arguments[1]);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(fd, (void *)&address, length) || (!udp && listen(fd, 1024))) return 1;
    getsockname(fd, (void *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    udp ? datagrams(fd) : streams(fd);
}
