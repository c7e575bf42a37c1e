#!/usr/bin/python3
"""air.py COUNT [--rssi DBM] [--seed N] [--control FIFO] [--log FILE]

Virtual Bluetooth LE controllers on one virtual air: the part of a radio that a test wants to turn.

Each controller is a /dev/vhci device, so the kernel's whole Bluetooth stack and bluetoothd run on it
as on a dongle. It knows what legacy LE needs (4.2, one advertisement, no pairing, no BR/EDR); any
other command is answered "unknown" and logged. What it has over btvirt: advertisements repeat at
their interval, every pair has a signal strength that can be set and faded while all runs, and a
link that is out of reach is lost after its supervision timeout, as a real one is.

Data waits for the next connection event, then takes its time on the air (1M PHY, 251 bytes a
packet); a packet that is not received is repeated in the next event.

Orders are lines in the control FIFO:
  rssi A B DBM            controllers A and B hear each other like this; below -100 not at all
  fade A B DBM SECONDS    goes there evenly
  pace on|off             off: data takes no time, to measure software alone
"""

import argparse, collections, heapq, itertools, os, random, select, struct, time

COMMAND, ACL, EVENT, VENDOR = 1, 2, 4, 0xFF
UNKNOWN_COMMAND, UNKNOWN_CONNECTION, TIMEOUT, REMOTE_ENDED, LOCAL_ENDED = 0x01, 0x02, 0x08, 0x13, 0x16
DISALLOWED = 0x0C
NOISE_DB = 1.5          # standard deviation of one measurement of signal strength
ACL_BYTES, ACL_PACKETS = 251, 8


class Clock:
    """Timers: what is to be done, and when."""

    def __init__(self):
        self.queue, self.order = [], itertools.count()

    def at(self, when, act):
        """Does it at that time of time.monotonic()."""
        heapq.heappush(self.queue, (when, next(self.order), act))

    def run(self):
        """Does all that is due; gives the seconds until the next, or None."""
        while self.queue:
            wait = self.queue[0][0] - time.monotonic()
            if wait > 0:
                return wait
            heapq.heappop(self.queue)[2]()
        return None


class Air:
    """Who hears whom how well."""

    def __init__(self, rssi, seed, log):
        self.default, self.fades, self.random, self.log_file = rssi, {}, random.Random(seed), log
        self.clock, self.controllers, self.paced = Clock(), [], True

    def log(self, *words):
        """Writes what happened, with the time since boot."""
        print(f"{time.monotonic():.3f}", *words, file=self.log_file, flush=True)

    def mean(self, a, b):
        """Signal strength between two controllers now, without noise."""
        fade = self.fades.get((min(a, b), max(a, b)))
        if fade is None:
            return self.default
        begun, seconds, before, after = fade
        done = min(1.0, (time.monotonic() - begun) / seconds) if seconds > 0 else 1.0
        return before + (after - before) * done

    def fade(self, a, b, dbm, seconds):
        """Moves the signal strength between two controllers."""
        self.fades[(min(a, b), max(a, b))] = (time.monotonic(), seconds, self.mean(a, b), dbm)

    def chance(self, a, b):
        """How likely a packet is received: surely from -90 dBm, never from -100."""
        return max(0.0, min(1.0, (self.mean(a, b) + 100) / 10))

    def received(self, a, b):
        """Whether one packet is received."""
        return self.random.random() < self.chance(a, b)

    def measured(self, a, b):
        """One measurement of signal strength, as a controller reports it."""
        return max(-127, min(20, round(self.random.gauss(self.mean(a, b), NOISE_DB))))

    def obey(self, line):
        """Carries out an order from the FIFO; a wrong one is logged."""
        try:
            word, *rest = line.split()
            if word == "rssi":
                self.fade(int(rest[0]), int(rest[1]), float(rest[2]), 0)
            elif word == "fade":
                self.fade(int(rest[0]), int(rest[1]), float(rest[2]), float(rest[3]))
            elif word == "pace":
                self.paced = rest[0] == "on"
            else:
                raise ValueError("no such order")
            self.log("order", line)
        except (ValueError, IndexError) as error:
            self.log("bad order", repr(line), error)


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

    def plan(self, sender):
        """Sets the time at which the head of a queue is on the other side."""
        now = time.monotonic()
        if not self.air.paced:
            return self.air.clock.at(now, lambda: self.arrive(sender))
        # An event that still goes on takes more packets; otherwise the next one does.
        begin = self.busy_until if self.busy_until > now else self.next_event(now)
        # Preamble, header and check (14 bytes), then the empty answer, and a gap after each.
        self.busy_until = begin + (len(self.queues[sender][0]) + 10) * 8e-6 + 380e-6
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
        receiver.put(ACL, struct.pack("<H", self.handles[receiver] | boundary << 12) + packet[2:])
        sender.event(0x13, struct.pack("<BHH", 1, self.handles[sender], 1))
        if queue:
            self.plan(sender)

    def supervise(self):
        """Loses the link when nothing was heard for its supervision timeout."""
        now = time.monotonic()
        if not self.up:
            return
        if self.air.received(*(end.index for end in self.ends)):
            self.heard = now
        if now - self.heard > self.timeout * 0.01:
            return self.end({end: TIMEOUT for end in self.ends})
        self.air.clock.at(now + min(0.1, self.interval * 0.00125), self.supervise)

    def end(self, reasons):
        """Takes the link down and tells its ends why."""
        self.up = False
        self.air.log("down", *(end.name for end in self.ends), "reason", *map(hex, reasons.values()))
        for end, reason in reasons.items():
            handle = self.handles[end]
            end.links.pop(handle, None)
            end.event(0x05, struct.pack("<BHB", 0, handle, reason))


class Controller:
    """One controller: answers the kernel's commands, advertises, scans, connects."""

    def __init__(self, air, index):
        self.air, self.index = air, index
        self.address = bytes([index + 1, 0, 0, 0x5A, 0xA0, 0x02])    # 02:A0:5A:00:00:01 and on
        self.fd = os.open("/dev/vhci", os.O_RDWR | os.O_NONBLOCK)
        os.write(self.fd, bytes([VENDOR, 0]))
        self.links, self.handle = {}, 0x3F
        self.name = f"air{index}"
        self.reset(b"")

    def reset(self, _):
        """HCI_Reset: as after power on."""
        for link in list(self.links.values()):
            link.end({link.other(self): TIMEOUT})
        self.links.clear()
        self.random_address, self.accepted = bytes(6), set()
        self.advertising, self.adv_type, self.adv_own, self.adv_interval = 0, 0, 0, 0x800
        self.adv_data = self.response = b""
        self.scanning = self.filtering = self.scan_active = False
        self.scan_duty, self.scan_policy, self.seen, self.dialing = 1.0, 0, {}, None
        return b"\0"

    # What goes up to the kernel.

    def put(self, kind, bytes_):
        """Hands a packet to the kernel."""
        try:
            os.write(self.fd, bytes([kind]) + bytes_)
        except OSError as error:
            self.air.log(self.name, "lost a packet:", error)

    def event(self, code, bytes_):
        """Tells the kernel an event."""
        self.put(EVENT, bytes([code, len(bytes_)]) + bytes_)

    def meta(self, code, bytes_):
        """Tells the kernel an LE event."""
        self.event(0x3E, bytes([code]) + bytes_)

    def status(self, opcode, code=0):
        """Answers a command whose result is an event of its own."""
        self.event(0x0F, struct.pack("<BBH", code, 1, opcode))

    # What comes down from it.

    def read(self):
        """Takes one packet from the kernel."""
        try:
            packet = os.read(self.fd, 4096)
        except BlockingIOError:
            return
        if packet[0] == VENDOR:
            self.name = f"hci{struct.unpack_from('<H', packet, 2)[0]}"
            self.air.log("ready", self.name)
        elif packet[0] == ACL:
            link = self.links.get(struct.unpack_from("<H", packet, 1)[0] & 0xFFF)
            if link:
                link.send(self, packet[1:])
        elif packet[0] == COMMAND:
            opcode, = struct.unpack_from("<H", packet, 1)
            self.command(opcode, packet[4:])

    def command(self, opcode, body):
        """Answers a command: with bytes at once, or by what its method tells later."""
        act = COMMANDS.get(opcode)
        if act is None:
            self.air.log(self.name, "unknown command", hex(opcode), body.hex())
            answer = bytes([UNKNOWN_COMMAND])
        else:
            answer = act(self, body) if callable(act) else act
        if answer is not None:
            self.event(0x0E, struct.pack("<BH", 1, opcode) + answer)

    def read_address(self, _):
        """Read_BD_ADDR."""
        return b"\0" + self.address

    def own(self, kind):
        """The type and bytes of this controller's address of that kind."""
        return (1, self.random_address) if kind & 1 else (0, self.address)

    # Advertising.

    def set_random_address(self, body):
        """LE_Set_Random_Address."""
        self.random_address = body[:6]
        return b"\0"

    def set_adv_params(self, body):
        """LE_Set_Advertising_Parameters."""
        _, self.adv_interval, self.adv_type, self.adv_own = struct.unpack_from("<HHBB", body)
        return b"\0"

    def set_adv_data(self, body):
        """LE_Set_Advertising_Data."""
        self.adv_data = body[1:1 + body[0]]
        return b"\0"

    def set_response(self, body):
        """LE_Set_Scan_Response_Data."""
        self.response = body[1:1 + body[0]]
        return b"\0"

    def set_adv_enable(self, body):
        """LE_Set_Advertising_Enable; each time that it is switched on has a number."""
        self.air.log(self.name, "advertises" if body[0] else "is silent", self.adv_data.hex())
        self.adv_run = getattr(self, "adv_run", 0) + 1
        self.advertising = self.adv_run if body[0] else 0
        if self.advertising:
            run = self.advertising
            self.air.clock.at(time.monotonic() + 0.002, lambda: self.advertise(run))
        return b"\0"

    def advertise(self, run):
        """One advertisement to everyone, then the next after the interval and up to 10 ms more."""
        if self.advertising != run:
            return
        for other in self.air.controllers:
            if other is self or not self.air.received(self.index, other.index):
                continue
            other.hear(self)
            if self.advertising != run:
                return
        pause = self.adv_interval * 0.000625 + self.air.random.random() * 0.01
        self.air.clock.at(time.monotonic() + pause, lambda: self.advertise(run))

    # Scanning.

    def set_scan_params(self, body):
        """LE_Set_Scan_Parameters."""
        active, interval, window, _, self.scan_policy = struct.unpack_from("<BHHBB", body)
        self.scan_active, self.scan_duty = bool(active), window / max(interval, 1)
        return b"\0"

    def set_scan_enable(self, body):
        """LE_Set_Scan_Enable."""
        self.scanning, self.filtering, self.seen = bool(body[0]), bool(body[1]), {}
        return b"\0"

    def hear(self, sender):
        """An advertisement reached this controller: report it, and connect if that is wanted."""
        whom = sender.own(sender.adv_own)
        listening = self.scanning and self.air.random.random() < self.scan_duty
        if listening and not (self.scan_policy & 1 and whom not in self.accepted):
            self.report(sender.adv_type, whom, sender.adv_data, sender)
            if self.scan_active and sender.adv_type in (0, 2):
                self.report(4, whom, sender.response, sender)
        if self.dialing and sender.adv_type in (0, 1):
            policy, wanted = self.dialing[:2]
            if whom in self.accepted if policy else whom == wanted:
                self.connect(sender, whom)

    def report(self, kind, whom, data, sender):
        """One report. Filtering leaves out what is the same in data and strength as before."""
        rssi = self.air.measured(self.index, sender.index)
        if self.filtering and self.seen.get((kind, whom)) == (data, rssi):
            return
        self.seen[(kind, whom)] = (data, rssi)
        self.meta(2, struct.pack("<BBB6sB", 1, kind, *whom, len(data)) + data + struct.pack("<b", rssi))

    # Accept list.

    def clear_accepted(self, _):
        """LE_Clear_Filter_Accept_List."""
        self.accepted.clear()
        return b"\0"

    def add_accepted(self, body):
        """LE_Add_Device_To_Filter_Accept_List."""
        self.accepted.add((body[0], body[1:7]))
        return b"\0"

    def remove_accepted(self, body):
        """LE_Remove_Device_From_Filter_Accept_List."""
        self.accepted.discard((body[0], body[1:7]))
        return b"\0"

    # Connections.

    def new_handle(self, link):
        """A handle for a new link."""
        self.handle = self.handle + 1 if self.handle < 0xEFF else 0x40
        self.links[self.handle] = link
        return self.handle

    def create_connection(self, body):
        """LE_Create_Connection: waits for an advertisement of the wanted one."""
        _, _, policy, kind, peer, own, _, interval, latency, timeout = struct.unpack_from("<HHBB6sBHHHH", body)
        self.status(0x200D, DISALLOWED if self.dialing else 0)
        self.dialing = self.dialing or (policy, (kind & 1, peer), own, interval, latency, timeout)

    def cancel_connection(self, _):
        """LE_Create_Connection_Cancel: the connection completes as not made."""
        if not self.dialing:
            return bytes([DISALLOWED])
        wanted, self.dialing = self.dialing[1], None
        self.event(0x0E, struct.pack("<BHB", 1, 0x200E, 0))
        self.meta(1, struct.pack("<BHBB6sHHHB", UNKNOWN_CONNECTION, 0, 0, *wanted, 0, 0, 0, 0))

    def connect(self, peripheral, whom):
        """Makes the link; the advertiser falls silent, as the standard wants it."""
        _, _, own, interval, latency, timeout = self.dialing
        self.dialing, peripheral.advertising = None, 0
        if any(link.other(self) is peripheral for link in self.links.values()):
            return self.air.log(self.name, "has a link to", peripheral.name, "already")
        link = Link(self.air, self, peripheral, interval, latency, timeout)
        self.air.log("up", self.name, peripheral.name, f"{interval * 1.25:.2f} ms")
        for end, role, peer in ((self, 0, whom), (peripheral, 1, self.own(own))):
            numbers = (interval, latency, timeout, 0)
            self_handle = link.handles[end]
            end.meta(1, struct.pack("<BHBB6sHHHB", 0, self_handle, role, *peer, *numbers))

    def disconnect(self, body):
        """Disconnect."""
        handle, reason = struct.unpack_from("<HB", body)
        link = self.links.get(handle)
        self.status(0x0406, 0 if link else UNKNOWN_CONNECTION)
        if link:
            link.end({self: LOCAL_ENDED, link.other(self): reason})

    def update_connection(self, body):
        """LE_Connection_Update: the new pace holds at once."""
        handle, _, interval, latency, timeout = struct.unpack_from("<HHHHH", body)
        link = self.links.get(handle)
        self.status(0x2013, 0 if link else UNKNOWN_CONNECTION)
        if link:
            link.interval, link.latency, link.timeout = interval, latency, timeout
            for end in link.ends:
                end.meta(3, struct.pack("<BHHHH", 0, link.handles[end], interval, latency, timeout))

    def remote_features(self, body):
        """LE_Read_Remote_Features: the same as ours."""
        self.status(0x2016)
        self.meta(4, b"\0" + body[:2] + LE_FEATURES)

    def remote_version(self, body):
        """Read_Remote_Version_Information: the same as ours."""
        self.status(0x041D)
        self.event(0x0C, b"\0" + body[:2] + struct.pack("<BHH", 8, 0xFFFF, 1))

    def set_data_length(self, body):
        """LE_Set_Data_Length: granted."""
        self.event(0x0E, struct.pack("<BHB", 1, 0x2022, 0) + body[:2])
        self.meta(7, body[:2] + struct.pack("<HHHH", 251, 2120, 251, 2120))

    def read_rssi(self, body):
        """Read_RSSI of a link."""
        link = self.links.get(struct.unpack_from("<H", body)[0])
        if not link:
            return bytes([UNKNOWN_CONNECTION]) + body[:2] + b"\0"
        rssi = self.air.measured(self.index, link.other(self).index)
        return b"\0" + body[:2] + struct.pack("<b", rssi)


def bits(length, *numbers):
    """A field of that many bytes with these bits set."""
    return sum(1 << number for number in numbers).to_bytes(length, "little")


# Encryption, the peripheral may ask for features, long packets.
LE_FEATURES = bits(8, 0, 3, 5)
# LE, and no BR/EDR.
FEATURES = bits(8, 37, 38)
# By octet and bit of the standard's table (Vol 4, Part E, 6.27).
SUPPORTED = bits(64, *(8 * octet + bit for octet, row in {
    0: [5], 2: [7], 5: [6, 7], 14: [3, 5], 15: [1, 5], 25: [0, 1, 2, 4, 5, 6, 7], 26: range(8),
    27: [0, 1, 2, 5], 28: [3], 33: [6, 7], 34: [0], 35: [3]}.items() for bit in row))
OK = b"\0"

COMMANDS = {
    0x0406: Controller.disconnect, 0x041D: Controller.remote_version,
    0x0C01: OK, 0x0C03: Controller.reset, 0x0C63: OK,
    0x1001: OK + struct.pack("<BHBHH", 8, 1, 8, 0xFFFF, 1), 0x1002: OK + SUPPORTED, 0x1003: OK + FEATURES,
    0x1005: OK + struct.pack("<HBHH", 0, 0, 0, 0), 0x1009: Controller.read_address, 0x1405: Controller.read_rssi,
    0x2001: OK, 0x2002: OK + struct.pack("<HB", ACL_BYTES, ACL_PACKETS), 0x2003: OK + LE_FEATURES,
    0x2005: Controller.set_random_address, 0x2006: Controller.set_adv_params, 0x2007: OK + b"\0",
    0x2008: Controller.set_adv_data, 0x2009: Controller.set_response, 0x200A: Controller.set_adv_enable,
    0x200B: Controller.set_scan_params, 0x200C: Controller.set_scan_enable,
    0x200D: Controller.create_connection, 0x200E: Controller.cancel_connection,
    0x200F: OK + bytes([8]), 0x2010: Controller.clear_accepted, 0x2011: Controller.add_accepted,
    0x2012: Controller.remove_accepted, 0x2013: Controller.update_connection, 0x2016: Controller.remote_features,
    0x201C: OK + bytes.fromhex("ffffffffff030000"),
    0x2022: Controller.set_data_length, 0x2023: OK + struct.pack("<HH", 251, 2120), 0x2024: OK,
    0x202F: OK + struct.pack("<HHHH", 251, 2120, 251, 2120),
}


def main():
    """Makes the controllers and serves them until killed."""
    words = argparse.ArgumentParser(description="virtual LE controllers on one virtual air")
    words.add_argument("count", type=int)
    words.add_argument("--rssi", type=float, default=-50)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--control", default="/run/air")
    words.add_argument("--log", default="/run/air.log")
    given = words.parse_args()
    air = Air(given.rssi, given.seed, open(given.log, "w"))
    if not os.path.exists(given.control):
        os.mkfifo(given.control)
    control = os.open(given.control, os.O_RDWR | os.O_NONBLOCK)
    air.controllers = [Controller(air, index) for index in range(given.count)]
    poll = select.epoll()
    act = {control: lambda: [air.obey(line) for line in os.read(control, 4096).decode().splitlines()]}
    act.update({controller.fd: controller.read for controller in air.controllers})
    for fd in act:
        poll.register(fd, select.EPOLLIN)
    while True:
        wait = air.clock.run()
        for fd, _ in poll.poll(-1 if wait is None else wait):
            act[fd]()


if __name__ == "__main__":
    main()
