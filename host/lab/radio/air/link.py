"""A connection between two controllers: its pace, its losses, its end."""

import collections, struct, time

import hci


class Link:
    """A connection: two queues, one pace, and an end when nothing is heard for too long."""

    def __init__(self, air, central, peripheral, interval, latency, timeout):
        self.air, self.ends = air, (central, peripheral)
        self.interval, self.latency, self.timeout = interval, latency, timeout
        self.queues = {central: collections.deque(), peripheral: collections.deque()}
        self.handles = {end: end.new_handle(self) for end in self.ends}
        self.anchor = self.busy_until = self.heard = time.monotonic()
        self.up = True
        air.clock.at(self.anchor + 0.1, self.supervise)

    def other(self, end):
        """The other end."""
        return self.ends[1] if end is self.ends[0] else self.ends[0]

    def next_event(self, now):
        """When the next connection event begins."""
        seconds = self.interval * 0.00125
        return self.anchor + (int((now - self.anchor) / seconds) + 1) * seconds

    def send(self, sender, packet):
        """Queues a packet; the first in the queue sets the radio going."""
        queue = self.queues[sender]
        queue.append(packet)
        if len(queue) == 1:
            self.plan(sender)

    def plan(self, sender, goes_on=False):
        """Sets when the head of a queue is on the other side: in this event while it goes on, or the next."""
        now = time.monotonic()
        if not self.air.pace:
            return self.air.clock.at(now, lambda: self.arrive(sender))
        begin = self.busy_until if goes_on or self.busy_until > now else self.next_event(now)
        # Preamble, header and check (14 bytes), then the empty answer, and a gap after each.
        self.busy_until = begin + ((len(self.queues[sender][0]) + 10) * 8e-6 + 380e-6) * self.air.pace
        self.air.clock.at(self.busy_until, lambda: self.arrive(sender))

    def arrive(self, sender):
        """Hands the head of a queue over, or tries it again in the next event."""
        queue = self.queues[sender]
        if not self.up or not queue:
            return
        if not self.air.received(*(end.index for end in self.ends)):
            self.busy_until = 0
            return self.plan(sender)
        self.heard = time.monotonic()
        packet, receiver = queue.popleft(), self.other(sender)
        handle, = struct.unpack_from("<H", packet)
        boundary = 1 if (handle >> 12) & 3 == 1 else 2
        receiver.put(hci.ACL, struct.pack("<H", self.handles[receiver] | boundary << 12) + packet[2:])
        sender.event(0x13, struct.pack("<BHH", 1, self.handles[sender], 1))
        if queue:
            self.plan(sender, goes_on=True)

    def supervise(self):
        """Loses the link when nothing was heard for its supervision timeout."""
        now = time.monotonic()
        if not self.up:
            return
        if self.air.received(*(end.index for end in self.ends)):
            self.heard = now
        if now - self.heard > self.timeout * 0.01:
            return self.end({end: hci.TIMEOUT for end in self.ends})
        self.air.clock.at(now + min(0.1, self.interval * 0.00125), self.supervise)

    def end(self, reasons):
        """Takes the link down and tells its ends why."""
        self.up = False
        self.air.log("down", *(end.name for end in self.ends), "reason", *map(hex, reasons.values()))
        for end, reason in reasons.items():
            handle = self.handles[end]
            end.links.pop(handle, None)
            end.event(0x05, struct.pack("<BHB", 0, handle, reason))
