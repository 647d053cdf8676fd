#!/usr/bin/env python3
"""A store that forgets its last commits, with real servers: the daemon notices, forgets what it knows, begins anew in the same process
and tells of it; what the store still knows goes on, and the target, which forgot nothing, has each row once."""
import os, pathlib, shutil, subprocess, sys, unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
sys.dont_write_bytecode = True

from cases import run_cases
from libpq import Postgres
from processes import tree, wait_until
from service import Cluster, Daemon, drop_root, installed_prefix

FLOWS = {
    # each instant leaves one row, also where its run is lost and made again
    "ticks": """flow: ticks
schedule: {cron: "* * * * * *", missed: all}
interval: {every: 1s}
overlap: allow
tasks:
  row:
    transform: select $interval_end as nominal
  target:
    load: row
    into: warehouse.ticks
    mode: append
""",
    # under way when the store goes, and on record in what it is put back to
    "long": """flow: long
tasks:
  wait:
    run: [/bin/sleep, "20"]
  row:
    transform: select 1 as done
    needs: [wait]
  target:
    load: row
    into: warehouse.long
    mode: append
""",
}


class FailOver(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"fo-{os.getpid()}")
        os.mkdir(self.folder)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        prefix = installed_prefix(self.folder)
        self.store, self.target = (Cluster(f"{self.folder}/{name}", {"shared_buffers": "64MB"}).start() for name in ("store", "target"))
        self.addCleanup(self.target.stop)
        self.addCleanup(self.store.stop)
        self.store.create("store")
        self.target.create("warehouse")
        self.daemon = Daemon(prefix, self.folder, FLOWS, {"warehouse": {"type": "postgres", "url": self.target.url("warehouse")}}, self.store.url("store"))
        self.daemon.start()
        self.addCleanup(self.daemon.stop)

    def ask(self, cluster, database, sql):
        with Postgres(cluster.url(database)) as postgres:
            return postgres.rows(sql)

    def in_store(self, sql):
        return self.ask(self.store, "store", sql)[0][0]

    def ticks(self):
        there = self.ask(self.target, "warehouse", "select to_regclass('ticks')")[0][0]
        return int(self.ask(self.target, "warehouse", "select count(*) from ticks")[0][0]) if there else 0

    def goes_back(self, put_back):
        """To what it was now, some seconds later, by `put_back()`."""
        wait_until(lambda: self.ticks() > 2, 60, "the first runs")
        self.daemon.trigger("long")
        wait_until(lambda: self.in_store("select count(*) from millrace.attempt a join millrace.run r on r.id = a.run_id where r.flow = 'long'") == "1", 20, "its attempt")
        self.copy()
        seen = self.ticks()
        wait_until(lambda: self.ticks() > seen + 3, 60, "runs that will be forgotten")
        self.assertEqual(self.in_store("select count(*) from millrace.event where kind = 'history_lost'"), "0")
        pid, hosts = self.daemon.process.pid, set(tree(self.daemon.process.pid)) - {self.daemon.process.pid}
        before = self.in_store("select max(id) from millrace.run where finished_at is not null")
        self.store.process.kill()
        self.store.process.wait()
        put_back()
        wait_until(lambda: self.in_store("select count(*) from millrace.event where kind = 'history_lost'") == "1", 30, "its notice")
        self.daemon.wait_ready()
        self.assertEqual((self.daemon.process.poll(), self.daemon.process.pid), (None, pid), "the same process goes on")
        self.assertFalse(hosts & set(tree(pid)), "nothing of the former life works on")
        told = self.in_store("select details from millrace.event where kind = 'history_lost'")
        wait_until(lambda: self.in_store("select state from millrace.run where flow = 'long'") == "completed", 90, "the end of what was under way")
        seen = self.ticks()
        wait_until(lambda: self.ticks() > seen + 3, 60, "runs as before")
        self.assertGreater(int(self.in_store("select max(id) from millrace.run")), int(before))
        rows = "select count(*), count(distinct nominal), extract(epoch from max(nominal) - min(nominal))::int + 1 from ticks"
        wait_until(lambda: len(set(self.ask(self.target, "warehouse", rows)[0])) == 1, 30, "one row of each second: " + str(self.ask(self.target, "warehouse", rows)))
        self.assertEqual(self.ask(self.target, "warehouse", "select count(*) from long"), [["1"]])
        return told

    def copy(self):
        """As a backup of the files, and as a standby has them that follows no more. A server that only was away has lost nothing."""
        self.store.stop()
        shutil.copytree(f"{self.store.folder}/data", f"{self.store.folder}/copy", ignore=shutil.ignore_patterns("postmaster.*"))
        self.store.start()

    def test_older_files_are_put_back(self):
        def put_back():
            shutil.rmtree(f"{self.store.folder}/data")
            os.rename(f"{self.store.folder}/copy", f"{self.store.folder}/data")
            self.store.start()
        self.assertIn('"timeline": 1', self.goes_back(put_back))

    def test_a_standby_that_lagged_takes_over(self):
        def put_back():
            shutil.rmtree(f"{self.store.folder}/data")
            os.rename(f"{self.store.folder}/copy", f"{self.store.folder}/data")
            pathlib.Path(f"{self.store.folder}/data/standby.signal").touch()
            self.store.start()
            subprocess.run([f"{self.store.bin}/pg_ctl", "promote", "-w", "-D", f"{self.store.folder}/data"], check=True, stdout=subprocess.DEVNULL)
        self.assertIn('"timeline": 2', self.goes_back(put_back))


if __name__ == "__main__":
    drop_root()
    run_cases()
