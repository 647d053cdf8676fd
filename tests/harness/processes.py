"""Memory and CPU time of processes, from /proc."""
import os, threading, time

TICK = os.sysconf("SC_CLK_TCK")


def stat(pid):
    """(parent, CPU seconds of itself, of its children that ended) of a process."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICK, (int(fields[13]) + int(fields[14])) / TICK


def tree(*roots):
    """Those processes and all below them."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(stat(name)[0], []).append(int(name))
            except OSError:
                pass
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def pss(pid):
    """Bytes of memory, shared pages in proportion."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def resident(pid):
    """Bytes of memory of its own, and of files and memory that it maps together with others."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            _, whole, shared = (int(pages) * os.sysconf("SC_PAGE_SIZE") for pages in file.read().split()[:3])
            return whole - shared, shared
    except OSError:
        return 0, 0


def name(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def cpu_seconds(*roots):
    """CPU time of the trees, with what their ended children used."""
    total = 0.0
    for pid in tree(*roots):
        try:
            _, own, ended = stat(pid)
            total += own + ended
        except OSError:
            pass
    return total


class Watch:
    """The peak memory of process trees while the `with` block runs, sampled 20 times a second: what each has for itself, and the
    files that the largest maps, for the others map the same. (Shares in proportion, pss(), would stop them at each look.)
    `wanted(pid)` leaves processes out."""

    def __init__(self, roots, wanted=lambda pid: True):
        self.roots, self.wanted, self.peak, self.done = roots, wanted, 0, threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)

    def sample(self):
        while not self.done.wait(0.05):
            found = [resident(pid) for pid in tree(*self.roots) if self.wanted(pid)]
            self.peak = max(self.peak, sum(own for own, _ in found) + max((files for _, files in found), default=0))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def wait_until(check, seconds, what):
    """The first true value of `check()`."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {seconds} s")
        time.sleep(0.002)
