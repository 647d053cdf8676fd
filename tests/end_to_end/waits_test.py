#!/usr/bin/env python3
"""A task that waits until a query on PostgreSQL has an answer, over a restart of the daemon."""
import pathlib, signal, sys, unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
sys.dont_write_bytecode = True

from libpq import Postgres
from processes import wait_until
from service import Cluster, Daemon, Folder, drop_root, installed_prefix

CLOSED = """flow: closed
params: {day: {type: date, default: 2026-11-20}}
tasks:
  closed:
    wait:
      sql: select count(*) from closed_days where day = $day
      in: books
      every: 1s
    timeout: 10m
  told: {run: [echo, "${day} is closed"], needs: closed}
"""
MISTAKE = "flow: mistake\ntasks:\n  asks:\n    wait: {sql: select 1 from no_such_table, in: books}\n"
SHORT = "flow: short\ntasks:\n  asks: {wait: {sql: select false, in: books, every: 1s}, timeout: 3s}\n"


class Waits(unittest.TestCase):
    def setUp(self):
        folder = Folder()
        self.path = folder.__enter__()
        self.addCleanup(folder.__exit__)
        self.server = Cluster(f"{self.path}/pg", {"shared_buffers": "64MB", "max_wal_size": "256MB", "fsync": "off"})
        self.addCleanup(self.server.stop)
        self.server.start()
        self.server.create("books", "store")
        with Postgres(self.server.url("books")) as books:
            books.run("create table closed_days (day date)")
        connections = {"books": {"type": "postgres", "url": self.server.url("books")}}
        flows = {"closed": CLOSED, "mistake": MISTAKE, "short": SHORT}
        self.daemon = Daemon(installed_prefix(self.path), self.path, flows, connections, self.server.url("store"))
        self.addCleanup(self.daemon.stop)
        self.daemon.start()

    def task(self, run):
        return self.daemon.request("GET", f"/api/v1/runs/{run}")[1]["tasks"][0]

    def attempts(self, run):
        with Postgres(self.server.url("store")) as store:
            return [row[0] for row in store.rows(f"select state from millrace.attempt where run_id = {run} and task = 0 order by number")]

    def messages(self, run, several):
        """So many of what the wait says while it waits."""
        seen = set()

        def another():
            task = self.task(run)
            self.assertEqual(task["state"], "running", task)
            if task["state_name"] == "Waiting":
                seen.add(task["message"])
            return len(seen) >= several

        wait_until(another, 60, f"{several} polls")
        return seen

    def test_a_wait_ends_when_the_row_is_there_though_the_daemon_was_killed_meanwhile(self):
        run = self.daemon.trigger("closed")["id"]
        for message in self.messages(run, 3):
            self.assertRegex(message, r"^asked at \S+Z: 0; asks again at \S+Z$")
        self.assertEqual(self.attempts(run), ["running"])
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.process.wait()
        self.daemon.start()
        self.messages(run, 2)
        with Postgres(self.server.url("books")) as books:
            books.run("insert into closed_days values ('2026-11-20')")
        self.assertEqual(self.daemon.wait(run)["state"], "completed")
        self.assertRegex(self.task(run)["message"], r"^answered at \S+Z$")
        self.assertLessEqual(len(self.attempts(run)), 2)  # a second one where the kill met a poll
        self.assertEqual(self.attempts(run)[-1], "completed")

    def test_a_server_that_is_away_for_a_moment_is_waited_for(self):
        run = self.daemon.trigger("closed")["id"]
        self.messages(run, 1)
        with Postgres(self.server.url()) as admin:
            admin.run("alter database books allow_connections false")
            wait_until(lambda: self.task(run)["state"] == "retrying", 30, "a poll that fails")
            admin.run("alter database books allow_connections true")
        with Postgres(self.server.url("books")) as books:
            books.run("insert into closed_days values ('2026-11-20')")
        self.assertEqual(self.daemon.wait(run)["state"], "completed")
        self.assertEqual(self.attempts(run)[0], "failed")

    def test_a_mistake_is_told_with_its_place_and_no_time_left_is_an_error(self):
        task = self.task(self.daemon.run("mistake")["id"])
        self.assertRegex(task["message"], r'"no_such_table" does not exist \(\S*mistake.yaml:4, line 1 of the SQL: no_such_table\)$')
        task = self.task(self.daemon.run("short")["id"])
        self.assertEqual((task["state_name"], task["message"].split(" (")[0]), ("TimedOut", "timed out after 3 s"))


if __name__ == "__main__":
    drop_root()
    unittest.main(verbosity=2)
