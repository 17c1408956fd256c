/* Load over TCP: every byte that comes back is compared with the expected one.
 *
 *   tcp [-c CONNECTIONS] [-d DEPTH] [-s SIZE | -q QUESTION -a ANSWER] [-t SECONDS]
 *       [-w WARMUP] [-r] HOST PORT
 *
 * DEPTH messages are in flight on each connection. -s echoes random bytes, SIZE per message;
 * -q sends one line and expects another. -r makes a new connection for each message. With -t 0
 * each connection has one message answered, and is then idle.
 */

#include "load.h"

#define MOST_DEPTH 256
#define READ (256 * 1024)

struct connection {
    int fd;
    unsigned wantsWrite;
    uint64_t asked, answered; /* messages */
    uint64_t out, in;         /* bytes */
    uint64_t since[MOST_DEPTH];
};

static struct sockaddr_in server;
static unsigned connections = 1, depth = 1, again;
static char *question, *answer;
static size_t askSize = 64, answerSize;
static struct connection *all;
static int epoll;
static unsigned waiting; /* connections with a message in flight */
static uint64_t bytesIn, bytesOut, stopAt;
static char buffer[READ];

/* A stream repeats after `period` bytes; `bytes` holds one period and READ more. */
static struct stream {
    char *bytes;
    size_t period;
} asks, answers;

static struct stream repeated(const char *message, size_t size) {
    size_t period = size * (READ / size + 1);
    struct stream stream = {malloc(period + READ), period};
    if (!stream.bytes) die("no memory");
    if (!message) fillAtRandom(stream.bytes, period);
    else for (size_t n = 0; n < period; n += size) memcpy(stream.bytes + n, message, size);
    memcpy(stream.bytes + period, stream.bytes, READ);
    return stream;
}

static void watch(struct connection *one, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = one};
    if (epoll_ctl(epoll, operation, one->fd, &event)) die("epoll_ctl: %m");
}

static void wantWrite(struct connection *one, unsigned wants) {
    if (one->wantsWrite == wants) return;
    one->wantsWrite = wants;
    watch(one, EPOLL_CTL_MOD, EPOLLIN | (wants ? EPOLLOUT : 0));
}

static void sendAsked(struct connection *one) {
    uint64_t asked = one->asked * askSize;
    while (one->out < asked) {
        size_t size = asked - one->out < READ ? asked - one->out : READ;
        ssize_t sent = send(one->fd, asks.bytes + one->out % asks.period, size, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) die("send: %m");
            break;
        }
        one->out += sent;
        bytesOut += sent;
    }
    wantWrite(one, one->out < asked);
}

static void ask(struct connection *one, uint64_t at) {
    if (one->asked == one->answered) waiting++;
    while (one->asked < one->answered + depth) one->since[one->asked++ % depth] = at;
    sendAsked(one);
}

static void connectTo(struct connection *one) {
    /* From many addresses: closed connections use up the ports of one in a second. */
    static uint32_t serial;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(again ? (127 << 24) + 256 + serial++ % 250 : INADDR_LOOPBACK);
    int on = 1;
    memset(one, 0, sizeof *one);
    one->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (one->fd < 0) die("socket: %m");
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(one->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(one->fd, (void *)&from, sizeof from)) die("bind: %m");
    if (connect(one->fd, (void *)&server, sizeof server)) die("connect: %m");
    fcntl(one->fd, F_SETFL, O_NONBLOCK);
    watch(one, EPOLL_CTL_ADD, EPOLLIN);
}

static void check(struct connection *one, size_t got) {
    const char *right = answers.bytes + one->in % answers.period;
    if (memcmp(buffer, right, got) == 0) return;
    for (size_t n = 0;; n++)
        if (buffer[n] != right[n])
            die("wrong answer: byte %llu of connection %ld is %02x, not %02x",
                (unsigned long long)(one->in + n), (long)(one - all), buffer[n] & 255u,
                right[n] & 255u);
}

static void readFrom(struct connection *one) {
    ssize_t got = recv(one->fd, buffer, READ, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) die("connection %ld: %s", (long)(one - all), got ? strerror(errno) : "closed");
    check(one, got);
    one->in += got;
    bytesIn += got;
    uint64_t at = now(), due = one->in / answerSize;
    if (due > one->asked) die("connection %ld: more data than expected", (long)(one - all));
    while (one->answered < due) record(at - one->since[one->answered++ % depth]);
    if (one->asked == one->answered) waiting--;
    if (again && one->asked == one->answered) {
        close(one->fd);
        connectTo(one);
    }
    if (at < stopAt) ask(one, at);
    else if (one->wantsWrite) sendAsked(one);
}

/* Send for `ns`, then wait for what is in flight. Returns the seconds it took. */
static double run(uint64_t ns) {
    struct epoll_event events[1024];
    uint64_t begun = now();
    stopAt = begun + ns;
    for (unsigned n = 0; n < connections; n++) ask(&all[n], now());
    while (waiting) {
        int count = epoll_wait(epoll, events, 1024, 1000);
        for (int n = 0; n < count; n++) {
            struct connection *one = events[n].data.ptr;
            if (events[n].events & ~EPOLLOUT) readFrom(one);
            else sendAsked(one);
        }
        if (count == 0 && now() > stopAt + PATIENCE) die("%u connections wait for ever", waiting);
    }
    return (now() - begun) / 1e9;
}

int main(int count, char **arguments) {
    double seconds = 1, warmUp = 0.2;
    for (int option; (option = getopt(count, arguments, "c:d:s:q:a:t:w:r")) != -1;) switch (option) {
        case 'c': connections = atoi(optarg); break;
        case 'd': depth = atoi(optarg); break;
        case 's': askSize = atol(optarg); break;
        case 'q': question = optarg; break;
        case 'a': answer = optarg; break;
        case 't': seconds = atof(optarg); break;
        case 'w': warmUp = atof(optarg); break;
        case 'r': again = 1; break;
        default: return 2;
    }
    if (count - optind != 2 || !question != !answer) die("usage: see the top of tcp.c");
    if (depth < 1 || depth > MOST_DEPTH) die("a depth of 1 to %d", MOST_DEPTH);
    server = addressOf(arguments[optind], arguments[optind + 1]);
    if (question) {
        if (asprintf(&question, "%s\n", question) < 0 || asprintf(&answer, "%s\n", answer) < 0)
            die("no memory");
        askSize = strlen(question);
    }
    answerSize = answer ? strlen(answer) : askSize;
    asks = repeated(question, askSize);
    answers = repeated(answer, answerSize);
    epoll = epoll_create1(0);
    all = calloc(connections, sizeof *all);
    if (!all) die("no memory");
    for (unsigned n = 0; n < connections; n++) connectTo(&all[n]);
    run(warmUp * 1e9);
    sayReady();
    forgetRecorded();
    double took = seconds ? run(seconds * 1e9) : 1;
    sayResult(took, 0, bytesIn, bytesOut);
}
