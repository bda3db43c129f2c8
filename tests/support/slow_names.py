"""A name server with faults, for programs that look names up by the system's resolver. UDP, one thread.

It runs where it is begun: in a network namespace of its own a test gives it port 53 and a resolv.conf."""

import heapq
import itertools
import select
import socket
import struct
import threading
import time

A, AAAA = 1, 28
SERVFAIL, NXDOMAIN = 2, 3


class NameServer:
    """What it does with a question may be changed at any time:

    `zone`: name -> addresses, numeric, of both families; other names are not there
    `delay_s`: how late it answers
    `fault`: None, "silent", or "servfail"
    """

    def __init__(self, host, port=53, zone=None):
        self.zone, self.delay_s, self.fault, self.asked = zone if zone is not None else {}, 0.0, None, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.order, self.late, self.is_over = itertools.count(), [], False
        threading.Thread(target=self.run, daemon=True).start()

    def close(self):
        self.is_over = True

    def run(self):
        while not self.is_over:
            wait_s = max(0.0, self.late[0][0] - time.monotonic()) if self.late else 0.1
            if select.select([self.socket], [], [], min(wait_s, 0.1))[0]:
                question, asker = self.socket.recvfrom(1500)
                self.asked += 1
                answer = self.answer(question)
                if answer is not None:
                    heapq.heappush(self.late, (time.monotonic() + self.delay_s, next(self.order), answer, asker))
            while self.late and self.late[0][0] <= time.monotonic():
                _, _, answer, asker = heapq.heappop(self.late)
                self.socket.sendto(answer, asker)
        self.socket.close()

    def answer(self, question):
        """The bytes; None: it says nothing."""
        if self.fault == "silent":
            return None
        labels, at = [], 12
        while question[at] != 0:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind, = struct.unpack(">H", question[at + 1:at + 3])
        addresses = self.zone.get(".".join(labels).lower())
        if self.fault == "servfail":
            code, records = SERVFAIL, []
        elif addresses is None:
            code, records = NXDOMAIN, []
        else:
            family = {A: socket.AF_INET, AAAA: socket.AF_INET6}.get(kind)
            wanted = [each for each in addresses if (":" in each) == (kind == AAAA)] if family else []
            code, records = 0, [socket.inet_pton(family, each) for each in wanted]
        head = question[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, len(records), 0, 0)
        body = b"".join(struct.pack(">HHHIH", 0xc00c, kind, 1, 1, len(record)) + record for record in records)
        return head + question[12:at + 5] + body
