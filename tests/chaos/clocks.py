"""The wall clock of one process, set by libfaketime (Debian's package faketime). The clocks that measure durations, by which leases
count, are left alone, as they are when somebody sets a machine's time."""
import glob, os

FAKETIME = next(iter(sorted(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"))), None)


class Faketime:
    def __init__(self, file, at=None):
        """`at`: "2026-03-29 00:59:50", from which the clock runs; else the true time."""
        self.file = file
        self.write(f"@{at}" if at else "+0")
        self.environment = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": file, "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}

    def set(self, seconds):
        """So far off the true time."""
        self.write(f"{seconds:+d}")

    def write(self, text):
        with open(f"{self.file}.new", "w") as file:
            file.write(text + "\n")
        os.replace(f"{self.file}.new", self.file)
