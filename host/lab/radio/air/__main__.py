#!/usr/bin/python3
"""python3 air COUNT [--rssi DBM] [--seed N] [--control FIFO] [--log FILE] [--capture FILE]

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
  pace on|off|TIMES       off: data takes no time, to measure software alone; a number: packets take
                          so many times as long, to measure protocols on a machine that is too slow
"""

import argparse, os, select

from capture import Capture
from controller import Controller
from medium import Air


def main():
    """Makes the controllers and serves them until killed."""
    words = argparse.ArgumentParser(description="virtual LE controllers on one virtual air")
    words.add_argument("count", type=int)
    words.add_argument("--rssi", type=float, default=-50)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--control", default="/run/air")
    words.add_argument("--log", default="/run/air.log")
    words.add_argument("--capture", help="a btsnoop file of all that goes over HCI")
    given = words.parse_args()
    air = Air(given.rssi, given.seed, open(given.log, "w"), Capture(given.capture))
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
