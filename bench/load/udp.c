/* Load over UDP: every datagram that comes back is compared with the one sent.
 *
 *   udp [-c SOCKETS] [-d DEPTH] [-s SIZE] [-t SECONDS] [-w WARMUP] [-f RATE] HOST PORT
 *
 * DEPTH datagrams are in flight on each socket; one that is not back in 0.2 s is lost, and
 * another takes its place. -f sends RATE datagrams/s instead, of 0 and 1 byte in turn, and ignores
 * the answers.
 */

#include "load.h"

#define MOST_DEPTH 64
#define MOST_SIZE 65507
#define LOST 200000000ull
#define BURST 64

struct slot {
    uint64_t number, since; /* number 0: nothing is in flight */
};

struct ear {
    int fd;
    struct slot slots[MOST_DEPTH];
};

static struct sockaddr_in server;
static unsigned sockets = 1, depth = 1;
static size_t size = 64;
static struct ear *all;
static char *pattern, *incoming, *outgoing;
static int epoll;
static unsigned inFlight;
static uint64_t lost, bytesIn, bytesOut, stopAt, lastNumber;

static void die_unless(int held, const char *what) {
    if (!held) die("%s: %m", what);
}

/* A datagram: its number in 8 bytes, big-endian, and the pattern from there on. So all begin
 * alike, as those of most protocols do. */
static const char *bodyOf(uint64_t number) { return pattern + number % 256; }

static void submit(struct ear *ear, struct mmsghdr *headers, unsigned count) {
    for (unsigned done = 0; done < count;) {
        int sent = sendmmsg(ear->fd, headers + done, count - done, 0);
        die_unless(sent > 0, "sendmmsg");
        done += sent;
    }
    bytesOut += (uint64_t)count * size;
}

/* Fill the empty slots. */
static void ask(struct ear *ear, uint64_t at) {
    struct mmsghdr headers[MOST_DEPTH] = {0};
    struct iovec vectors[MOST_DEPTH];
    unsigned count = 0;
    for (unsigned n = 0; n < depth; n++) {
        if (ear->slots[n].number) continue;
        char *datagram = outgoing + count * size;
        /* Its slot is the number's remainder. */
        lastNumber++;
        uint64_t number = lastNumber * depth + n;
        uint64_t written = htobe64(number);
        memcpy(datagram, &written, 8);
        memcpy(datagram + 8, bodyOf(number), size - 8);
        ear->slots[n] = (struct slot){number, at};
        vectors[count] = (struct iovec){datagram, size};
        headers[count].msg_hdr.msg_iov = &vectors[count];
        headers[count].msg_hdr.msg_iovlen = 1;
        count++;
    }
    inFlight += count;
    submit(ear, headers, count);
}

static void check(struct ear *ear, const char *datagram, size_t got, uint64_t at) {
    uint64_t number;
    bytesIn += got;
    if (got != size) die("wrong answer: %zu bytes, not %zu", got, size);
    memcpy(&number, datagram, 8);
    number = be64toh(number);
    if (number / depth > lastNumber || memcmp(datagram + 8, bodyOf(number), size - 8))
        die("wrong answer: the bytes of datagram %llu have changed", (unsigned long long)number);
    struct slot *slot = &ear->slots[number % depth];
    if (slot->number != number) return; /* Already counted as lost. */
    record(at - slot->since);
    slot->number = 0;
    inFlight--;
}

static void readFrom(struct ear *ear) {
    struct mmsghdr headers[MOST_DEPTH] = {0};
    struct iovec vectors[MOST_DEPTH];
    for (unsigned n = 0; n < depth; n++) {
        vectors[n] = (struct iovec){incoming + n * (MOST_SIZE + 1), MOST_SIZE + 1};
        headers[n].msg_hdr.msg_iov = &vectors[n];
        headers[n].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(ear->fd, headers, depth, MSG_DONTWAIT, NULL);
    if (count < 0 && errno == EAGAIN) return;
    die_unless(count > 0, "recvmmsg");
    uint64_t at = now();
    for (int n = 0; n < count; n++) check(ear, vectors[n].iov_base, headers[n].msg_len, at);
    if (at < stopAt) ask(ear, at);
}

static void giveUp(uint64_t at) {
    for (unsigned n = 0; n < sockets; n++) {
        struct ear *ear = &all[n];
        for (unsigned m = 0; m < depth; m++) {
            if (!ear->slots[m].number || at - ear->slots[m].since < LOST) continue;
            ear->slots[m].number = 0;
            inFlight--;
            lost++;
        }
        if (at < stopAt) ask(ear, at);
    }
}

static double run(uint64_t ns) {
    struct epoll_event events[256];
    uint64_t begun = now(), looked = begun, last = begun;
    stopAt = begun + ns;
    for (unsigned n = 0; n < sockets; n++) ask(&all[n], now());
    while (inFlight) {
        int count = epoll_wait(epoll, events, 256, 50);
        for (int n = 0; n < count; n++) readFrom(events[n].data.ptr);
        uint64_t at = now();
        if (count) last = at;
        if (at - looked > LOST / 4) giveUp(looked = at);
    }
    return (last - begun) / 1e9;
}

/* Send RATE datagrams/s in bursts; one that the kernel does not take is lost. */
static double flood(uint64_t rate, uint64_t ns) {
    struct mmsghdr headers[BURST] = {0};
    struct iovec vectors[BURST];
    for (unsigned n = 0; n < BURST; n++) {
        vectors[n] = (struct iovec){pattern, n & 1};
        headers[n].msg_hdr.msg_iov = &vectors[n];
        headers[n].msg_hdr.msg_iovlen = 1;
    }
    uint64_t begun = now(), at, sent = 0;
    while ((at = now()) < begun + ns) {
        uint64_t due = (at - begun) * (rate / 1e9);
        while (sent < due) {
            int count = sendmmsg(all[sent / BURST % sockets].fd, headers, BURST, MSG_DONTWAIT);
            if (count < 0 && errno != EAGAIN && errno != ENOBUFS) die("sendmmsg: %m");
            lost += BURST - (count < 0 ? 0 : count);
            sent += BURST;
        }
        usleep(100);
    }
    recorded = sent;
    bytesOut = sent / 2;
    return (now() - begun) / 1e9;
}

static void open_(struct ear *ear) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = ear};
    ear->fd = socket(AF_INET, SOCK_DGRAM, 0);
    die_unless(ear->fd >= 0, "socket");
    die_unless(connect(ear->fd, (void *)&server, sizeof server) == 0, "connect");
    die_unless(epoll_ctl(epoll, EPOLL_CTL_ADD, ear->fd, &event) == 0, "epoll_ctl");
}

int main(int count, char **arguments) {
    double seconds = 1, warmUp = 0.2;
    uint64_t rate = 0;
    for (int option; (option = getopt(count, arguments, "c:d:s:t:w:f:")) != -1;) switch (option) {
        case 'c': sockets = atoi(optarg); break;
        case 'd': depth = atoi(optarg); break;
        case 's': size = atol(optarg); break;
        case 't': seconds = atof(optarg); break;
        case 'w': warmUp = atof(optarg); break;
        case 'f': rate = atol(optarg); break;
        default: return 2;
    }
    if (count - optind != 2) die("usage: see the top of udp.c");
    if (depth < 1 || depth > MOST_DEPTH) die("a depth of 1 to %d", MOST_DEPTH);
    if (size < 8 || size > MOST_SIZE) die("a size of 8 to %d", MOST_SIZE);
    server = addressOf(arguments[optind], arguments[optind + 1]);
    epoll = epoll_create1(0);
    all = calloc(sockets, sizeof *all);
    pattern = malloc(MOST_SIZE + 256);
    incoming = malloc(depth * (MOST_SIZE + 1));
    outgoing = malloc(depth * size);
    if (!all || !pattern || !incoming || !outgoing) die("no memory");
    fillAtRandom(pattern, MOST_SIZE + 256);
    for (unsigned n = 0; n < sockets; n++) open_(&all[n]);
    if (!rate) run(warmUp * 1e9);
    sayReady();
    forgetRecorded();
    lost = 0;
    double took = rate ? flood(rate, seconds * 1e9) : run(seconds * 1e9);
    sayResult(took, lost, bytesIn, bytesOut);
}
