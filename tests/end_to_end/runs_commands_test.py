#!/usr/bin/env python3
"""What people do to runs on the command line: pause and resume, rerun with other values and on another plan, follow a log."""
import json, pathlib, subprocess, sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
sys.dont_write_bytecode = True

from cases import run_cases
from commands import CommandCase
from processes import wait_until
from service import drop_root

FLOWS = {
    "two": """flow: two
tasks:
  a: {run: "echo begun; until test -e $D/$RUN; do sleep 0.05; done", env: {D: "${env.FOLDER_OF_THE_TEST}", RUN: "${run.id}"}}
  b: {run: echo second, needs: a}
""",
    "telling": """flow: telling
params: {n: {type: int, default: 5}, names: {type: list, default: [x, y]}}
tasks:
  a: {run: echo n=$n names=$names}
""",
}
OLD = "flow: changing\nparams: {old: {type: int, default: 1}, both: {type: list, default: [x]}}\ntasks:\n  a: {run: echo old=$old both=$both}\n"
NEW = "flow: changing\nparams: {new: {type: int, default: 1}, both: {type: int, default: 7}}\ntasks:\n  a: {run: echo new=$new both=$both}\n"


class RunsCommands(CommandCase):
    flows = FLOWS

    def states(self, run):
        """Of the run and its tasks."""
        document = self.daemon.request("GET", f"/api/v1/runs/{run}")[1]
        return [document["state"], *(task["state"] for task in document["tasks"])]

    def begun(self):
        """A run whose first task is at work until let_go."""
        run = self.daemon.trigger("two")["id"]
        wait_until(lambda: self.states(run)[:2] == ["running", "running"], 20, "the first task")
        return run

    def let_go(self, run):
        (pathlib.Path(self.path) / str(run)).touch()

    def test_a_paused_run_starts_no_more_tasks_until_it_is_resumed(self):
        run = self.begun()
        self.assertEqual(self.millrace("runs", "pause", run), f"two run {run} paused\n")
        self.let_go(run)
        wait_until(lambda: self.states(run)[1] == "completed", 20, "the end of what was at work")
        state, first, second = self.states(run)
        self.assertEqual((state, first), ("paused", "completed"))
        self.assertNotIn(second, ("running", "completed"))
        self.assertEqual(self.millrace("runs", "resume", run), f"two run {run} running\n")
        self.assertEqual(self.daemon.wait(run)["state"], "completed")
        self.assertEqual(self.states(run), ["completed"] * 3)
        told = self.millrace("runs", "logs", run)
        self.assertRegex(told, r"(?m)^[\d:]+ paused by \S+")
        self.assertRegex(told, r"(?m)^[\d:]+ resumed by \S+")

    def test_only_what_can_be_paused_or_resumed_is(self):
        run = self.begun()
        self.assertIn(str(run), self.millrace("runs", "resume", run, code=2))
        self.let_go(run)
        self.daemon.wait(run)
        self.assertIn("completed", self.millrace("runs", "pause", run, code=2))
        self.assertIn("there is no run 999999", self.millrace("runs", "pause", 999999, code=2))

    def test_a_rerun_takes_other_values_and_keeps_the_rest(self):
        first = self.json_of("run", "telling", "-p", "n=3", "--wait")
        again = self.json_of("runs", "rerun", first["id"], "-p", "names=u,v", "--wait")
        self.assertEqual((again["params"], again["rerun_of"]), ({"n": 3, "names": ["u", "v"]}, first["id"]))
        self.assertIn("n=3", self.millrace("runs", "logs", again["id"]))
        self.assertIn("with other values of names", self.millrace("runs", "logs", again["id"]))
        self.assertIn("its parameters are n, names", self.millrace("runs", "rerun", first["id"], "-p", "other=1", code=2))
        self.assertIn("parameter n is of type int", self.millrace("runs", "rerun", first["id"], "-p", "n=many", code=2))

    def test_a_rerun_on_the_plan_that_it_had_takes_the_parameters_of_that(self):
        folder = pathlib.Path(self.path) / "changing"
        folder.mkdir()
        (folder / "changing.yaml").write_text(OLD)
        self.millrace("deploy", folder)
        first = self.json_of("run", "changing", "--wait")["id"]
        (folder / "changing.yaml").write_text(NEW)
        self.millrace("deploy", folder)
        pinned = self.json_of("runs", "rerun", first, "--plan", "pinned", "-p", "old=2", "-p", "both=y,z", "--wait")
        self.assertEqual((pinned["state"], pinned["params"]), ("completed", {"old": 2, "both": ["y", "z"]}))
        self.assertIn("old=2", self.millrace("runs", "logs", pinned["id"]))
        self.assertIn("has no parameter new", self.millrace("runs", "rerun", first, "--plan", "pinned", "-p", "new=2", code=2))
        newest = self.json_of("runs", "rerun", first, "-p", "new=2", "-p", "both=3", "--wait")
        self.assertEqual(newest["params"], {"new": 2, "both": 3})
        self.assertIn("has no parameter old", self.millrace("runs", "rerun", first, "-p", "old=2", code=2))

    def test_a_log_that_is_followed_as_json_comes_line_by_line(self):
        run = self.begun()
        self.addCleanup(self.let_go, run)
        told = pathlib.Path(self.path) / "followed"
        with told.open("w") as out:
            following = subprocess.Popen(self.command("runs", "logs", run, "-f", "--json"), cwd=self.path, env=self.daemon.environment,
                                         stdout=out, stdin=subprocess.DEVNULL)
        self.addCleanup(lambda: following.poll() is None and following.kill())
        wait_until(lambda: told.read_text().endswith("\n"), 20, "the first line, while the run goes on")
        self.assertEqual(json.loads(told.read_text())["text"], "begun")
        self.let_go(run)
        self.assertEqual(following.wait(30), 0)
        self.assertEqual([json.loads(line)["text"] for line in told.read_text().splitlines()], ["begun", "second"])
        self.assertEqual([line["text"] for line in self.json_of("runs", "logs", run)], ["begun", "second"])


if __name__ == "__main__":
    drop_root()
    run_cases()
