#!/usr/bin/python3
"""l2cap.py serve ADDRESS PSM | rtt FROM TO PSM COUNT SIZE | stream FROM TO PSM BYTES SIZE

Plain L2CAP channels over LE, to compare with: no pairing, credit-based flow control. `serve` takes
connections to the radio with that address; `rtt` prints the median round trip in ms and `stream`
bytes a second from the first byte to the word that all are there. Python's own addresses know
nothing of LE, so bind and connect are libc's. Sockets have timeouts: blocking ones were seen to
hang in the guest.
"""

import ctypes, os, socket, struct, sys, threading, time

LIBC = ctypes.CDLL("libc.so.6", use_errno=True)
SOL_BLUETOOTH, BT_RCVMTU, LE_PUBLIC = 274, 13, 1
MTU, LIMIT_S = 2048, 20


def call(function, channel, address, psm):
    """Binds or connects to that address."""
    octets = bytes(int(part, 16) for part in reversed(address.split(":")))
    where = struct.pack("<HH6sHBx", socket.AF_BLUETOOTH, psm, octets, 0, LE_PUBLIC)
    if function(channel.fileno(), where, len(where)):
        code = ctypes.get_errno()
        raise OSError(code, f"{address}: {os.strerror(code)}")


def bound(address, psm=0):
    """A socket of the radio with that address."""
    channel = socket.socket(socket.AF_BLUETOOTH, socket.SOCK_SEQPACKET, socket.BTPROTO_L2CAP)
    call(LIBC.bind, channel, address, psm)
    channel.setsockopt(SOL_BLUETOOTH, BT_RCVMTU, struct.pack("<H", MTU))
    return channel


def connected(here, there, psm):
    """A channel to there; tried again until the time is up."""
    until = time.monotonic() + LIMIT_S
    while True:
        channel = bound(here)
        try:
            call(LIBC.connect, channel, there, psm)
        except OSError:
            channel.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
            continue
        channel.settimeout(LIMIT_S)
        return channel


def answer(channel):
    """The first packet tells what is wanted: an echo, or a word when so many bytes are there."""
    wanted = channel.recv(MTU)
    left = int(wanted[1:] or b"0")
    while packet := channel.recv(MTU):
        if wanted[:1] == b"E":
            channel.send(packet)
        else:
            left -= len(packet)
            if left <= 0:
                channel.send(b"all")


def answer_until_gone(channel):
    """Serves one connection."""
    try:
        answer(channel)
    except OSError:
        pass
    channel.close()


def serve(address, psm):
    """Takes connections for ever."""
    listener = bound(address, int(psm, 0))
    listener.listen(8)
    print("listening", flush=True)
    while True:
        channel, _ = listener.accept()
        channel.settimeout(LIMIT_S)
        threading.Thread(target=answer_until_gone, args=(channel,), daemon=True).start()


def rtt(here, there, psm, count, size):
    """The median round trip."""
    channel = connected(here, there, int(psm, 0))
    channel.send(b"E")
    times = []
    for _ in range(int(count)):
        begun = time.monotonic()
        channel.send(bytes(int(size)))
        channel.recv(MTU)
        times.append(time.monotonic() - begun)
    print(round(sorted(times)[len(times) // 2] * 1e3, 1))


def stream(here, there, psm, total, size):
    """Bytes a second, one way."""
    channel = connected(here, there, int(psm, 0))
    channel.send(b"S" + total.encode())
    left, begun = int(total), time.monotonic()
    while left > 0:
        left -= channel.send(bytes(min(int(size), left)))
    channel.recv(MTU)
    print(round(int(total) / (time.monotonic() - begun)))


if __name__ == "__main__":
    {"serve": serve, "rtt": rtt, "stream": stream}[sys.argv[1]](*sys.argv[2:])
