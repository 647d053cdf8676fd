#!/usr/bin/env python3
"""The command line as a person and a script use it: exit codes, signals, and that nothing stays behind."""
import contextlib, glob, json, os, pathlib, re, signal, socket, subprocess, sys, time, unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
sys.dont_write_bytecode = True

from cases import open_terminal, run_cases
from commands import CommandCase
from flows import kept_and_refused
from processes import name, tree, wait_until
from service import Daemon, Folder, drop_root, installed_prefix

MARK = f"86400.{os.getpid()}"  # an argument of sleep that no other process has
FLOWS = {
    "quick": "flow: quick\nparams: {n: {type: int, default: 5, min: 1, max: 10}}\ntasks:\n  a: {run: echo done}\n",
    "broken": "flow: broken\ntasks:\n  boom: {run: \"echo 'no such table' >&2; exit 3\"}\n",
    "slow": "flow: slow\ntasks:\n  a: {run: sleep 1000}\n",
    "stray": f"flow: stray\ntasks:\n  a: {{run: \"sleep {MARK} & setsid sleep {MARK} & trap '' TERM; sleep {MARK}; wait\"}}\n",
    "outside": "flow: outside\ntasks:\n  a: {run: 'echo word=$X', env: {X: '${env.WORD_OF_THE_TEST}'}}\n",
    "doubtful": "flow: doubtful\ntasks:\n  a:\n    transform: select 7 as n\n    checks: [{name: small, sql: select * from this where n > 5, severity: warn}]\n",
    "rejecting": """flow: rejecting
interval: {every: 1d}
schedule: {cron: "0 5 * * *", timezone: America/Sao_Paulo, paused: true}
""" + kept_and_refused(rows=5, below=1),
    "timed": "flow: timed\nschedule: {cron: 0 5 * * *}\ntasks:\n  a: {run: echo a}\n",
    "queued": "flow: queued\noverlap: queue\ntasks:\n  a: {run: sleep 1000}\n",
    "parts": "flow: parts\ninterval: {every: 1d, lookback: 1d, chunk: 1d}\ntasks:\n  made: {transform: select $interval_start as t}\n",
    "talking": "flow: talking\ntasks:\n  a: {run: echo begun; sleep 1000}\n",
    "fanning": """flow: fanning
tasks:
  rows: {transform: "select * from (values (1), (2), (3)) as t (n)"}
  each:
    for_each: rows
    run: echo $N >> $D/fanned; test $N != 2 -o -e $D/mended
    env: {D: "${env.FOLDER_OF_THE_TEST}", N: "${item.n}"}
""",
    "wide": """flow: wide
tasks:
  rows: {transform: "select n, case n when 1100 then 'never' else '2020-01-01' end as t from range(1200) as r (n)"}
  each: {wait: {until: "${item.t}"}, for_each: rows}
  after: {run: exit 3, needs: rows}
  last: {run: echo last, needs: each}
""",
    "fans": "flow: fans\ntasks:\n  each: {wait: 0s, for_each: {sql: select n from range(1200) as r (n)}}\n  after: {wait: 0s, needs: each}\n",
    "tolerant": """flow: tolerant
tasks:
  never: {run: echo never, when: 1 = 2}
  after: {run: echo after, needs: never}
  late: {run: sleep 1000, timeout: 1s, on_failure: continue}
""",
    "once": """flow: once
tasks:
  a: {run: "echo a >> $D/once; kill -9 $PPID", retry: 1, env: {D: "${env.FOLDER_OF_THE_TEST}"}}
""",
    "calling": "flow: calling\ntasks:\n  called: {flow: quick, with: {n: 3}}\n",
    "following": "flow: following\ntriggers: [{flow: calling}]\ntasks:\n  a: {run: echo followed}\n",
    "asking": "flow: asking\ntasks:\n  ask: {approve: may it}\n",
}


def sockets(pid):
    """Names of those that a process holds."""
    found = set()
    for path in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            found.add(os.readlink(path))
        except OSError:
            pass  # closed meanwhile
    return {name for name in found if name.startswith("socket:")}


def marked():
    """The processes that sleep for MARK."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            words = pathlib.Path(path).read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", MARK.encode()]:
            found.append(int(path.split("/")[2]))
    return found


class CommandLine(CommandCase):
    flows, variables = FLOWS, "WORD_OF_THE_TEST='one two'\n"

    def runs_of(self, flow):
        return json.loads(self.millrace("runs", "list", "--flow", flow, "--json"))

    def test_exit_codes(self):
        self.assertIn("quick run ", self.millrace("run", "quick", "--wait"))
        self.assertIn("the command ended with exit code 3: no such table", self.millrace("run", "broken", "--wait", code=1))
        self.assertIn("parameter n", self.millrace("run", "quick", "--param", "n=many", code=2))
        self.assertIn("its parameters are n", self.millrace("run", "quick", "--param", "count=1", code=2))
        self.assertIn("did you mean 'warehouse'?", self.millrace("connections", "check", "warehuose", code=2))
        self.assertIn("ok  warehouse ", self.millrace("connections", "check"))
        self.assertEqual([(one["name"], one["ok"]) for one in json.loads(self.millrace("connections", "check", "--json"))], [("warehouse", True)])
        self.assertIn("there is no run 999999", self.millrace("runs", "show", "999999", code=2))
        elsewhere = {**self.daemon.environment, "MILLRACE_URL": "http://127.0.0.1:1"}
        self.assertIn("no daemon answers", self.millrace("runs", "list", code=3, env=elsewhere))

    def test_a_flow_that_is_none_stops_the_command_before_it_starts_another(self):
        before = len(self.runs_of("quick"))
        self.assertIn("did you mean quick?", self.millrace("run", "quick", "quik", code=2))
        self.assertEqual(len(self.runs_of("quick")), before)
        before = len(self.runs_of("rejecting"))
        told = self.millrace("run", "rejecting", "quick", "--from", "2026-01-01", "--to", "2026-01-02", code=2)
        self.assertIn("flow quick has no `interval`", told)
        self.assertEqual(len(self.runs_of("rejecting")), before)

    def test_a_project_within_another_is_pointed_at(self):
        with Folder() as around, Folder() as alone:
            os.makedirs(f"{around}/flows/mine")
            pathlib.Path(f"{around}/millrace.yaml").write_text("{}\n")
            self.assertIn(f"inside another project, that of {around}/millrace.yaml", self.millrace("init", f"{around}/flows/mine"))
            self.assertNotIn("note", self.millrace("init", f"{alone}/mine"))

    def test_help_is_of_the_command_that_is_named(self):
        self.assertIn("there is no command 'millrace rnu'", self.millrace("rnu", "--help", code=2))
        self.assertIn("did you mean 'show'?", self.millrace("runs", "shwo", "--help", code=2))
        for words in (["run", "--help"], ["help", "run"]):
            self.assertIn("Start a run of each flow", self.millrace(*words))
        self.assertIn("Start:", self.millrace("help"))
        self.assertIn("did you mean '--limit-rows'?", self.millrace("run", "quick", "--limit-row", "1", code=2))

    def test_a_task_that_is_none_is_answered_with_those_that_there_are(self):
        run = str(json.loads(self.millrace("run", "quick", "--wait", "--json"))["id"])
        for words in (["data", "head", f"{run}.ab"], ["runs", "rerun", run, "--task", "ab"], ["runs", "logs", run, "--task", "ab"]):
            self.assertIn("its tasks are a", self.millrace(*words, code=2))
        self.assertIn("there is no run 999999", self.millrace("data", "head", "999999.a", code=2))
        run = str(json.loads(self.millrace("run", "fans", "--wait", "--json"))["id"])
        self.assertIn("its tasks are each, after\n", self.millrace("runs", "logs", run, "--task", "nothing_like_it", code=2))

    def test_a_warning_stands_where_the_end_of_the_run_is_told(self):
        for told in (self.millrace("run", "doubtful", "--wait"), self.millrace("runs", "show", str(self.runs_of("doubtful")[0]["id"]))):
            self.assertIn("warning: doubtful run", told)
            self.assertIn("check small: 1 row breaks it", told)
        shown = json.loads(self.millrace("flows", "show", "doubtful", "--json"))
        self.assertEqual(shown["last_runs"][0]["warning_count"], 1)
        self.assertRegex(self.millrace("flows", "list"), r"doubtful +completed, 1 warning ")

    def test_a_rerun_of_what_failed_runs_no_item_again_that_completed(self):
        self.assertIn("1 of 3 items failed", self.millrace("run", "fanning", "--wait", code=1))
        folder = pathlib.Path(self.path)
        (folder / "mended").touch()
        first = str(self.runs_of("fanning")[0]["id"])
        self.millrace("runs", "rerun", first, "--failed", "--wait")
        self.assertEqual(sorted((folder / "fanned").read_text().split()), ["1", "2", "2", "3"])
        shown = self.millrace("runs", "show", str(self.runs_of("fanning")[0]["id"]))
        self.assertEqual(shown.count("completed (reused)"), 3, shown)  # the rows and two items

    def test_a_run_is_not_plainly_completed_when_tasks_of_it_failed_or_were_skipped(self):
        what = "1 failed (continued), 2 skipped"
        told = self.millrace("run", "tolerant", "--wait")
        self.assertRegex(told, re.escape("tolerant.late: failed (timed out)") + ".*: timed out after 1 s")
        self.assertRegex(told, r"tolerant run \d+: completed in .* s, " + re.escape(what))
        run = str(self.runs_of("tolerant")[0]["id"])
        shown = self.millrace("runs", "show", run)
        self.assertIn("completed, " + what, shown)
        self.assertRegex(shown, r"late .* timed out after 1 s")
        self.assertIn("completed, " + what, self.millrace("runs", "list", "--flow", "tolerant"))
        self.assertIn("timed out after 1 s", self.millrace("runs", "logs", run))

    def test_of_a_run_with_thousands_of_task_runs_what_failed_is_told_and_how_much_is_left_out(self):
        told = self.millrace("run", "wide", "--wait", code=1)
        run = str(self.runs_of("wide")[0]["id"])
        shown = self.millrace("runs", "show", run)
        for output in (told, shown):
            self.assertRegex(output, r'each\[{"n":1100,"t":"never"}\] \(permanent\): `until`')
            self.assertIn("after (permanent): the command ended with exit code 3", output)
        self.assertRegex(told, r"wide.last: skipped")
        self.assertRegex(shown, r"last +run +skipped")
        self.assertRegex(shown, rf"and 20\d more task runs: millrace runs show {run} --json")
        self.assertEqual(len(json.loads(self.millrace("runs", "show", run, "--json"))["tasks"]), 1204)
        self.assertEqual(len(json.loads(self.millrace("run", "wide", "--wait", "--json", code=1))["tasks"]), 1204)

    def test_a_command_with_one_attempt_runs_once_although_its_host_was_killed(self):
        self.assertIn("its host process ended", self.millrace("run", "once", "--wait", code=1))
        self.assertEqual((pathlib.Path(self.path) / "once").read_text(), "a\n")

    def test_rejected_rows_are_told_and_can_be_looked_at(self):
        told = self.millrace("run", "rejecting", "--wait", "--from", "2026-11-02", "--to", "2026-11-03", code=1)
        run = self.runs_of("rejecting")[0]["id"]
        cause = "1 of 3 rows break the contract, none is allowed: n breaks check (n > 0) in 1 row ('0' where id is 2; flows/rejecting.yaml:11)"
        for text in (told, self.millrace("runs", "show", str(run))):
            self.assertIn("n breaks check (n > 0) in 2 rows ('-1' where id is 0, '0' where id is 1; flows/rejecting.yaml:7)\n"
                          f"  look at them: millrace data head {run}.kept --rejected\n", text)
            self.assertIn(f"  refused (bad_data): {cause}\n  remedy: look at the rejected rows: millrace data head {run}.refused --rejected\n", text)
            self.assertEqual(text.count(cause), 1)
            self.assertIn("2026-11-02 to 2026-11-03", text)
        self.assertEqual(self.millrace("data", "head", f"{run}.kept", "--rejected"),
                         "row 1  n breaks check (n > 0): -1\n   id=0  n=-1\nrow 2  n breaks check (n > 0): 0\n   id=1  n=0\n2 of 2 rejected rows\n")
        self.assertEqual(json.loads(self.millrace("data", "head", f"{run}.refused", "--rejected", "--json"))["rows"][0]["fields"], {"id": 2, "n": 0})
        self.assertIn("its tasks are kept, refused", self.millrace("data", "head", f"{run}.other", "--rejected", code=2))
        listed = next(line for line in self.millrace("runs", "list", "--flow", "rejecting").splitlines() if "task refused" in line)
        self.assertNotIn("where id is", listed)
        self.assertEqual(json.loads(self.millrace("runs", "list", "--flow", "rejecting", "--json"))[0]["message"], f"task refused: {cause}")

    def test_an_attempt_that_is_none_is_a_mistake(self):
        run = json.loads(self.millrace("run", "quick", "--wait", "--json"))["id"]
        self.assertIn("done", self.millrace("runs", "logs", f"{run}.a", "--attempt", "1"))
        told = self.millrace("runs", "logs", f"{run}.a", "--attempt", "9", code=2)
        self.assertIn(f"task a of run {run} has no attempt 9", told)
        self.assertIn("it has had one attempt: 1", told)

    def test_an_assignment_without_its_sign_is_told_how_it_is_written(self):
        self.assertIn("write --param n=3, without a space", self.millrace("run", "quick", "--param", "n", "3", code=2))
        self.assertIn("write --param n=VALUE", self.millrace("run", "quick", "--param", "n", code=2))

    def test_what_is_not_available_yet_is_not_offered(self):
        self.assertNotIn("--full-refresh", self.millrace("run", "--help"))
        self.assertIn("not available yet", self.millrace("run", "quick", "--full-refresh", code=2))

    def test_a_refused_run_uses_up_no_number(self):
        first = json.loads(self.millrace("run", "quick", "--wait", "--json"))["id"]
        self.millrace("runs", "rerun", str(first), "--failed", code=2)
        self.millrace("runs", "rerun", str(first), "--task", "other", code=2)
        self.millrace("run", "quick", "--param", "n=99", code=2)
        self.assertEqual(json.loads(self.millrace("run", "quick", "--wait", "--json"))["id"], first + 1)

    def test_archived_flows_are_listed_on_demand(self):
        folder = pathlib.Path(self.path) / "passing"
        folder.mkdir()
        (folder / "passing.yaml").write_text("flow: passing\ntasks:\n  a: {run: echo a}\n")
        self.millrace("deploy", str(folder))
        self.assertIn("passing", self.millrace("flows", "list"))
        (folder / "passing.yaml").unlink()
        self.millrace("deploy", str(folder))
        told = self.millrace("flows", "list")
        self.assertNotIn("passing", told)
        self.assertRegex(told, r"1 archived flow: millrace flows list --all")
        self.assertRegex(self.millrace("flows", "list", "--all"), r"passing +archived")

    def test_a_folder_with_a_mistake_is_held_back_whole(self):
        folder = pathlib.Path(self.path) / "half_right"
        folder.mkdir()
        (folder / "right.yaml").write_text("flow: right\ntasks:\n  a: {run: echo a}\n")
        (folder / "wrong.yaml").write_text("flow: wrong\ntasks:\n  a: {rum: echo a}\n")
        told = self.millrace("deploy", str(folder), code=1)
        self.assertRegex(told, "held back +right")
        self.assertIn("nothing was deployed", told)
        self.millrace("run", "right", code=2)
        self.assertIn("by the folder", self.millrace("deploy", str(folder / "right.yaml"), code=2))

    def test_deploy_shows_mistakes_with_their_line(self):
        folder = pathlib.Path(self.path) / "wrong"
        folder.mkdir()
        (folder / "wrong.yaml").write_text("flow: wrong\ntasks:\n  a: {rn: echo}\n")
        told = self.millrace("deploy", "--dry-run", str(folder), code=1)
        mistake = "     3 |   a: {rn: echo}\n       |       ^~\n       = did you mean 'run'?\n"
        self.assertIn(mistake, told)
        validated = self.millrace("flows", "validate", str(folder), code=1)
        self.assertIn("wrong.yaml:3:7: error", validated)
        self.assertIn(mistake, validated)
        self.assertEqual(set(json.loads(self.millrace("flows", "validate", str(folder), "--json", code=1))[0]),
                         {"file", "line", "column", "severity", "message", "hint"})

    def test_what_deploy_warns_of_stands_below_what_changes_and_is_counted(self):
        folder = pathlib.Path(self.path) / "warned"
        folder.mkdir()
        (folder / "a_doubt.yaml").write_text("flow: a_doubt\nparams: {n: {type: int, default: 1}}\ntasks:\n  a: {transform: select 1 as one}\n")
        (folder / "sound.yaml").write_text("flow: sound\ntasks:\n  a: {run: echo a}\n")
        told = self.millrace("deploy", "--dry-run", str(folder))
        self.assertRegex(told, r"(?s)\A\+ new +a_doubt\n\+ new +sound\n\n\S*a_doubt.yaml:2:\d+: warning: .*\n\n2 flows: 2 new; 1 warning\nNothing was stored")
        (folder / "wrong.yaml").write_text("flow: wrong\ntasks:\n  a: {rn: echo}\n")
        self.assertIn("\n3 flows: 2 held back, 1 with mistakes; 1 mistake, 1 warning\n", self.millrace("deploy", "--dry-run", str(folder), code=1))

    def test_a_command_gets_the_variables_that_its_flow_names(self):
        run = json.loads(self.millrace("run", "outside", "--wait", "--json"))
        self.assertIn("word=one two", self.millrace("runs", "logs", str(run["id"])))

    def test_a_resource_is_shown_by_the_name_that_an_extract_has_with_what_may_be_null(self):
        for words in (["clockify.clients"], ["clockify", "clients"]):
            told = self.millrace("sources", "show", *words)
            self.assertRegex(told, r"(?m)^clockify\.clients(  \S.*)?$")
            self.assertNotIn("clockify.projects", told)
            self.assertRegex(told, r"(?m)^  \w+ +\S+ null$")
            self.assertRegex(told, r"(?m)^  id +text$")
        self.assertEqual(json.loads(self.millrace("sources", "show", "clockify.clients", "--json"))["name"], "clients")
        shown = self.millrace("sources", "show", "clockify")
        self.assertRegex(shown, r"(?m)^url +CLOCKIFY_API_URL +https://api")
        self.assertRegex(shown, r"(?m)^requests_per_second +1 +the pace")
        self.assertIn("did you mean 'clients'?", self.millrace("sources", "show", "clockify.client", code=2))
        self.assertIn("did you mean 'clockify'?", self.millrace("sources", "show", "clokify.clients", code=2))

    def test_a_preview_says_what_is_paused(self):
        lines = lambda told: [line for line in told.splitlines() if "2026-11-2" in line]
        told = self.millrace("schedules", "preview", "timed", "-n", "2", "--from", "2026-11-21")
        self.assertNotIn("paused", told)
        self.millrace("schedules", "pause", "timed")
        told = self.millrace("schedules", "preview", "timed", "-n", "2", "--from", "2026-11-21")
        self.assertTrue(all("paused" in line for line in lines(told)) and len(lines(told)) == 2, told)
        self.assertIn("until: millrace schedules resume timed", told)
        self.assertEqual({item["paused"] for item in json.loads(self.millrace("schedules", "preview", "timed", "--json"))}, {True})
        self.millrace("schedules", "resume", "timed")
        path = pathlib.Path(self.path) / "held.yaml"
        path.write_text("flow: held\nschedule: {cron: 0 5 * * *, paused: true}\ntasks:\n  a: {run: echo a}\n")
        told = self.millrace("schedules", "preview", str(path), "-n", "2", "--from", "2026-11-21")
        self.assertTrue(all("paused" in line for line in lines(told)) and len(lines(told)) == 2, told)
        self.assertIn("`paused: true` stands in the flow's file", told)

    def test_pausing_and_resuming_say_what_schedules_do_then(self):
        self.assertEqual(self.millrace("schedules", "pause", "timed"), "The schedule of timed is paused.\n")
        self.assertEqual(self.millrace("schedules", "resume", "timed"), "The schedule of timed is active.\n")
        self.assertIn("The schedule of rejecting is still paused by `paused: true`", self.millrace("schedules", "resume", "rejecting"))
        self.assertIn("slow has no schedule", self.millrace("schedules", "pause", "slow"))
        self.assertEqual(self.millrace("schedules", "resume", "slow"), "slow has no schedule.\n")

    def test_output_that_cannot_be_written_is_said(self):
        for words in (["flows", "list"], ["run", "--help"], ["flows", "schema"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run(self.command(*words), env=self.daemon.environment, text=True, stdout=full, stderr=subprocess.PIPE, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (1, "millrace: stdout cannot be written: No space left on device\n"), words)

    def test_a_flow_without_an_interval_says_so_before_anything_else(self):
        self.assertIn("flow quick has no `interval`", self.millrace("run", "quick", "--from", "2026-01-01", code=2))
        self.assertIn("--from and --to go together", self.millrace("run", "parts", "--from", "2026-01-01", code=2))

    def test_what_went_well_or_was_told_to_a_command_is_not_logged(self):
        self.millrace("flows", "list")
        self.millrace("runs", "show", "888888", code=2)
        for status in (200, 404):
            self.assertNotIn(f"status={status}", self.daemon.log())

    def test_psql_takes_its_own_options(self):
        self.assertEqual(self.millrace("psql", "-Atc", "select 6 * 7").strip(), "42")
        self.assertIn("it has --csv", self.millrace("--json", "psql", "-c", "select 1", code=2))

    def test_a_flow_is_shown_with_the_values_that_its_parameters_may_have(self):
        self.assertRegex(self.millrace("flows", "show", "quick"), r"n +int +5 +1 to 10")

    def test_of_a_run_that_has_not_begun_no_tasks_are_listed(self):
        runs = [str(self.daemon.trigger("queued")["id"]) for _ in range(2)]
        told = self.millrace("data", "head", f"{runs[1]}.nope", code=2)
        self.assertEqual(told, f"millrace: run {runs[1]} has no task nope\n")
        self.assertIn("has no dataset yet", self.millrace("data", "head", f"{runs[1]}.a", code=2))
        for run in reversed(runs):
            self.millrace("runs", "cancel", run)

    def test_what_was_told_of_no_run_is_shown(self):
        self.assertNotIn("told lately", self.millrace("flows", "show", "slow"))
        self.millrace("psql", "--store", "-c", "insert into millrace.event (at, flow, kind, message, details) values "
                      "(now() - interval '8 days', 'timed', 'missed', 'too old', '{}'), (now(), 'timed', 'missed', '2 firings came late', '{}')")
        self.assertRegex(self.millrace("flows", "show", "timed"), r"told lately \(.*\)\n\S+ \S+  missed +2 firings came late\n$")
        self.assertRegex(self.millrace("doctor"), r"(?m)^\S+ \S+  missed +timed: 2 firings came late$")
        self.assertEqual([event["message"] for event in json.loads(self.millrace("doctor", "--json"))["daemon"]["events"] if event["flow"] == "timed"],
                         ["2 firings came late"])

    def test_the_next_start_is_told_in_the_zone_of_its_schedule(self):
        for words in (["flows", "list"], ["flows", "show", "timed"]):
            self.assertRegex(self.millrace(*words), r"\d 05:00:00 UTC\b")
        self.assertRegex(self.millrace("schedules", "list"), r"timed +0 5 \* \* \* +UTC +\S+ 05:00:00")

    def test_a_run_in_chunks_is_shown_with_the_numbers_of_its_chunks(self):
        self.millrace("run", "parts", "--wait")
        whole = json.loads(self.millrace("runs", "list", "--flow", "parts", "-n", "1", "--json"))[0]["id"]
        part = self.daemon.request("GET", f"/api/v1/runs/{whole}")[1]["chunks"][1]["id"]
        self.assertRegex(self.millrace("runs", "show", str(whole)), rf"(?m)^2 of 2 +{part}  made ")
        self.assertIn(f"in chunks {part - 1}-{part}", self.millrace("runs", "list", "--flow", "parts", "-n", "1"))
        told = self.millrace("data", "head", f"{whole}.made", code=2)
        self.assertIn(str(part), told)
        for words in (["data", "head", f"{whole}.nope"], ["runs", "logs", f"{whole}.nope"]):
            self.assertIn("its tasks are made", self.millrace(*words, code=2))
        self.assertIn("did you mean 'made'?", self.millrace("data", "head", f"{whole}.mad", code=2))
        self.assertIn("1 of 1 row\n", self.millrace("data", "head", f"{part}.made"))

    def test_a_backfill_runs_the_chunks_that_no_run_completed(self):
        self.millrace("run", "parts", "--from", "2026-01-02", "--to", "2026-01-03", "--wait")
        done = json.loads(self.millrace("runs", "list", "--flow", "parts", "-n", "1", "--json"))[0]["id"]
        span = ("--from", "2026-01-01", "--to", "2026-01-04")
        told = self.millrace("backfill", "parts", *span, "--dry-run")
        self.assertRegex(told, rf"(?m)^ *2  2026-01-02 to 2026-01-03 +{done}\n(.|\n)*2 of 3 chunks would run; the others are left out")
        told = self.millrace("backfill", "parts", *span, "--concurrency", "2", "--wait")
        self.assertRegex(told, r"parts chunk 3 of 3: completed(.|\n)*parts run \d+: completed")
        self.assertNotIn("chunk 2 of 3", told)
        self.assertIn("there is no flow prats", self.millrace("backfill", "prats", *span, code=2))
        self.assertIn("nothing to fill", self.millrace("backfill", "quick", *span, code=2))
        self.assertIn("chunks of no length never reach the end", self.millrace("backfill", "parts", *span, "--every", "0d", code=2))
        whole = json.loads(self.millrace("backfill", "parts", *span, "--again", "--json"))
        self.assertEqual((whole["trigger"], self.daemon.wait(whole["id"])["state"]), ("backfill", "completed"))

    def test_a_flow_that_runs_another_and_one_that_follows_it(self):
        run = json.loads(self.millrace("run", "calling", "--wait", "--json"))
        run = run[0] if isinstance(run, list) else run
        called = run["tasks"][0]["run"]
        self.assertIn(f"run {called} of flow quick", self.millrace("runs", "show", str(run["id"])))
        self.assertIn(f"called has no log of its own, it ran a flow: millrace runs logs {called}\n",
                      self.millrace("runs", "logs", f"{run['id']}.called"))
        other = json.loads(self.millrace("runs", "show", str(called), "--json"))
        self.assertEqual((other["flow"], other["params"], other["trigger"]), ("quick", {"n": 3}, "flow"))
        self.assertEqual(other["caused_by"], {"run": run["id"], "flow": "calling", "task": "called"})
        followed = lambda: json.loads(self.millrace("runs", "list", "--flow", "following", "--state", "completed", "--json"))
        wait_until(followed, 20, "the flow that follows did not run")
        self.assertEqual(followed()[0]["caused_by"], {"run": run["id"], "flow": "calling", "state": "completed"})

    def test_an_approval_says_how_it_is_given(self):
        run = self.daemon.trigger("asking")["id"]
        wait_until(lambda: "awaiting approval" in self.millrace("runs", "show", str(run)), 20, "the question")
        self.assertIn("its tasks are ask", self.millrace("runs", "approve", str(run), "nope", code=2))
        self.assertIn(f"may it   millrace runs approve {run} ask", self.millrace("runs", "show", str(run)))
        self.millrace("runs", "reject", str(run), "ask")
        self.assertEqual(self.daemon.wait(run)["state"], "failed")

    def test_who_approved_and_why_is_shown_and_logged(self):
        run = self.daemon.trigger("asking")["id"]
        wait_until(lambda: "awaiting approval" in self.millrace("runs", "show", str(run)), 20, "the question")
        self.millrace("runs", "approve", str(run), "--comment", "fine by me")  # the task is the only one
        self.assertEqual(self.daemon.wait(run)["state"], "completed")
        for command in ("show", "logs"):
            self.assertRegex(self.millrace("runs", command, str(run)), r"ask .*approved by .*: fine by me")
        self.assertIn("waits for a decision", self.millrace("runs", "approve", str(run), code=2))

    def test_lists_fit_a_terminal_and_are_whole_elsewhere(self):
        self.daemon.run("quick")
        for words in (["flows", "list", "--all"], ["runs", "list"], ["schedules", "list"], ["nodes"], ["connections", "list"], ["sources", "list"]):
            ours, theirs = open_terminal(self)
            done = subprocess.Popen(self.command(*words), cwd=self.path, env={**self.daemon.environment, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "xterm"},
                                    stdout=theirs, stderr=subprocess.DEVNULL)
            os.close(theirs)
            told = b""
            try:
                while more := os.read(ours, 65536):
                    told += more
            except OSError:
                pass  # the other end is closed
            os.close(ours)
            self.assertEqual(done.wait(60), 0, told)
            self.assertLessEqual(max(len(line) for line in told.decode().splitlines()), 80, told.decode())
        self.assertNotIn("…", self.millrace("flows", "list"))

    def test_runs_of_a_flow_that_there_is_not_are_an_error_with_the_nearest_name(self):
        told = self.millrace("runs", "list", "--flow", "quikc", code=2)
        self.assertEqual(told, "millrace: there is no flow quikc\n  did you mean quick?\n")

    def test_what_is_paused_by_its_file_is_called_so_in_every_list(self):
        for words in (["flows", "list"], ["flows", "show", "rejecting"], ["schedules", "list"], ["schedules", "preview", "rejecting"]):
            self.assertIn("paused (file)", self.millrace(*words))

    def test_a_trial_is_called_one(self):
        run = json.loads(self.millrace("run", "quick", "--limit-rows", "3", "--wait", "--json"))["id"]
        self.assertRegex(self.millrace("flows", "list"), r"(?m)^quick +completed \(trial\) ")
        self.assertRegex(self.millrace("runs", "list"), rf"(?m)^ *{run}  quick +completed \(trial\) ")
        self.assertIn("trial: each extract reads at most 3 rows", self.millrace("runs", "show", str(run)))

    def test_who_cancelled_a_run_and_who_asked_for_it_again_is_in_its_log(self):
        run = self.daemon.trigger("slow")["id"]
        wait_until(lambda: self.daemon.request("GET", f"/api/v1/runs/{run}")[1]["state"] == "running", 20, "the run's start")
        self.millrace("runs", "cancel", str(run))
        self.daemon.wait(run)
        self.assertRegex(self.millrace("runs", "logs", str(run)), r"(?m)^[\d:]+ cancelled by \S+")
        again = json.loads(self.millrace("runs", "rerun", str(run), "--json"))["id"]
        self.millrace("runs", "cancel", str(again))
        self.daemon.wait(again)
        self.assertRegex(self.millrace("runs", "logs", str(again)), rf"rerun of run {run}, asked for by \S+")

    def test_a_key_that_was_used_before_is_told(self):
        self.assertNotIn("before", self.millrace("run", "quick", "--idempotency-key", "once"))
        run = self.runs_of("quick")[0]["id"]
        self.daemon.wait(run)
        told = f"quick run {run} was started with this key before: completed\n"
        self.assertEqual(self.millrace("run", "quick", "--idempotency-key", "once"), told)
        self.assertTrue(self.millrace("run", "quick", "--idempotency-key", "once", "--wait").startswith(told))
        again = ("runs", "rerun", str(run), "--idempotency-key", "again")
        self.assertNotIn("before", self.millrace(*again))
        second = self.runs_of("quick")[0]["id"]
        self.daemon.wait(second)
        self.assertEqual(self.millrace(*again), f"quick run {second} was started with this key before: completed\n")
        self.assertIn("use another key", self.millrace(*again, "--task", "a", code=2))

    def test_ctrl_c_cancels_what_is_waited_for(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            waiting = subprocess.Popen(self.command("run", "slow", "--wait"), cwd=self.path, env=self.daemon.environment, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            wait_until(lambda: any(run["state"] == "running" for run in self.runs_of("slow")), 20, "the run's start")
            waiting.send_signal(number)
            self.assertIn("cancelling", waiting.communicate(timeout=30)[0])
            self.assertEqual(waiting.returncode, 4)
            self.assertEqual({run["state"] for run in self.runs_of("slow")}, {"cancelled"})


def sockets_of(pid):
    """Their inodes."""
    inodes = set()
    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if (target := os.readlink(descriptor)).startswith("socket:"):
                inodes.add(target[len("socket:["):-1])
    return inodes


def is_connected(pid):
    """By a Unix socket."""
    lines = pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]
    return any(line.split()[5] == "03" and line.split()[6] in sockets_of(pid) for line in lines)


class Daemons(unittest.TestCase):
    def setUp(self):
        folder = Folder()
        self.path = folder.__enter__()
        self.addCleanup(folder.__exit__)
        self.prefix = installed_prefix(self.path)
        self.daemon = Daemon(self.prefix, self.path, FLOWS, {}, None)
        self.addCleanup(self.daemon.stop)

    def refused(self, code=2, **settings):
        done = subprocess.run([f"{self.prefix}/bin/millrace", "serve", "--config", self.daemon.config], env={**self.daemon.environment, **settings},
                              cwd=self.path, text=True, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertRegex(done.stderr, r"(^|\n)millrace: .+\n  .+\n")  # as any command: the cause, and below it what to do
        self.assertNotIn("remedy=", done.stderr)
        return done.stderr

    def test_a_configuration_that_cannot_work_is_refused_before_anything_is_made(self):
        self.assertIn("has no port", self.refused(MILLRACE_LISTEN="nonsense"))
        self.assertIn("no key exists", self.refused(MILLRACE_LISTEN="0.0.0.0:0"))
        self.assertIn("longer than 107 bytes", self.refused(MILLRACE_STATE=f"{self.path}/{'x' * 120}"))
        self.assertFalse(os.path.exists(f"{self.path}/state"))
        self.assertNotIn("hidden", self.refused(MILLRACE_DATABASE="mysql://somebody:hidden@host/store"))
        self.assertFalse(os.path.exists(f"{self.path}/state/pg"))

    def test_a_start_without_its_database_says_which_setting_to_look_at(self):
        told = self.refused(code=3, MILLRACE_DATABASE=f"postgresql:///store?host={self.path}")
        self.assertRegex(told, r"millrace: the store cannot be used: .+\n  check `database:` in millrace.yaml or MILLRACE_DATABASE")

    def test_a_port_that_is_not_ours_is_told_before_anything_is_started(self):
        if int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
            return  # any user may take it here
        self.assertIn("millrace: cannot listen on 127.0.0.1:80: Permission denied\n  ports below 1024 are root's",
                      self.refused(MILLRACE_LISTEN="127.0.0.1:80"))
        self.assertFalse(os.path.exists(f"{self.path}/state"))

    def test_a_taken_address_is_told_before_anything_is_started(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.assertIn(f") already listens on {address}", self.refused(MILLRACE_LISTEN=address))
            done = subprocess.run([f"{self.prefix}/bin/millrace", "up", "--config", self.daemon.config, "--listen", address], cwd=self.path,
                                  env=self.daemon.environment, text=True, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(f"process {os.getpid()} (", done.stderr)
        self.assertIn(f") already listens on {address}", done.stderr)
        self.assertRegex(done.stderr, r"take another address: --listen 127.0.0.1:\d+")
        self.assertFalse(os.path.exists(f"{self.path}/state"))

    def test_a_socket_that_takes_connections_and_says_nothing_is_no_daemon(self):
        os.makedirs(os.path.dirname(self.daemon.socket))
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(self.daemon.socket)
            mute.listen()
            for arguments, code, told in ((["runs", "list"], 3, "does not answer"), (["doctor"], 1, "failed  daemon ")):
                done = subprocess.run([f"{self.prefix}/bin/millrace", "--config", self.daemon.config, *arguments], cwd=self.path, text=True, timeout=40,
                                      env=self.daemon.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                self.assertEqual(done.returncode, code, done.stdout)
                self.assertIn(told, done.stdout)
                self.assertIn(f"process {os.getpid()} (", done.stdout)

    def test_the_sandbox_of_the_demo_is_started_again_at_its_port(self):
        self.daemon.command = ["up", "--demo"]
        self.daemon.start()
        told = pathlib.Path(f"{self.path}/state/sandbox.env")
        before, first = told.read_text(), self.sandbox()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: self.sandbox() not in (None, first), 20, "the sandbox's second start")
        self.assertEqual(self.daemon.run("clockify_clients")["state"], "completed")
        self.assertEqual(told.read_text(), before)
        self.assertIn(f"sandbox=died pid={first} action=restart", self.daemon.log())
        self.daemon.process.kill()
        self.daemon.process.wait()
        self.daemon.start()
        self.assertEqual(told.read_text(), before)
        self.daemon.stop()
        self.daemon.command = ["up"]
        self.daemon.start() # without the demo, whose flows would read a real account next
        self.assertIn("flow=clockify_clients change=archived", self.daemon.log())
        self.assertIn("`millrace up --demo` brings them back", self.daemon.log())

    def sandbox(self):
        return next((pid for pid in tree(self.daemon.process.pid) if name(pid).startswith("millrace-sand")), None)

    def test_a_state_that_is_no_longer_named_is_pointed_at(self):
        config = pathlib.Path(self.daemon.config)
        config.write_text(json.dumps({**json.loads(config.read_text()), "state": ".millrace"}))
        self.daemon.socket = f"{self.path}/.millrace/run/millrace.sock"
        self.daemon.start()
        self.daemon.stop()
        self.assertNotIn("another one", self.daemon.log())
        config.write_text(json.dumps({name: value for name, value in json.loads(config.read_text()).items() if name != "state"}))
        self.daemon.environment["XDG_STATE_HOME"] = f"{self.path}/other"
        note = f"the state is in {self.path}/other/millrace, another one in {self.path}/.millrace: to go on with that, write `state: .millrace` in {config}"
        done = subprocess.run([f"{self.prefix}/bin/millrace", "--config", self.daemon.config, "runs", "list"], cwd=self.path, env=self.daemon.environment,
                              text=True, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 3)
        self.assertIn(note, done.stderr)
        self.daemon.socket = f"{self.path}/other/millrace/run/millrace.sock"
        self.daemon.start()
        self.assertIn(note, self.daemon.log())

    def test_who_follows_a_run_is_told_that_the_daemon_is_away_and_when_it_is_back(self):
        self.daemon.start()
        run = str(self.daemon.trigger("talking")["id"])
        commands = [self.followed("runs", "logs", run, "--follow"), self.followed("run", "slow", "--wait")]
        for (told, _), word in zip(commands, ("begun", "slow.a: running")):
            wait_until(lambda: word in told.read_text(), 20, "its first line")
        self.daemon.process.kill()
        self.daemon.process.wait()
        for told, _ in commands:
            wait_until(lambda: "the daemon has not answered since " in told.read_text(), 10, "the word of it")
            self.assertIn("the run is safe, and goes on with the daemon; tried again for 5 minutes, Ctrl-C leaves", told.read_text())
        self.daemon.start()
        for told, _ in commands:
            wait_until(lambda: "the daemon answers again, after " in told.read_text(), 20, "the word of it")
            self.assertEqual(told.read_text().count("has not answered since"), 1)
        os.kill(self.daemon.process.pid, signal.SIGSTOP)  # mute
        for told, _ in commands:
            wait_until(lambda: told.read_text().count("has not answered since") == 2, 10, "the word of it")
        os.kill(self.daemon.process.pid, signal.SIGCONT)
        for told, command in commands:
            wait_until(lambda: told.read_text().count("answers again") == 2, 20, "the word of it")
            command.kill()
            command.wait()

    def test_json_of_a_followed_run_is_json_alone_and_ctrl_c_leaves_while_the_daemon_is_away(self):
        self.daemon.start()
        told = pathlib.Path(f"{self.path}/told")
        with told.open("w") as errors:
            waiting = subprocess.Popen([f"{self.prefix}/bin/millrace", "--config", self.daemon.config, "run", "slow", "--wait", "--json"], cwd=self.path,
                                       text=True, env=self.daemon.environment, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL)
        wait_until(lambda: self.state_of("slow") == "running", 20, "the run's start")
        wait_until(lambda: not sockets_of(waiting.pid), 20, "the answer to what started it")
        self.daemon.process.kill()
        self.daemon.process.wait()
        wait_until(lambda: "has not answered since" in told.read_text(), 10, "the word of it")
        waiting.send_signal(signal.SIGINT)
        self.assertEqual(waiting.communicate(timeout=20)[0], "")
        self.assertEqual(waiting.returncode, 3)
        self.assertRegex(told.read_text(), r"nothing was cancelled\n  the run is safe, .*millrace runs show \d+")

    def test_who_asked_for_something_and_got_no_answer_is_told_that_it_may_be_done(self):
        self.daemon.start()
        self.daemon.process.send_signal(signal.SIGSTOP)
        asking = subprocess.Popen([f"{self.prefix}/bin/millrace", "--config", self.daemon.config, "runs", "cancel", "1"], cwd=self.path, text=True,
                                  env=self.daemon.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        wait_until(lambda: is_connected(asking.pid), 20, "the question")
        self.daemon.process.kill()
        self.daemon.process.wait()
        self.assertRegex(asking.communicate(timeout=20)[0], r"broke off: .*\n  it may have been done all the same: look before you ask again\n")
        self.assertEqual(asking.returncode, 3)

    def state_of(self, flow):
        runs = self.daemon.request("GET", f"/api/v1/runs?flow={flow}")[1]["items"]
        return runs and runs[0]["state"]

    def followed(self, *arguments):
        """A command, and the file that all it says goes to."""
        told = pathlib.Path(f"{self.path}/{'-'.join(arguments)}")
        with told.open("w") as out:
            command = subprocess.Popen([f"{self.prefix}/bin/millrace", "--config", self.daemon.config, *arguments], cwd=self.path,
                                       env=self.daemon.environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self.addCleanup(lambda: command.poll() is None and command.kill())
        return told, command

    def test_a_private_postgresql_is_asked_of_the_installation_that_answers(self):
        self.daemon.start()
        address = re.search(r" url=http://(\S+)", self.daemon.log())[1]
        with Folder() as elsewhere:
            def told(*arguments, code=0):
                done = subprocess.run([f"{self.prefix}/bin/millrace", *arguments], cwd=elsewhere, text=True, timeout=60, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, env={**self.daemon.environment, "HOME": elsewhere, "MILLRACE_LISTEN": address})
                self.assertEqual(done.returncode, code, done.stdout)
                return done.stdout
            told_by_doctor = told("doctor")
            self.assertIn(f"that of the daemon that answers: state folder {self.path}/state, configuration {self.daemon.config}", told_by_doctor)
            self.assertIn(f"not looked at: state folder {elsewhere}/.local/state/millrace, no millrace.yaml", told_by_doctor)
            self.assertNotIn("failed", told_by_doctor)
            self.assertEqual(told("psql", "-Atc", "select 6 * 7").strip(), "42")
            pg = f"{self.path}/state/pg"
            os.chmod(pg, 0o000)
            try:
                refused = told("psql", "-c", "select 1", code=2)
            finally:
                os.chmod(pg, 0o700)
            self.assertIn(f"the private PostgreSQL (state folder {self.path}/state, configuration {self.daemon.config}) is for its own user and root\n"
                          f"  sudo millrace psql\n", refused)
            self.daemon.stop()
            self.assertIn(f"(state folder {elsewhere}/.local/state/millrace, no millrace.yaml) does not answer", told("psql", "-c", "select 1", code=3))

    def test_a_person_at_a_terminal_is_told_which_database_is_asked(self):
        leader, terminal = open_terminal(self)
        self.daemon.start()
        done = subprocess.run([f"{self.prefix}/bin/millrace", "--config", self.daemon.config, "psql", "-Atc", "select 1"], cwd=self.path, text=True,
                              env={**self.daemon.environment, "NO_COLOR": "1", "TERM": "xterm"}, stdout=subprocess.PIPE, stderr=terminal, timeout=60)
        os.close(terminal)
        self.assertEqual(done.stdout, "1\n")
        self.assertIn(f"warehouse: state folder {self.path}/state, configuration {self.daemon.config}", os.read(leader, 4096).decode())
        os.close(leader)

    def test_a_daemon_that_has_the_address_is_named(self):
        self.daemon.start()
        address = re.search(r" url=http://(\S+)", self.daemon.log())[1]
        with Folder() as elsewhere:
            def told(*arguments, code=2, **settings):
                done = subprocess.run([f"{self.prefix}/bin/millrace", *arguments], cwd=elsewhere, text=True, capture_output=True, timeout=60,
                                      env={**self.daemon.environment, "HOME": elsewhere, **settings})
                self.assertEqual(done.returncode, code, done.stderr)
                return done.stderr
            for words in (["up", "--listen", address], ["up", "--listen", "127.0.0.1:0"], ["serve"]):
                self.assertIn(f"a daemon is up already: process {self.daemon.process.pid}, http://{address}, state folder {self.path}/state, "
                              f"configuration {self.daemon.config}\n", told(*words, "--config", self.daemon.config))
            self.assertIn(f"so the daemon at http://{address} was asked", told("run", "nothing", MILLRACE_LISTEN=address))
            for words in (["runs", "list"], ["run", "quick"], ["runs", "rerun", "1"], ["schedules", "list"]):
                self.assertEqual(told(*words, code=0, MILLRACE_LISTEN=address).count(f"so the daemon at http://{address} was asked"), 1, words)
            self.assertEqual(told("runs", "list", "--json", code=0, MILLRACE_LISTEN=address), "")
            self.assertNotIn("was asked", told("runs", "list", code=0, MILLRACE_STATE=f"{self.path}/state"))
            told("init", code=0)
            self.assertNotIn("was asked", told("runs", "list", code=0, MILLRACE_URL=f"http://{address}"))
            (pathlib.Path(elsewhere) / "flows" / "mine.yaml").write_text("flow: quick\ntasks: {a: {run: echo mine}}\n")
            self.assertIn(f"flows/mine.yaml is not deployed, this runs the flow of that name from {self.daemon.flows}",
                          told("run", "quick", code=0, MILLRACE_URL=f"http://{address}"))
            self.assertIn(f"the Millrace daemon of {self.daemon.config}, process {self.daemon.process.pid}, already listens on {address}", told("up", "--listen", address))
            self.assertNotIn("was asked", told("run", "nothing", code=3))

    def test_a_postgresql_that_was_started_again_leaves_a_killed_daemon_its_address(self):
        self.daemon.start()
        address = re.search(r" url=http://(\S+)", self.daemon.log())[1]
        first = self.postmaster()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: self.postmaster() not in (None, first) and self.daemon.is_ready(), 60, "PostgreSQL's second start")
        self.daemon.run("quick")  # a host is there
        daemon = self.daemon.process.pid
        wait_until(lambda: not any(sockets(daemon) & sockets(other) for other in {self.postmaster(), *tree(daemon)} - {daemon}), 10,
                   "that no other process has a socket of the daemon")
        self.daemon.process.kill()
        self.daemon.process.wait()
        config = pathlib.Path(self.daemon.config)
        config.write_text(json.dumps({**json.loads(config.read_text()), "listen": address}))
        self.daemon.start()
        self.assertIn(f" url=http://{address} ", self.daemon.log().rpartition("ready ")[2])

    def postmaster(self):
        try:
            return int(pathlib.Path(f"{self.path}/state/pg/data/postmaster.pid").read_text().split()[0])
        except (OSError, IndexError):
            return None

    def host(self):
        """The one that works on a command."""
        return next(host["pid"] for host in self.daemon.request("GET", "/api/v1/doctor")[1]["hosts"] if host["kind"] == "run" and host["orders"])

    def test_a_cancelled_task_ends_with_all_that_it_started(self):
        self.daemon.start()
        run = self.daemon.trigger("stray")["id"]
        wait_until(lambda: len(marked()) == 3, 20, "the task's processes")
        self.daemon.request("POST", f"/api/v1/runs/{run}/cancel", {})
        self.assertEqual(self.daemon.wait(run)["state"], "cancelled")
        self.assertEqual(marked(), [])

    def test_a_killed_host_takes_all_that_its_task_started(self):
        self.daemon.start()
        self.daemon.trigger("stray")
        wait_until(lambda: len(marked()) == 3, 20, "the task's processes")
        os.kill(self.host(), signal.SIGKILL)
        wait_until(lambda: marked() == [], 5, "their end")

    def test_a_killed_daemon_takes_all_that_its_tasks_started(self):
        self.daemon.start()
        self.daemon.trigger("stray")
        wait_until(lambda: len(marked()) == 3, 20, "the task's processes")
        self.daemon.process.kill()
        self.daemon.process.wait()
        wait_until(lambda: marked() == [], 5, "their end")

    def test_what_a_frozen_daemon_runs_ends_before_another_node_may_take_it_over(self):
        self.daemon.start()
        run = self.daemon.trigger("stray")["id"]
        wait_until(lambda: len(marked()) == 3, 20, "the task's processes")
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        try:
            wait_until(lambda: marked() == [], 12, "their end")  # a lease is 9 s
        finally:
            os.kill(self.daemon.process.pid, signal.SIGCONT)
        self.daemon.request("POST", f"/api/v1/runs/{run}/cancel", {})
        self.assertEqual(self.daemon.wait(run)["state"], "cancelled")

    def test_what_outlives_daemon_and_host_ends_at_the_next_start(self):
        self.daemon.start()
        run = self.daemon.trigger("stray")["id"]
        wait_until(lambda: len(marked()) == 3, 20, "the task's processes")
        host, before = self.host(), marked()
        os.kill(host, signal.SIGSTOP)
        self.daemon.process.kill()
        os.kill(host, signal.SIGKILL)
        self.daemon.process.wait()
        self.daemon.start()
        self.assertEqual([pid for pid in before if pid in marked()], [])
        self.daemon.request("POST", f"/api/v1/runs/{run}/cancel", {})
        self.daemon.wait(run)

    def test_nothing_that_a_task_started_outlives_the_daemon(self):
        self.daemon.start()
        self.daemon.trigger("stray")
        wait_until(lambda: len(marked()) == 3, 20, "the task's processes")
        began = time.monotonic()
        self.daemon.stop()
        self.assertLess(time.monotonic() - began, 8)
        self.assertEqual(marked(), [])
        os.mkdir(self.daemon.socket)  # the run is taken up again, then the API's address turns out to be taken
        self.assertIn(f"millrace: cannot listen on {self.daemon.socket}: Address already in use\n  take away what is there", self.refused())
        os.rmdir(self.daemon.socket)
        self.assertEqual(marked(), [])


if __name__ == "__main__":
    drop_root()
    run_cases()
