#!/usr/bin/env python3
"""Logs of the real service: a command that floods its output hurts nothing else, is found again and searched, and whatever is on
record as ended has the end of its log, also when the daemon is killed at any moment."""
import json, os, pathlib, random, shutil, signal, subprocess, sys, time, unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
sys.dont_write_bytecode = True

from libpq import Postgres
from processes import Watch, name, wait_until
from service import Cluster, Daemon, Folder, drop_root, installed_prefix

FLOOD = """flow: flood
params: {lines: {type: int, default: 2000000}}
tasks:
  loud: {run: 'echo the first; yes "line of a hundred bytes, more or less, that is written again and again until it is a flood, yes" | head -n $lines; echo the last; echo it broke >&2'}
"""
LONG = """flow: long
tasks:
  one: {run: 'head -c 100000000 /dev/zero | tr "\\\\0" x; echo; echo after it'}
"""
QUICK = "flow: quick\ntasks:\n  a: {run: echo done}\n"
MANY = "flow: many\noverlap: allow\ntasks:\n" + "".join(f"  t{i}: {{run: echo {i}; sleep 0.0{i}}}\n" for i in range(8))


def size_of(folder):
    return sum(file.stat().st_blocks * 512 for file in pathlib.Path(folder).rglob("*") if file.is_file())


class Logs(unittest.TestCase):
    def setUp(self):
        folder = Folder()
        self.path = folder.__enter__()
        self.addCleanup(folder.__exit__)
        self.prefix = installed_prefix(self.path)

    def start(self, flows, database=None):
        self.daemon = Daemon(self.prefix, self.path, flows, {}, database)
        self.addCleanup(self.daemon.stop)
        self.daemon.start()

    def check_memory(self, memory, most):
        """Not of a program with a sanitizer: what that keeps is not ours."""
        if b"__asan_init" not in pathlib.Path(f"{self.prefix}/bin/millrace-host").read_bytes():
            self.assertLess(memory.peak, most)

    def logs(self, run, query=""):
        lines, after = [], ""
        while True:
            status, page = self.daemon.request("GET", f"/api/v1/runs/{run}/logs?limit=10000&after={after}{query}")
            self.assertEqual(status, 200, page)
            lines += page["items"]
            after = page["next"]
            if page["end"]:
                return lines

    def test_a_flood_hurts_nothing_else_and_its_beginning_and_end_are_kept(self):
        self.start({"flood": FLOOD, "quick": QUICK})
        self.daemon.run("quick")
        with Watch([self.daemon.process.pid], lambda pid: "millrace" in name(pid)) as memory:
            run = self.daemon.trigger("flood")
            slowest, most = 0, 0
            began = time.monotonic()
            while self.daemon.request("GET", f"/api/v1/runs/{run['id']}")[1]["finished_at"] is None:
                asked = time.monotonic()
                self.assertEqual(self.daemon.run("quick")["state"], "completed")
                slowest = max(slowest, time.monotonic() - asked)
                most = max(most, size_of(f"{self.path}/state/staging"))
            seconds = time.monotonic() - began
        self.assertEqual(self.daemon.wait(run["id"])["state"], "completed")
        print(f"flood of 200 MB: {seconds:.1f} s, a small run beside it at most {slowest:.2f} s, {most / 1e6:.0f} MB on disk at most, "
              f"{size_of(f'{self.path}/state/staging') / 1e6:.1f} MB afterwards, memory at most {memory.peak / 1e6:.0f} MB", flush=True)
        self.assertLess(slowest, 20)
        self.assertLess(most, 80e6)
        self.check_memory(memory, 600e6)
        lines = self.logs(run["id"])
        self.assertEqual(lines[0]["text"], "the first")
        self.assertIn("the last", [line["text"] for line in lines[-3:]])
        left_out = [line for line in lines if "left out" in line["text"]]
        self.assertEqual(len(left_out), 1)
        self.assertEqual(lines[-1]["line"], 2_000_003)
        wait_until(lambda: size_of(f"{self.path}/state/staging") < 10e6, 30, "the compression")
        self.assertEqual(self.logs(run["id"]), lines)
        self.assertEqual([line["text"] for line in self.logs(run["id"], "&search=THE%20LAST")], ["the last"])
        found = subprocess.run([f"{self.prefix}/bin/millrace", "--config", self.daemon.config, "runs", "logs", str(run["id"]), "--grep", "it broke", "--json"],
                               cwd=self.path, env=self.daemon.environment, text=True, stdout=subprocess.PIPE, timeout=60)
        self.assertEqual([line["text"] for line in json.loads(found.stdout)], ["it broke"])
        self.assertEqual([line["level"] for line in self.logs(run["id"], "&level=warn")], ["warning"])
        self.assertEqual(self.daemon.request("GET", f"/api/v1/runs/{run['id']}/logs?level=loud")[0], 422)

    def test_a_line_without_end_is_cut(self):
        self.start({"long": LONG})
        with Watch([self.daemon.process.pid], lambda pid: "millrace" in name(pid)) as memory:
            run = self.daemon.run("long")
        self.assertEqual(run["state"], "completed")
        lines = self.logs(run["id"])
        self.assertEqual([len(line["text"]) for line in lines][:1], [16384])
        self.assertEqual([line["text"] for line in lines[1:]], ["... (99983616 bytes more)", "after it"])
        self.check_memory(memory, 400e6)

    def test_a_log_that_was_removed_is_told(self):
        self.start({"quick": QUICK})
        run = self.daemon.run("quick")["id"]
        for folder in pathlib.Path(f"{self.path}/state/staging").glob("*/logs"):
            shutil.rmtree(folder)
        for query in ("", "&search=done", "&level=error"):
            lines = self.logs(run, query)
            self.assertEqual([(line["task"], line["attempt"], line["level"]) for line in lines], [("a", 1, "warning")])
            self.assertIn("retention removes logs (`retention.logs` in millrace.yaml), or somebody did", lines[0]["text"])

    def test_what_is_on_record_as_ended_has_the_end_of_its_log(self):
        cluster = Cluster(f"{self.path}/pg", {"shared_buffers": "64MB", "max_wal_size": "256MB"})
        cluster.start()
        self.addCleanup(cluster.stop)
        cluster.create("millrace")
        self.start({"many": MANY}, cluster.url("millrace"))
        moment = random.Random(7)
        ended = 0
        for _ in range(8):
            for _ in range(3):
                self.daemon.trigger("many")
            time.sleep(moment.uniform(0.05, 0.6))
            self.daemon.process.send_signal(signal.SIGKILL)
            self.daemon.process.wait()
            with Postgres(cluster.url("millrace")) as store:
                logs = [row[0] for row in store.rows("select log from millrace.attempt where finished_at is not null")]
            for log in logs:
                last = pathlib.Path(log).read_text().splitlines()[-1]
                self.assertTrue(json.loads(last)["end"], log)
            ended = max(ended, len(logs))
            self.daemon.start()
        self.assertGreater(ended, 20)
        wait_until(lambda: not [run for run in self.daemon.request("GET", "/api/v1/runs?limit=500")[1]["items"] if run["finished_at"] is None], 120, "the end of all runs")
        with Postgres(cluster.url("millrace")) as store:
            lost = [row[0] for row in store.rows("select log from millrace.attempt where state = 'crashed'")]
            self.assertEqual(store.value("select count(*) from millrace.attempt where finished_at is null"), "0")
        self.assertTrue(lost)
        for log in lost:
            last = json.loads(pathlib.Path(log).read_text().splitlines()[-1])
            self.assertTrue(last["end"])


if __name__ == "__main__":
    drop_root()
    from cases import run_cases
    run_cases()
