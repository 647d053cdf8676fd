#!/usr/bin/env python3
"""Limits and the rates of credentials over two daemons of one store, against the sandbox, which counts requests: the rate is that of
one, a pause that one was told holds for both, a limit is not exceeded, and runs of a flow go on one at a time.

Usage: rate_test.py [Rates.NAME]. Needs what tests/run sets up (MILLRACE_TEST_PREFIX), else the build."""
import json, os, pathlib, subprocess, sys, time, unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
sys.dont_write_bytecode = True

from libpq import Postgres
from processes import wait_until
from service import Cluster, Daemon, Folder, Sandbox, drop_root, installed_prefix

PROJECTS = """
flow: {name}
overlap: allow
tags: [crm]
tasks:
  projects:
    extract: clockify.projects
    retry: 1
"""
SLEEP = """
flow: sleep
overlap: allow
tags: [slow]
tasks:
  a: {run: [/bin/sleep, "0.3"]}
  b: {run: [/bin/sleep, "0.3"]}
  c: {run: [/bin/sleep, "0.3"]}
"""


class Rates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.path = cls.folder.__enter__()
        cls.prefix = installed_prefix(cls.path)
        cls.cluster = Cluster(f"{cls.path}/pg", {"shared_buffers": "128MB", "fsync": "off"}).start()
        cls.cluster.create("store")
        cls.sandbox = Sandbox(cls.prefix, cls.path, "--rate", "0", "--people", "130")

    @classmethod
    def tearDownClass(cls):
        cls.sandbox.stop()
        cls.cluster.stop()
        cls.folder.__exit__(None, None, None)

    def setUp(self):
        self.nodes = []
        self.sandbox.control("reset", {})
        with Postgres(self.cluster.url("store")) as postgres:
            postgres.run("drop schema if exists millrace cascade")

    def tearDown(self):
        for node in self.nodes:
            node.stop()

    def begin(self, rate=None, limits=None, flows=None):
        """Two daemons."""
        connection = self.sandbox.connection_settings()
        if rate is not None:
            connection["requests_per_second"] = rate
        flows = flows or {name: PROJECTS.format(name=name) for name in ("one", "two")}
        for number in range(2):
            folder = f"{self.path}/{len(os.listdir(self.path))}-{number}"
            os.mkdir(folder)
            node = Daemon(self.prefix, folder, flows, {"clockify": connection}, self.cluster.url("store"),
                          {"staging": f"{self.path}/staging", "limits": limits or {}})
            self.nodes.append(node.start())
        return self.nodes

    def trigger(self, node, flow):
        status, run = node.request("POST", f"/api/v1/flows/{flow}/runs", {})
        self.assertEqual(status, 202, run)
        return run["id"]

    def run_of(self, id):
        return self.nodes[0].request("GET", f"/api/v1/runs/{id}")[1]

    def ended(self, ids, patience=120):
        wait_until(lambda: all(self.run_of(id)["finished_at"] for id in ids), patience, "the runs' end")
        runs = [self.run_of(id) for id in ids]
        self.assertEqual({run["state"] for run in runs}, {"completed"}, [run["message"] for run in runs])
        return runs

    def times(self):
        """Of the requests of projects, in seconds."""
        return sorted(line["at"] for line in self.sandbox.control("log?path=/projects")["items"])

    def rates(self):
        return [item for item in self.nodes[0].request("GET", "/api/v1/limits")[1]["items"] if item["kind"] == "rate"]

    def told(self, *arguments):
        done = subprocess.run([f"{self.prefix}/bin/millrace", "--config", self.nodes[0].config, *arguments], cwd=self.path,
                              env=self.nodes[0].environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def measure(self, rate, runs):
        nodes = self.begin(rate)
        ids = [self.trigger(node, flow) for _ in range(runs) for node, flow in zip(nodes, ("one", "two"))]
        shown = []
        wait_until(lambda: shown.extend(self.rates()) or any(item["in_use"] for item in shown), 20, "a rate in use")
        self.ended(ids)
        times = self.times()
        span = times[-1] - times[0]
        measured = (len(times) - 1) / span
        most = max(sum(1 for other in times if at <= other < at + 1) for at in times)
        gaps = sorted(b - a for a, b in zip(times, times[1:]))
        print(f"rate {rate}/s over two daemons: {len(times)} requests in {span:.2f} s = {measured:.2f}/s, at most {most} in a second, "
              f"least gap {gaps[0] * 1000:.0f} ms, median {gaps[len(gaps) // 2] * 1000:.0f} ms", flush=True)
        self.assertLessEqual(measured, rate * 1.02)
        self.assertLessEqual(most, rate + max(1, round(rate * 0.1)))
        return measured, shown

    def test_a_scarce_rate_is_kept_over_two_daemons(self):
        measured, shown = self.measure(4, 4)
        self.assertGreater(measured, 3)  # and used
        self.assertEqual(shown[-1]["connection"], "clockify")
        self.assertEqual(shown[-1]["rate"], 4)
        self.assertNotIn(self.sandbox.key, json.dumps(shown))
        self.assertIn("clockify", self.told("limits"))

    def test_a_fast_rate_is_kept_over_two_daemons_by_few_claims(self):
        with_claims = "select sum(n_tup_upd + n_tup_ins) from pg_stat_user_tables where relname = 'credential'"
        measured, _ = self.measure(40, 30)
        time.sleep(1.5)  # the server counts late
        with Postgres(self.cluster.url("store")) as postgres:
            claims = int(postgres.rows(with_claims)[0][0])
        requests = len(self.times())
        print(f"{requests} requests, {claims} claims", flush=True)
        if measured < 30:
            self.skipTest(f"the machine is too busy to use a rate of 40/s ({measured:.0f}/s): who asks now and then claims each time")
        self.assertLess(claims, requests / 2)

    def test_a_pause_that_one_was_told_holds_for_both_and_costs_no_attempt(self):
        nodes = self.begin(20)
        self.sandbox.control("faults", "429:nth=8,times=1,retry_after=4")
        ids = [self.trigger(node, flow) for _ in range(4) for node, flow in zip(nodes, ("one", "two"))]
        steps, paused = set(), []

        def over():
            for id in ids:
                for node in nodes:  # each knows the progress of its own
                    for task in node.request("GET", f"/api/v1/runs/{id}")[1]["tasks"]:
                        steps.add((task["progress"] or {}).get("step", ""))
            paused.extend(item["paused_until"] for item in self.rates() if item["paused_until"])
            return all(self.run_of(id)["finished_at"] for id in ids)
        wait_until(over, 60, "the runs' end")
        runs = self.ended(ids)
        log = self.sandbox.control("log?path=/projects")["items"]
        told_at = next(line["at"] for line in log if line["status"] == 429)
        late = [line["at"] - told_at for line in log if told_at + 1 < line["at"] < told_at + 3.9]
        soon = [line["at"] - told_at for line in log if told_at < line["at"] <= told_at + 1]
        print(f"Retry-After 4: {len(soon)} requests of both daemons in the second after it (the last after {max(soon, default=0):.2f} s), "
              f"{len(late)} in the other three", flush=True)
        self.assertEqual(late, [])
        self.assertEqual({task["attempts"] for run in runs for task in run["tasks"]}, {1})
        self.assertTrue(any(step.startswith("waits for the rate limit of clockify until ") for step in steps), steps)
        self.assertTrue(paused)

    def test_a_long_pause_ends_attempts_and_goes_on_by_itself(self):
        nodes = self.begin(20)
        self.sandbox.control("faults", "429:nth=3,times=1,retry_after=95")
        ids = [self.trigger(node, flow) for node, flow in zip(nodes, ("one", "two"))]
        waiting = lambda id: any(task["state_name"] == "WaitingForRateLimit" for task in self.run_of(id)["tasks"])
        wait_until(lambda: any(waiting(id) for id in ids), 20, "a task that waits for the rate limit")
        with Postgres(self.cluster.url("store")) as postgres:
            count = postgres.rows("select count(*) from millrace.credential where paused_until > now() + interval '80 s'")[0][0]
        self.assertEqual(int(count), 1)
        for id in ids:
            self.nodes[0].request("POST", f"/api/v1/runs/{id}/cancel", {})

    def test_a_credential_without_a_rate_is_paused_too(self):
        nodes = self.begin(0)
        self.sandbox.control("settings", {"latency_ms": 100})
        self.sandbox.control("faults", "429:nth=8,times=1,retry_after=4")
        ids = [self.trigger(node, flow) for _ in range(6) for node, flow in zip(nodes, ("one", "two"))]
        self.ended(ids)
        log = self.sandbox.control("log?path=/projects")["items"]
        self.sandbox.control("settings", {"latency_ms": 0})
        told_at = next(line["at"] for line in log if line["status"] == 429)
        self.assertEqual([line["at"] - told_at for line in log if told_at + 1 < line["at"] < told_at + 3.9], [])

    def test_limits_of_each_kind_hold_over_two_daemons(self):
        for limits, most_tasks, most_runs in (({"all": 3}, 3, 9), ({"tag.slow": 2}, 2, 9), ({"flow.sleep": 1}, 3, 1)):
            with self.subTest(limits=limits):
                self.tearDown()
                self.nodes = []
                with Postgres(self.cluster.url("store")) as postgres:
                    postgres.run("drop schema if exists millrace cascade")
                for number in range(2):
                    folder = f"{self.path}/{'-'.join(limits)}-{number}"
                    os.mkdir(folder)
                    self.nodes.append(Daemon(self.prefix, folder, {"sleep": SLEEP}, {}, self.cluster.url("store"),
                                             {"staging": f"{self.path}/staging", "limits": limits}).start())
                ids = [self.trigger(node, "sleep") for _ in range(2) for node in self.nodes]
                seen_waiting = []

                def over():
                    item = self.nodes[1].request("GET", "/api/v1/limits")[1]["items"][0]
                    seen_waiting.append(len(item["waiting"]))
                    self.assertLessEqual(len(item["held"]), item["slots"])
                    return all(self.run_of(id)["finished_at"] for id in ids)
                wait_until(over, 60, "the runs' end")
                self.ended(ids)
                with Postgres(self.cluster.url("store")) as postgres:
                    attempts = postgres.rows("select run_id, extract(epoch from started_at), extract(epoch from finished_at) from millrace.attempt")
                spans = [(run, float(begin), float(end)) for run, begin, end in attempts]
                for _, at, _ in spans:
                    under_way = [run for run, begin, end in spans if begin <= at < end]
                    self.assertLessEqual(len(under_way), most_tasks)
                    self.assertLessEqual(len(set(under_way)), most_runs)
                self.assertTrue(max(seen_waiting) > 0, "nobody was seen to wait")

    def test_runs_of_a_flow_queue_over_two_daemons_one_of_which_is_killed(self):
        killed, other = self.begin(flows={"sleep": SLEEP.replace("overlap: allow", "overlap: queue")})
        ids = [self.trigger(node, "sleep") for _ in range(3) for node in self.nodes]
        rows = "select id, extract(epoch from started_at), extract(epoch from finished_at) from millrace.run where started_at is not null order by started_at"

        def spans():
            with Postgres(self.cluster.url("store")) as postgres:
                return postgres.rows(rows)
        wait_until(lambda: any(int(id) == ids[0] for id, _, _ in spans()), 20, "the first run")
        killed.process.kill()
        killed.process.wait()
        self.nodes.remove(killed)
        self.ended(ids)
        told = spans()
        self.assertEqual(sorted(int(id) for id, _, _ in told), sorted(ids))
        for (_, _, end), (id, begin, _) in zip(told, told[1:]):
            self.assertGreaterEqual(float(begin), float(end), f"run {id} began before the one before it had ended")

    def test_a_deploy_tells_limits_that_name_nothing_and_flows_that_a_limit_changes(self):
        node = self.begin()[0]
        config = pathlib.Path(node.config)
        config.write_text(json.dumps({**json.loads(config.read_text()), "limits": {"all": 5, "flow.onee": 1}}))
        told = self.told("deploy")
        self.assertIn("+ new          millrace.yaml: limits.all", told)
        self.assertIn("! unmet        millrace.yaml: limits.flow.onee: no flow is called 'onee'; did you mean 'one'?", told)
        self.assertIn("~ changed      one", told)
        self.assertIn("unchanged", self.told("deploy"))


if __name__ == "__main__":
    drop_root()
    unittest.main(verbosity=2)
