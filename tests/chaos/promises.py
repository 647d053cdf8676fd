"""What must hold when all is well again."""
import os, re, signal, time

import mix
from faults import LEASE, signal_to
from processes import tree, wait_until


class Violation(Exception):
    pass


def ready(node):
    try:
        return node.request("GET", "/readyz")[0] == 200
    except OSError:
        return False


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


class Promises:
    """Of the nodes that this is mixed into: `nodes`, `ask`, `supervise`, `well`."""

    def settle(self):
        """All nodes are well again, no schedule fires any more, and every run has ended."""
        def all_well():
            self.supervise()
            return len(self.well()) == len(self.nodes) and not self.full_until and all(node.process.poll() is None and ready(node) for node in self.nodes)
        wait_until(all_well, 90, "the nodes' recovery")
        for flow in mix.SECONDS:
            status, answer = self.nodes[0].request("PATCH", f"/api/v1/schedules/{flow}", {"paused": True})
            if status != 200:
                raise Violation(f"{flow} cannot be paused: {status} {answer}")
        time.sleep(5)  # the other nodes look for it every three seconds
        self.until_over()

    def until_over(self):
        def over():
            self.supervise()
            return self.ask("store", "select count(*) from millrace.run where finished_at is null")[0][0] == "0"
        try:
            wait_until(over, 240, "the end of all runs")
        except TimeoutError:
            live = self.ask("store", "select id, flow, state, state_name, message, epoch from millrace.run where finished_at is null limit 5")
            tasks = self.ask("store", f"select run_id, task, state, state_name, attempts, due_at, message from millrace.task_run where run_id in (select id from millrace.run where finished_at is null) limit 20")
            raise Violation(f"runs that do not end: {live} {tasks}")

    def check(self):
        wrong = self.ask("store", "select flow, state, message, count(*) from millrace.run where state <> 'completed' group by 1, 2, 3 order by 4 desc limit 5")
        if wrong:
            raise Violation(f"runs that did not complete: {wrong}")
        doubled = self.ask("store", "select flow, scheduled_for, count(*) from millrace.run where trigger = 'schedule' group by 1, 2 having count(*) > 1 limit 5")
        if doubled:
            raise Violation(f"instants that fired twice: {doubled}")
        for flow, every in mix.SECONDS.items():
            first, last, runs = (float(v) for v in self.ask("store", f"select extract(epoch from min(scheduled_for)), extract(epoch from max(scheduled_for)), count(*) from millrace.run where flow = '{flow}'")[0])
            if runs != (last - first) / every + 1:
                raise Violation(f"{flow}: {runs:.0f} runs for {(last - first) / every + 1:.0f} instants")
        fired = {tuple(row) for row in self.ask("store", "select flow, extract(epoch from scheduled_for) from millrace.run")}
        loaded = [tuple(row) for row in self.ask("warehouse", "select flow, extract(epoch from nominal) from effects")]
        if len(set(loaded)) != len(loaded):
            raise Violation(f"{len(loaded) - len(set(loaded))} effects are doubled")
        if {(flow, float(at)) for flow, at in fired} != {(flow, float(at)) for flow, at in loaded}:
            raise Violation(f"{len(fired)} runs, {len(loaded)} effects")
        held = self.ask("store", "select count(*) from millrace.slot where run_id is not null")[0][0]
        if held != "0":
            raise Violation(f"{held} slots are held by nobody")
        self.check_strays()
        return len(loaded)

    def hostile(self):
        """How often commands did their worst: the class of the error that ended an attempt, by flow."""
        return self.ask("store", "select r.flow, a.error ->> 'class', count(*) from millrace.attempt a join millrace.run r on r.id = a.run_id"
                                 " where r.flow in ('deaf', 'forking', 'greedy') and a.task = 1 group by 1, 2 order by 1, 3 desc")

    def store_said(self):
        """What kept journals from writing, by SQLSTATE, from the daemons' logs; each is told at most once a minute."""
        said = {}
        for node in self.nodes:
            for state in re.findall(r"journal: the store [^\n]*sqlstate=(\w*)", node.log()):
                said[state or "connection lost"] = said.get(state or "connection lost", 0) + 1
        return said

    def check_strays(self):
        """What commands left behind has ended: all attempts have."""
        strays = [pid for pid in os.listdir("/proc") if pid.isdigit() and command_of(pid).startswith(self.stray.encode())]
        if strays:
            raise Violation(f"{len(strays)} processes that commands started are left")

    def frozen_node(self):
        """A node that is frozen with runs under way, for twice the lease, and wakes when others have ended them, changes nothing."""
        ids = [self.nodes[0].trigger("slow")["id"] for _ in range(5)]
        family = f"({', '.join(map(str, ids))})"
        wait_until(lambda: self.ask("store", f"select count(*) from millrace.attempt where run_id in {family} and finished_at is null")[0][0] == "5", 30, "the start of five commands")
        number = 0
        self.freeze_whole(number)
        frozen = time.monotonic()

        def completed_elsewhere():
            self.supervise()
            return self.ask("store", f"select count(*) from millrace.run where id in {family} and state = 'completed'")[0][0] == "5"
        wait_until(completed_elsewhere, 60, "the end of a frozen node's runs on others")
        time.sleep(max(0, frozen + 2 * LEASE - time.monotonic()))
        before = self.written(family)
        old = self.nodes[number].process
        self.wake(number)
        wait_until(lambda: old.poll() is not None, 30, "the end of a node that was fenced")
        self.start(number)
        wait_until(lambda: ready(self.nodes[number]), 60, "the fenced node's next start")
        after = self.written(family)
        if len(after["effects"]) != len(ids) or after != before:
            raise Violation("a frozen node that woke changed what others had done")
        return len(ids)

    def freeze_whole(self, number):
        victims = tree(self.nodes[number].process.pid)
        for pid in victims:
            signal_to(pid, signal.SIGSTOP)
        self.frozen[number] = (float("inf"), victims)

    def written(self, family):
        """All rows of these runs, in the store and in the target."""
        tables = {"run": "id", "task_run": "run_id", "attempt": "run_id"}
        rows = {table: sorted(map(str, self.ask("store", f"select t::text from millrace.{table} t where {column} in {family}"))) for table, column in tables.items()}
        rows["effects"] = sorted(map(str, self.ask("warehouse", "select t::text from slow t")))
        rows["ledger"] = sorted(map(str, self.ask("warehouse", f"select t::text from _millrace_ledger t where run_id in {family}")))
        return rows
