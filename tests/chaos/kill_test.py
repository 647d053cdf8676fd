#!/usr/bin/env python3
"""kill -9 of the daemon, of a host, of PostgreSQL at seeded random moments of a summary run.

    tests/chaos/kill_test.py [--moments 300] [--seed 1]

After each moment: the run completes, the table holds the rows of an undisturbed run, no task that had finished was run
again, no slice that had finished was requested again, and the restarted daemon went on within 2 s. Without --moments the
short form of the test suite: 6 moments.
"""
import argparse, os, pathlib, random, signal, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
from harness import Daemon, Folder, Sandbox, need, SOURCE  # noqa: E402

TABLE = "dl_clockify.summary_time_entry_report"
COLUMNS = '"user", user_id, project, project_id, client, client_id, tags, tag_id, date, duration_decimal, amount_decimal'


def rows(daemon):
    return daemon.sql(f"select {COLUMNS} from {TABLE} order by user_id, project_id, client, tags, date")


def forget(daemon):
    daemon.sql("drop schema if exists dl_clockify cascade; "
               "do $$ declare t text; begin for t in select format('%I.%I', schemaname, tablename) from pg_tables "
               "where tablename like '\\_millrace%' loop execute 'drop table ' || t; end loop; end $$")


def all_runs(daemon, run_id):
    run = daemon.run(run_id)
    return [run] + [daemon.run(chunk["id"]) for chunk in run.get("chunks") or []]


def requests(sandbox):
    return sandbox.control("log")["items"]


def slices_requested(log):
    """Day of a summary request -> how often it was answered with 200."""
    count = {}
    for line in log:
        if line.get("path", "").endswith("/reports/summary") and line.get("status") == 200:
            count[line["what"]] = count.get(line["what"], 0) + 1
    return count


class Chaos:
    def __init__(self, daemon, sandbox, seed):
        self.daemon, self.sandbox, self.random = daemon, sandbox, random.Random(seed)
        self.longest_resume = 0.0

    def victim_pid(self, victim):
        if victim == "daemon":
            return self.daemon.process.pid
        if victim == "postgres":
            return self.daemon.postmaster()
        hosts = self.daemon.hosts()
        return self.random.choice(hosts) if hosts else None

    def kill(self, victim):
        pid = self.victim_pid(victim)
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        if victim == "daemon":
            self.daemon.process.wait()
            seconds = self.daemon.start()
            self.longest_resume = max(self.longest_resume, seconds)

    def moment(self, number, undisturbed, span):
        victim = self.random.choice(["daemon", "host", "postgres"])
        after = self.random.uniform(0, span)
        forget(self.daemon)
        before = {line["number"] for line in requests(self.sandbox)}
        run_id = self.daemon.trigger("clockify_summary")["id"]
        time.sleep(after)
        done_before = self.completed_attempts(run_id) if victim != "postgres" else {}
        self.kill(victim)
        run = self.daemon.wait_for(run_id, 120)
        label = f"moment {number}: {victim} killed after {after:.3f} s, run {run_id}"
        assert run["state"] == "completed", f"{label}: {run['state']}: {run.get('message')}"
        assert rows(self.daemon) == undisturbed, f"{label}: other rows than an undisturbed run"
        self.check_attempts(label, run_id, done_before)
        self.check_requests(label, before)
        print(f"{label}: right", flush=True)

    def completed_attempts(self, run_id):
        out = {}
        for run in all_runs(self.daemon, run_id):
            for task in run["tasks"]:
                if task["state"] == "completed":
                    out[run["id"], task["task"]] = task["attempts"]
        return out

    def check_attempts(self, label, run_id, done_before):
        now = self.completed_attempts(run_id)
        for key, attempts in done_before.items():
            assert now[key] == attempts, f"{label}: {key} had completed and was attempted again"

    def check_requests(self, label, before):
        """A day is asked for a second time only when its first answer had not become a finished slice: as many as were
        under way at once, and each of those once more."""
        log = [line for line in requests(self.sandbox) if line["number"] not in before]
        again = {day: n for day, n in slices_requested(log).items() if n > 1}
        assert len(again) <= 8 and all(n == 2 for n in again.values()), f"{label}: requested again: {again}"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--moments", type=int, default=6)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    for program in ("millrace", "millrace-host", "millrace-sandbox"):
        need(program)
    with Folder() as folder, Sandbox(folder, "--rate", 0, "--today", "2026-11-20", "--latency", 10) as sandbox:
        config = ("connections:\n  clockify: {type: clockify, api_key: '${env.CLOCKIFY_API_KEY}', workspace_id: '${env.CLOCKIFY_WORKSPACE_ID}',\n"
                  "    url: '${env.CLOCKIFY_API_URL}', reports_url: '${env.CLOCKIFY_REPORTS_URL}', requests_per_second: '1000'}\n")
        with Daemon(folder, [SOURCE / "flows/library"], sandbox.env, config=config) as daemon:
            began = time.monotonic()
            run = daemon.wait_for(daemon.trigger("clockify_summary")["id"])
            span = time.monotonic() - began
            assert run["state"] == "completed", run
            undisturbed = rows(daemon)
            assert undisturbed, "an undisturbed run brought no rows"
            print(f"undisturbed: {len(undisturbed)} rows in {span:.2f} s", flush=True)
            chaos = Chaos(daemon, sandbox, chosen.seed)
            for number in range(1, chosen.moments + 1):
                chaos.moment(number, undisturbed, span)
            print(f"{chosen.moments} moments right; longest time until a restarted daemon was ready: {chaos.longest_resume:.2f} s")
            assert chaos.longest_resume <= 2.0, "a restarted daemon took longer than 2 s"


if __name__ == "__main__":
    main()
