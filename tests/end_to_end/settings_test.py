#!/usr/bin/env python3
"""A running daemon takes up what changed in millrace.yaml: at a deploy and at SIGHUP, as a whole or not at all."""
import json, os, pathlib, re, signal, sys, unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
sys.dont_write_bytecode = True

from commands import Commands
from processes import wait_until
from service import Daemon, Folder, drop_root, installed_prefix

QUICK = "flow: quick\ntasks:\n  a: {run: echo done}\n"
INTO_ANOTHER = ("flow: into_another\ntasks:\n  one:\n    transform: select 1 as n\n    columns: {n: integer unique}\n"
                "  there: {load: one, into: another.public.ones, mode: upsert, key: n}\n")


class ChangedSettings(Commands, unittest.TestCase):
    def setUp(self):
        folder = Folder()
        self.path = folder.__enter__()
        self.addCleanup(folder.__exit__)
        self.prefix = installed_prefix(self.path)
        self.daemon = Daemon(self.prefix, self.path, {"quick": QUICK}, {}, None)
        self.addCleanup(self.daemon.stop)
        self.daemon.start()

    def write_settings(self, **changes):
        path = pathlib.Path(self.daemon.config)
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    def another(self, database):
        return {"another": {"type": "postgres", "url": f"postgresql://millrace@/{database}?host={self.path}/state/pg/socket"}}

    def test_a_connection_that_is_added_or_changed_counts_from_the_deploy_on(self):
        self.write_settings(connections=self.another("nowhere"), limits={"few": 2})
        (pathlib.Path(self.daemon.flows) / "into_another.yaml").write_text(INTO_ANOTHER)
        told = self.millrace("deploy", "--dry-run")
        self.assertIn("+ new          millrace.yaml: connections.another", told)
        self.assertIn("+ new          into_another", told)
        self.assertEqual(json.loads(self.millrace("limits", "--json")), [])
        self.assertIn("put it in force: millrace deploy", self.millrace("doctor"))
        self.assertIn("+ new          millrace.yaml: limits.few", self.millrace("deploy"))
        self.assertEqual([limit["key"] for limit in json.loads(self.millrace("limits", "--json"))], ["few"])
        self.assertIn('"nowhere" does not exist', self.millrace("run", "into_another", "--wait", code=1))

        self.write_settings(connections=self.another("warehouse"))
        self.assertIn("millrace.yaml was changed after its deploy", self.millrace("run", "quick"))
        self.assertIn("~ changed      millrace.yaml: connections.another", self.millrace("deploy"))
        self.assertNotIn("note", self.millrace("doctor"))
        told = self.millrace("run", "into_another", "--wait")
        self.assertNotIn("after its deploy", told)
        self.assertIn("1 inserted", told)

    def test_a_signal_makes_it_look_too(self):
        self.write_settings(connections=self.another("warehouse"))
        self.daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "setting=connections.another change=new" in self.daemon.log(), 20, "the new connection")

    def test_a_file_with_a_mistake_changes_nothing_and_is_told_everywhere(self):
        self.write_settings(limits={"few": 0}, connections=self.another("warehouse"))
        self.daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "deploy=failed" in self.daemon.log(), 20, "the complaint")
        self.assertIn("a limit of no slots", self.daemon.log())
        status, problem = self.daemon.request("POST", "/api/v1/deploy", {})
        self.assertEqual(status, 422)
        self.assertIn("the daemon keeps the settings that it has", problem["detail"])
        for words, code in ((["deploy"], 2), (["doctor"], 1)):
            self.assertRegex(self.millrace(*words, code=code), r"millrace.yaml:\d+:\d+: error: a limit of no slots")
        told = self.millrace("runs", "list")  # needs only the daemon
        self.assertRegex(told, r"warning: (.|\n)*error: a limit of no slots(.|\n)*needs only its daemon")
        self.assertEqual(self.daemon.run("quick")["state"], "completed")

    def test_what_needs_less_than_all_settings_works_in_spite_of_mistakes_elsewhere(self):
        self.write_settings(limts={"few": 1})
        told = self.millrace("psql", "-Atc", "select 6 * 7")
        self.assertRegex(told, r"warning: (.|\n)*did you mean 'limits'(.|\n)*needs only the databases(.|\n)*\n42\n")
        self.assertRegex(self.millrace("doctor", code=1), r"failed  configuration (.|\n)*ok      daemon ")

    def test_a_configuration_that_cannot_be_read_is_gone_round_where_the_daemon_is_named(self):
        path, secrets = pathlib.Path(self.daemon.config), pathlib.Path(self.path) / ".env"
        written = path.read_text()
        for config, env in (("state: [\n", ""), (written, "this is no assignment\n"), ("state: [\n", "this is no assignment\n")):
            path.write_text(config)
            secrets.write_text(env)
            told = self.millrace("runs", "list", code=2)
            way_round = r"; or go round it: name the daemon's state folder in MILLRACE_STATE, or its address in MILLRACE_URL\n"
            self.assertRegex(told, r"\n  .*" + way_round)
            self.assertRegex(self.millrace("doctor", code=1), r"^failed  configuration (.|\n)*\nfailed  daemon  .*\n.*" + way_round + "$")
            for name, value in (("MILLRACE_STATE", f"{self.path}/state"), ("MILLRACE_URL", re.search(r" url=(http://\S+)", self.daemon.log())[1])):
                self.daemon.environment[name] = value
                self.millrace("runs", "list")
                self.millrace("schedules", "list")
                del self.daemon.environment[name]
        self.assertNotIn("go round", self.millrace("psql", "-c", "select 1", code=2))  # what the file says is what it needs

    def test_a_flow_with_a_mistake_keeps_changed_settings_out_of_force(self):
        limited, wrong = (pathlib.Path(self.daemon.flows) / name for name in ("limited.yaml", "wrong.yaml"))
        limited.write_text("flow: limited\ntasks:\n  a: {run: echo done, limits: {few: 1}}\n")
        self.write_settings(limits={"few": 1})
        self.millrace("deploy")
        limited.write_text("flow: limited\ntasks:\n  a: {run: echo done, limits: {less: 1}}\n")
        wrong.write_text("flow: wrong\ntasks:\n  a: {rum: echo a}\n")
        self.write_settings(limits={"less": 1})
        told = self.millrace("deploy", code=1)
        for line in ("held back    limited", "held back    millrace.yaml: limits.few", "held back    millrace.yaml: limits.less",
                     "millrace.yaml's settings stay as they were"):
            self.assertIn(line, told)
        self.assertEqual(self.daemon.run("limited")["state"], "completed")
        wrong.unlink()
        self.assertIn("- removed      millrace.yaml: limits.few", self.millrace("deploy"))
        self.assertEqual([limit["key"] for limit in json.loads(self.millrace("limits", "--json"))], ["less"])

    def test_a_mistake_in_a_flow_file_is_logged_in_one_line(self):
        (pathlib.Path(self.daemon.flows) / "wrong.yaml").write_text("flow: wrong\ntasks:\n  a: {rum: echo a}\n")
        self.daemon.process.send_signal(signal.SIGHUP)
        told = "wrong.yaml:3:7: error: the task 'a' has no key 'rum'; did you mean 'run'?\n"
        wait_until(lambda: told in self.daemon.log(), 20, "the mistake")

    def test_while_the_file_is_away_nothing_changes(self):
        path = pathlib.Path(self.daemon.config)
        path.rename(path.with_suffix(".away"))
        status, problem = self.daemon.request("POST", "/api/v1/deploy", {})
        self.assertEqual(status, 422)
        self.assertIn(f"cannot read {path}", problem["detail"])
        path.with_suffix(".away").rename(path)
        self.assertEqual(self.daemon.run("quick")["state"], "completed")

    def test_a_connection_whose_secret_is_not_set_is_named_with_its_place(self):
        lacking = {"type": "clockify", "api_key": "${secret.KEY_OF_THE_TEST}", "workspace_id": "w", "url": "http://127.0.0.1:1"}
        self.write_settings(connections={"agency_b": lacking})
        told = f"the connection 'agency_b' needs KEY_OF_THE_TEST for its `api_key`, which is not set ({self.daemon.config}:1)"
        self.assertIn(told, self.millrace("connections", "check", "agency_b", code=2))
        self.assertNotIn(told, self.millrace("doctor"))  # the daemon does not know it yet
        self.assertIn(f"warning: {told}", self.millrace("deploy"))
        self.assertIn(f"failed  connections   {told}", self.millrace("doctor", code=1))
        (pathlib.Path(self.path) / ".env").write_text("KEY_OF_THE_TEST=k\n")
        self.assertNotIn(told, self.millrace("doctor"))
        (pathlib.Path(self.path) / ".env").unlink()
        self.daemon.stop()
        self.assertIn(told, self.millrace("doctor", code=1))

    def test_a_connection_that_nobody_declared_and_a_deployed_flow_uses_is_named(self):
        (pathlib.Path(self.daemon.flows) / "unpaid.yaml").write_text("flow: unpaid\ntasks:\n  rows: {extract: clockify.clients}\n")
        self.assertEqual(self.millrace("deploy").count("needs CLOCKIFY_API_KEY"), 1)  # as a warning of the flow
        for words in (["doctor"], ["connections", "check"]):
            self.assertRegex(self.millrace(*words, code=1), r"failed .*CLOCKIFY_API_KEY.*; used by: unpaid")
        secret = pathlib.Path(self.path) / ".env"
        secret.write_text("CLOCKIFY_URL=http://127.0.0.1:1\n")  # one that is misnamed does not hide what lacks
        self.assertRegex(self.millrace("doctor", code=1), r"CLOCKIFY_URL is set, and nothing reads it(.|\n)*CLOCKIFY_API_KEY.*; used by: unpaid")
        secret.unlink()
        self.daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "connection=clockify flows=[\"unpaid\"]" in self.daemon.log(), 20, "the connection's name")

    def test_a_variable_that_a_task_names_and_nobody_set_is_told_by_the_deploy(self):
        (pathlib.Path(self.daemon.flows) / "asking.yaml").write_text("flow: asking\ntasks:\n  a: {run: 'echo $X', env: {X: '${env.NOT_THERE}'}}\n")
        self.assertRegex(self.millrace("deploy"), r"asking.yaml:3: warning: .*no variable NOT_THERE(.|\n)*set it in its environment")

    def test_the_check_of_all_connections_looks_at_flow_files_that_were_never_deployed(self):
        flows = pathlib.Path(self.daemon.flows)
        (flows / "unpaid.yaml").write_text("flow: unpaid\ntasks:\n  rows: {extract: clockify.clients}\n")
        self.assertRegex(self.millrace("connections", "check", code=1), r"failed +clockify .*CLOCKIFY_API_KEY.*; used by: unpaid")
        (flows / "wrong.yaml").write_text("flow: wrong\ntasks:\n  a: {rum: echo a}\n")
        self.millrace("deploy", code=1)
        told = self.millrace("connections", "check", code=1)
        self.assertRegex(told, r"failed +clockify .*CLOCKIFY_API_KEY.*; used by: unpaid")
        self.assertIn("flow files have mistakes, and what those use was not looked at (flows/wrong.yaml:3:7: error: ", told)
        self.daemon.stop()
        self.assertIn("note: what deployed flows use was not looked at: ", self.millrace("connections", "check", code=1))

    def test_a_secret_that_changed_is_told_and_holds_nothing_back(self):
        secret = pathlib.Path(self.path) / ".env"
        secret.write_text("URL_OF_THE_TEST=postgresql:///first_value\n")
        self.write_settings(connections={"another": {"type": "postgres", "url": "${secret.URL_OF_THE_TEST}"}})
        self.millrace("deploy")
        self.assertNotIn("secrets", self.millrace("deploy"))
        secret.write_text("URL_OF_THE_TEST=postgresql:///second_value\n")
        (pathlib.Path(self.daemon.flows) / "wrong.yaml").write_text("flow: wrong\ntasks:\n  a: {rum: echo a}\n")
        told = self.millrace("deploy", code=1)
        self.assertIn("~ changed      secrets of another (every run reads them anew: in force already)\n", told)
        self.assertNotIn("settings stay as they were", told)
        self.assertNotIn("second_value", told + self.daemon.log())
        (pathlib.Path(self.daemon.flows) / "wrong.yaml").unlink()
        self.assertIn("secrets of another", self.millrace("deploy"))
        self.assertNotIn("secrets", self.millrace("deploy"))

    def test_a_staging_folder_that_cannot_be_written_is_a_finding(self):
        shut = pathlib.Path(self.path) / "shut"
        shut.mkdir(mode=0o500)
        self.write_settings(staging=str(shut))
        self.assertRegex(self.millrace("doctor", code=1), rf"failed +staging +{shut} cannot be written by this user\n +chmod u\+rwx {shut}, or ")

    def test_what_only_a_restart_can_change_is_named(self):
        self.write_settings(listen="127.0.0.1:1", staging=f"{self.path}/elsewhere")
        told = self.millrace("deploy")
        self.assertIn("! restart      millrace.yaml: listen, which counts when the daemon is started again", told)
        self.assertIn("! restart      millrace.yaml: staging", told)
        self.assertIn("the daemon was started with another `listen`, `staging`", self.millrace("doctor"))
        self.assertEqual(self.daemon.run("quick")["state"], "completed")
        self.assertFalse(os.path.exists(f"{self.path}/elsewhere"))


if __name__ == "__main__":
    drop_root()
    unittest.main(verbosity=2)
