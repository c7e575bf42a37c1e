#!/usr/bin/python3
"""gatt.py advertise ADAPTER [LEAST_MS MOST_MS] | scan ADAPTER SECONDS | serve ADAPTER | notify ADAPTER ADDRESS COUNT

bluetoothd as its clients see it, to try the radios with and to compare with: an advertisement; a
scan that prints a line `MS ADDRESS RSSI` for each sighting; a characteristic that notifies as fast
as it can, and a client that takes COUNT notifications and prints bytes a second.
"""

import os, sys, time

import dbus, dbus.mainloop.glib, dbus.service
from gi.repository import GLib

BLUEZ, PROPERTIES = "org.bluez", "org.freedesktop.DBus.Properties"
SERVICE, VALUE = "b1e0c0de-0000-4000-8000-00000000000a", "b1e0c0de-0000-4000-8000-00000000000b"
# The most that bluetoothd 5.66 takes as a value.
BYTES = 509
# Said once in a scan, so that a peer with the same data is told again.
FILTER = {"Transport": "le", "DuplicateData": dbus.Boolean(True)}


def of(path, interface):
    """An interface of an object of bluetoothd."""
    return dbus.Interface(BUS.get_object(BLUEZ, path), interface)


class Properties(dbus.service.Object):
    """An object of ours that bluetoothd reads."""

    def __init__(self, path, interface, properties):
        super().__init__(BUS, path)
        self.path, self.interface, self.properties = path, interface, properties

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}")
    def GetAll(self, _):
        """All that it is."""
        return self.properties


class Application(dbus.service.Object):
    """The tree of objects that RegisterApplication wants."""

    def __init__(self, objects):
        super().__init__(BUS, "/lab")
        self.objects = objects

    @dbus.service.method("org.freedesktop.DBus.ObjectManager", out_signature="a{oa{sa{sv}}}")
    def GetManagedObjects(self):
        """The objects."""
        return {each.path: {each.interface: each.properties} for each in self.objects}


class Notifier(Properties):
    """A characteristic that notifies as fast as its reader takes it."""

    @dbus.service.method("org.bluez.GattCharacteristic1", in_signature="a{sv}", out_signature="hq")
    def AcquireNotify(self, options):
        """Gives bluetoothd a socket, and fills it."""
        import socket
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        size = min(int(options["mtu"]) - 3, BYTES)

        def fill(_, condition):
            if condition & GLib.IO_HUP:
                ours.close()
                return False
            try:
                ours.send(bytes(size))
            except BlockingIOError:
                pass
            return True

        GLib.io_add_watch(ours.fileno(), GLib.IO_OUT | GLib.IO_HUP, fill)
        handed = dbus.types.UnixFd(theirs)
        theirs.close()
        return handed, dbus.UInt16(size + 3)


def said(what):
    """Prints that it is done, or ends with what went wrong."""
    return {"reply_handler": lambda: print(what, flush=True),
            "error_handler": lambda error: (print("failed:", error, flush=True), os._exit(1))}


def advertise(adapter, least="100", most="150"):
    """Advertises until killed."""
    what = {"Type": "peripheral", "ServiceUUIDs": dbus.Array([SERVICE], signature="s"),
            "MinInterval": dbus.UInt32(int(least)), "MaxInterval": dbus.UInt32(int(most))}
    Properties("/lab/advertisement", "org.bluez.LEAdvertisement1", what)
    manager = of(f"/org/bluez/{adapter}", "org.bluez.LEAdvertisingManager1")
    manager.RegisterAdvertisement("/lab/advertisement", {}, **said("advertising"))
    GLib.MainLoop().run()


def scan(adapter, seconds):
    """Prints what is sighted."""
    def sighted(properties, path):
        if "RSSI" in properties and f"/{adapter}/" in path:
            address = path.rsplit("dev_", 1)[1].replace("_", ":")
            print(round(time.monotonic() * 1000), address, int(properties["RSSI"]), flush=True)

    BUS.add_signal_receiver(lambda _, changed, __, path: sighted(changed, path), "PropertiesChanged", PROPERTIES, path_keyword="path")
    BUS.add_signal_receiver(lambda path, new: sighted(new.get("org.bluez.Device1", {}), path), "InterfacesAdded")
    there = of(f"/org/bluez/{adapter}", "org.bluez.Adapter1")
    there.SetDiscoveryFilter(dbus.Dictionary(FILTER, signature="sv"))
    there.StartDiscovery()
    GLib.timeout_add(int(float(seconds) * 1000), LOOP.quit)
    LOOP.run()


def serve(adapter):
    """Serves the characteristic, and advertises."""
    objects = [
        Properties("/lab/service0", "org.bluez.GattService1", {"UUID": SERVICE, "Primary": True}),
        Notifier("/lab/service0/value", "org.bluez.GattCharacteristic1",
                 {"UUID": VALUE, "Service": dbus.ObjectPath("/lab/service0"), "Flags": ["notify"],
                  "NotifyAcquired": False}),
    ]
    application = Application(objects)
    of(f"/org/bluez/{adapter}", "org.bluez.GattManager1").RegisterApplication("/lab", {}, **said("serving"))
    advertise(adapter)
    return application


def wait(what, ask, seconds=20):
    """Asks until there is an answer, while signals go on."""
    until, context = time.monotonic() + seconds, LOOP.get_context()
    while time.monotonic() < until:
        answer = ask()
        if answer:
            return answer
        while context.iteration(False):
            pass
        time.sleep(0.05)
    sys.exit(f"no {what}")


def objects():
    """All objects of bluetoothd."""
    return of("/", "org.freedesktop.DBus.ObjectManager").GetManagedObjects()


def notify(adapter, address, count):
    """Connects, takes notifications, prints bytes a second."""
    path = f"/org/bluez/{adapter}/dev_{address.replace(':', '_')}"
    there = of(f"/org/bluez/{adapter}", "org.bluez.Adapter1")
    there.SetDiscoveryFilter(dbus.Dictionary(FILTER, signature="sv"))
    there.StartDiscovery()
    wait("advertisement", lambda: path in objects())
    there.StopDiscovery()
    of(path, "org.bluez.Device1").Connect(timeout=30)
    wait("services", lambda: of(path, PROPERTIES).Get("org.bluez.Device1", "ServicesResolved"))
    found = [each for each, what in objects().items()
             if each.startswith(path) and what.get("org.bluez.GattCharacteristic1", {}).get("UUID") == VALUE]
    handed, size = of(found[0], "org.bluez.GattCharacteristic1").AcquireNotify({})
    pipe, total, begun = handed.take(), 0, None
    for _ in range(int(count)):
        while True:
            try:
                packet = os.read(pipe, int(size))
                break
            except BlockingIOError:
                time.sleep(0.001)
        if begun is None:
            begun = time.monotonic()
        else:
            total += len(packet)
    print(round(total / (time.monotonic() - begun)))


if __name__ == "__main__":
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    BUS, LOOP = dbus.SystemBus(), GLib.MainLoop()
    words = {"advertise": advertise, "scan": scan, "serve": serve, "notify": notify}
    words[sys.argv[1]](*sys.argv[2:])
