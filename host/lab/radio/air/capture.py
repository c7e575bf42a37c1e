"""All that goes over HCI, as a file that Wireshark and `btmon -r` read (btsnoop, monitor format)."""

import struct, time

import hci

# Between the year 0, from which btsnoop counts, and 1970, in microseconds.
EPOCH_US = 0x00DCDDB30F2F8000
# What a kind of packet is called there when it goes down to the controller, and when it goes up.
DOWN, UP = {hci.COMMAND: 2, hci.ACL: 4}, {hci.EVENT: 3, hci.ACL: 5}
NEW_INDEX = 0


class Capture:
    """A file, or nothing where none is wanted."""

    def __init__(self, path):
        self.file = open(path, "wb", buffering=0) if path else None
        if self.file:
            self.file.write(b"btsnoop\0" + struct.pack(">II", 1, 2001))

    def write(self, index, opcode, body):
        """One record."""
        if self.file:
            head = struct.pack(">IIHHIq", len(body), len(body), index, opcode, 0, EPOCH_US + time.time_ns() // 1000)
            self.file.write(head + body)

    def began(self, index, address):
        """A controller is there."""
        self.write(index, NEW_INDEX, bytes(2) + address + f"hci{index}".encode().ljust(8, b"\0"))

    def down(self, index, kind, body):
        """A packet from the kernel."""
        self.write(index, DOWN[kind], body)

    def up(self, index, kind, body):
        """A packet to the kernel."""
        self.write(index, UP[kind], body)
