"""What breaks while several nodes work. Each fault says in a word what it did; None: it was not possible just now."""
import os, signal, time

import disks
from processes import name, tree

LEASE = 10.0


def signal_to(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Faults:
    """Of the nodes that this is mixed into: `choice`, `nodes`, `cluster`, `proxy`, `clocks`, the disks, and what is broken until when."""

    def all_kinds(self):
        kinds = {"kill a node": self.kill_node, "kill a node for long": self.kill_node_for_long, "freeze a node": self.freeze, "kill a host": self.kill_host,
                 "freeze a host": self.freeze_host, "end connections": self.end_connections, "restart PostgreSQL": self.restart_postgresql,
                 "kill PostgreSQL": self.kill_postgresql, "stop a node": self.stop_node}
        if self.proxied:
            kinds |= {"cut a node's connections": self.cut, "half-open connections of a node": self.half_open, "slow connections of a node": self.slow}
        if self.staging_disk:
            kinds |= {"fill the staging disk": self.fill_staging, "fill the database's disk": self.fill_database}
        if self.clocked:
            kinds |= {"set a node's clock": self.set_clock}
        return kinds

    def well(self):
        return [number for number in range(len(self.nodes)) if number not in self.frozen and number not in self.down and number not in self.ailing]

    def fault(self):
        kind = self.choice.choice(sorted(self.kinds))
        told = self.kinds[kind]()
        self.done[kind] += told is not None
        return f"{kind}: {told}" if told else f"{kind}: not now"

    def some_node(self):
        well = self.well()
        return self.choice.choice(well) if len(well) > 1 else None  # one goes on

    def kill_node(self):
        if (number := self.some_node()) is None:
            return None
        self.nodes[number].process.kill()
        self.nodes[number].process.wait()
        self.start(number)
        return f"{number}, started again at once"

    def kill_node_for_long(self):
        if (number := self.some_node()) is None:
            return None
        epoch = self.ask("store", f"select epoch from millrace.node where id like '%{self.nodes[number].folder}/state#%'")[0][0]
        self.nodes[number].process.kill()
        self.nodes[number].process.wait()
        self.orphans[epoch] = time.monotonic()
        self.down[number] = time.monotonic() + self.choice.uniform(1.2, 2) * LEASE
        return f"{number}"

    def stop_node(self):
        if (number := self.some_node()) is None:
            return None
        self.nodes[number].process.terminate()
        self.nodes[number].process.wait(60)
        self.down[number] = time.monotonic() + self.choice.uniform(0, LEASE)
        return f"{number}"

    def freeze(self):
        if (number := self.some_node()) is None:
            return None
        root = self.nodes[number].process.pid
        victims = [pid for pid in tree(root) if pid == root or self.choice.random() < 0.5]
        for pid in victims:
            signal_to(pid, signal.SIGSTOP)
        self.frozen[number] = (time.monotonic() + self.choice.choice([3, 2 * LEASE]), victims)
        return f"{number} and {len(victims) - 1} of its processes"

    def wake(self, number):
        for pid in self.frozen.pop(number)[1]:
            signal_to(pid, signal.SIGCONT)

    def kill_host(self):
        hosts = [pid for number in self.well() for pid in tree(self.nodes[number].process.pid) if name(pid).startswith("millrace-host")]
        if not hosts:
            return None
        signal_to(self.choice.choice(sorted(hosts)), signal.SIGKILL)
        return "one"

    def freeze_host(self):
        """It hears no TERM: the attempt's time runs out, and the daemon has to kill it."""
        hosts = [pid for number in self.well() for pid in tree(self.nodes[number].process.pid) if name(pid).startswith("millrace-host")]
        if not hosts:
            return None
        signal_to(self.choice.choice(sorted(hosts)), signal.SIGSTOP)
        return "one, for good"

    def end_connections(self):
        try:
            ended = self.ask("postgres", "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname in ('store', 'warehouse') and random() < 0.5")
        except RuntimeError:
            return None
        return f"{ended[0][0]}"

    def restart_postgresql(self):
        self.orphans.clear()  # adoption waits for the store, which is no measure
        self.cluster.stop()
        time.sleep(self.choice.uniform(0, 3))
        self.cluster.start()
        return "stopped in order"

    def kill_postgresql(self):
        self.orphans.clear()
        for pid in tree(self.cluster.process.pid):
            signal_to(pid, signal.SIGKILL)
        self.cluster.process.wait()
        self.start_postgresql()
        return "kill -9"

    def start_postgresql(self):
        for attempt in range(20):
            try:
                return self.cluster.start()
            except RuntimeError:  # the dead server's memory is still being taken apart
                if attempt == 19:
                    raise
                time.sleep(0.1)

    def ail(self, number, seconds, mend):
        self.ailing[number] = (time.monotonic() + seconds, mend)

    def network_fault(self, act, *seconds):
        if (number := self.some_node()) is None:
            return None
        act(str(number))
        duration = self.choice.choice(seconds)
        self.ail(number, duration, lambda: self.proxy.mend(str(number)))
        return f"{number} for {duration:g} s"

    def cut(self):
        return self.network_fault(self.proxy.cut, 0.2, 3, 15)

    def half_open(self):
        return self.network_fault(self.proxy.half_open, 3, 2 * LEASE)

    def slow(self):
        return self.network_fault(self.proxy.slow, 8)

    def set_clock(self):
        if (number := self.some_node()) is None:
            return None
        seconds = self.choice.choice([-100, -20, 20, 100])
        self.clocks[number].set(seconds)
        self.ail(number, 8, lambda: self.clocks[number].set(0))
        return f"{number} by {seconds} s for 8 s"

    def fill_staging(self):
        if self.full_until:
            return None
        disks.Filler(self.staging_disk).fill()
        duration = self.choice.uniform(2, 8)
        self.full_until = time.monotonic() + duration
        return f"for {duration:.1f} s"

    def fill_database(self):
        """Its WAL and its tables find no room. A server that gives up is started again when there is some."""
        self.orphans.clear()
        filler = disks.Filler(self.database_disk)
        filler.fill()
        end = time.monotonic() + self.choice.uniform(1, 6)
        while time.monotonic() < end:
            filler.fill()  # also what it frees itself
            time.sleep(0.2)
        filler.free()
        ended = self.cluster.process.poll() is not None
        if ended:
            self.start_postgresql()
        return "the server ended and was started again" if ended else "the server went on"
