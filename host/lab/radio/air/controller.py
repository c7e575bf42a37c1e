"""One controller: what it answers the kernel, and what it does on the air."""

import os, struct, time

import hci
from link import Link


class Controller:
    """One controller: answers the kernel's commands, advertises, scans, connects."""

    def __init__(self, air, index):
        self.air, self.index = air, index
        self.address = bytes([index + 1, 0, 0, 0x5A, 0xA0, 0x02])    # 02:A0:5A:00:00:01 and on
        self.fd = os.open("/dev/vhci", os.O_RDWR | os.O_NONBLOCK)
        os.write(self.fd, bytes([hci.VENDOR, 0]))
        self.links, self.handle, self.met = {}, 0x3F, set()
        self.name = f"air{index}"
        self.reset(b"")

    def reset(self, _):
        """HCI_Reset: as after power on."""
        for link in list(self.links.values()):
            link.end({link.other(self): hci.TIMEOUT})
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
        self.air.capture.up(self.index, kind, bytes_)
        try:
            os.write(self.fd, bytes([kind]) + bytes_)
        except OSError as error:
            self.air.log(self.name, "lost a packet:", error)

    def event(self, code, bytes_):
        """Tells the kernel an event."""
        self.put(hci.EVENT, bytes([code, len(bytes_)]) + bytes_)

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
        if packet[0] in (hci.COMMAND, hci.ACL):
            self.air.capture.down(self.index, packet[0], packet[1:])
        if packet[0] == hci.VENDOR:
            self.name = f"hci{struct.unpack_from('<H', packet, 2)[0]}"
            self.air.log("ready", self.name)
            self.air.capture.began(self.index, self.address)
        elif packet[0] == hci.ACL:
            link = self.links.get(struct.unpack_from("<H", packet, 1)[0] & 0xFFF)
            if link:
                link.send(self, packet[1:])
        elif packet[0] == hci.COMMAND:
            opcode, = struct.unpack_from("<H", packet, 1)
            self.command(opcode, packet[4:])

    def command(self, opcode, body):
        """Answers a command: with bytes at once, or by what its method tells later."""
        act = COMMANDS.get(opcode)
        if act is None:
            self.air.log(self.name, "unknown command", hex(opcode), body.hex())
            answer = bytes([hci.UNKNOWN_COMMAND])
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
            if sender not in self.met:
                self.met.add(sender)
                self.air.log(self.name, "hears", sender.name)
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
        self.status(0x200D, hci.DISALLOWED if self.dialing else 0)
        self.dialing = self.dialing or (policy, (kind & 1, peer), own, interval, latency, timeout)

    def cancel_connection(self, _):
        """LE_Create_Connection_Cancel: the connection completes as not made."""
        if not self.dialing:
            return bytes([hci.DISALLOWED])
        wanted, self.dialing = self.dialing[1], None
        self.event(0x0E, struct.pack("<BHB", 1, 0x200E, 0))
        self.meta(1, struct.pack("<BHBB6sHHHB", hci.UNKNOWN_CONNECTION, 0, 0, *wanted, 0, 0, 0, 0))

    def connect(self, peripheral, whom):
        """Makes the link; the advertiser falls silent, as the standard wants it."""
        _, _, own, interval, latency, timeout = self.dialing
        self.dialing = None
        if any(link.other(self) is peripheral for link in self.links.values()):
            return self.meta(1, struct.pack("<BHBB6sHHHB", hci.EXISTS, 0, 0, *whom, 0, 0, 0, 0))
        peripheral.advertising = 0
        link = Link(self.air, self, peripheral, interval, latency, timeout)
        self.air.log("up", self.name, peripheral.name, f"{interval * 1.25:.2f} ms")
        for end, role, peer in ((self, 0, whom), (peripheral, 1, self.own(own))):
            numbers = (interval, latency, timeout, 0)
            end.meta(1, struct.pack("<BHBB6sHHHB", 0, link.handles[end], role, *peer, *numbers))

    def disconnect(self, body):
        """Disconnect."""
        handle, reason = struct.unpack_from("<HB", body)
        link = self.links.get(handle)
        self.status(0x0406, 0 if link else hci.UNKNOWN_CONNECTION)
        if link:
            link.end({self: hci.LOCAL_ENDED, link.other(self): reason})

    def update_connection(self, body):
        """LE_Connection_Update: the new pace holds at once."""
        handle, _, interval, latency, timeout = struct.unpack_from("<HHHHH", body)
        link = self.links.get(handle)
        self.status(0x2013, 0 if link else hci.UNKNOWN_CONNECTION)
        if link:
            link.interval, link.latency, link.timeout = interval, latency, timeout
            for end in link.ends:
                end.meta(3, struct.pack("<BHHHH", 0, link.handles[end], interval, latency, timeout))

    def remote_features(self, body):
        """LE_Read_Remote_Features: the same as ours."""
        self.status(0x2016)
        self.meta(4, b"\0" + body[:2] + hci.LE_FEATURES)

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
            return bytes([hci.UNKNOWN_CONNECTION]) + body[:2] + b"\0"
        rssi = self.air.measured(self.index, link.other(self).index)
        return b"\0" + body[:2] + struct.pack("<b", rssi)


COMMANDS = {
    0x0406: Controller.disconnect, 0x041D: Controller.remote_version,
    0x0C01: hci.OK, 0x0C03: Controller.reset, 0x0C63: hci.OK,
    0x1001: hci.OK + struct.pack("<BHBHH", 8, 1, 8, 0xFFFF, 1), 0x1002: hci.OK + hci.SUPPORTED, 0x1003: hci.OK + hci.FEATURES,
    0x1005: hci.OK + struct.pack("<HBHH", 0, 0, 0, 0), 0x1009: Controller.read_address, 0x1405: Controller.read_rssi,
    0x2001: hci.OK, 0x2002: hci.OK + struct.pack("<HB", hci.ACL_BYTES, hci.ACL_PACKETS), 0x2003: hci.OK + hci.LE_FEATURES,
    0x2005: Controller.set_random_address, 0x2006: Controller.set_adv_params, 0x2007: hci.OK + b"\0",
    0x2008: Controller.set_adv_data, 0x2009: Controller.set_response, 0x200A: Controller.set_adv_enable,
    0x200B: Controller.set_scan_params, 0x200C: Controller.set_scan_enable,
    0x200D: Controller.create_connection, 0x200E: Controller.cancel_connection,
    0x200F: hci.OK + bytes([8]), 0x2010: Controller.clear_accepted, 0x2011: Controller.add_accepted,
    0x2012: Controller.remove_accepted, 0x2013: Controller.update_connection, 0x2016: Controller.remote_features,
    0x201C: hci.OK + bytes.fromhex("ffffffffff030000"),
    0x2022: Controller.set_data_length, 0x2023: hci.OK + struct.pack("<HH", 251, 2120), 0x2024: hci.OK,
    0x202F: hci.OK + struct.pack("<HHHH", 251, 2120, 251, 2120),
}
