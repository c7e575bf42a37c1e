"""The medium: time, chance, and who hears whom how well."""

import heapq, itertools, random, time

# Standard deviation of one measurement of signal strength.
NOISE_DB = 1.5


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

    def __init__(self, rssi, seed, log, capture):
        self.default, self.fades, self.random, self.log_file = rssi, {}, random.Random(seed), log
        self.capture = capture
        self.clock, self.controllers, self.pace = Clock(), [], 1.0

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
        if dbm <= -100:
            for one, other in ((a, b), (b, a)):
                self.controllers[one].met.discard(self.controllers[other])

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
                self.pace = float({"on": 1, "off": 0}.get(rest[0], rest[0]))
            else:
                raise ValueError("no such order")
            self.log("order", line)
        except (ValueError, IndexError) as error:
            self.log("bad order", repr(line), error)
