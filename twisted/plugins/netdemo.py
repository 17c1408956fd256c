# Imported by every `twistd` on the machine: nothing but the call may stand here.
from twisted.application.service import ServiceMaker

netdemo = ServiceMaker(
    "netdemo",
    "twistednet.tap",
    "The basic network services: echo, receive, answer, datagram, hello, chat.",
    "netdemo",
)
