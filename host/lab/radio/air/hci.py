"""Numbers of the Host Controller Interface, and what these controllers say of themselves."""

# Kinds of packets.
COMMAND, ACL, EVENT, VENDOR = 1, 2, 4, 0xFF
# Error codes.
UNKNOWN_COMMAND, UNKNOWN_CONNECTION, TIMEOUT, EXISTS, DISALLOWED = 0x01, 0x02, 0x08, 0x0B, 0x0C
LOCAL_ENDED = 0x16
# Buffers for data.
ACL_BYTES, ACL_PACKETS = 251, 8


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
