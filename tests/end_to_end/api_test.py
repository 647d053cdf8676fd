#!/usr/bin/env python3
"""The HTTP API of a real daemon: openapi.json describes what is answered, mistakes are problems, slow clients harm nobody."""
import os, pathlib, re, signal, socket, sys, unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
sys.dont_write_bytecode = True

from flows import kept_and_refused
from processes import tree
from service import Daemon, Folder, drop_root, installed_prefix

FLOWS = {
    "rows": """flow: rows
schedule: {cron: "0 5 * * 1"}
params: {n: {type: int, default: 5, min: 1, max: 10}, words: {type: text, enum: [a, ü], default: ü}}
tasks:
  made:
    transform: select i as n, 'naïve ☃' as t from range(50) r(i)
    columns: {n: bigint unique, t: text}
  stored: {load: made, into: warehouse.demo.rows, mode: upsert, key: n}
""",
    "broken": "flow: broken\ntasks:\n  boom: {run: exit 3}\n  after: {run: echo never, needs: [boom]}\n",
    "lent": "flow: lent\nparams: {src: {type: connection, default: clockify}}\ntasks:\n  got: {extract: \"${src}.projects\"}\n",
    "rejecting": "flow: rejecting\n" + kept_and_refused(rows=9, below=2) + """
  each:
    for_each: kept
    run: "printf 'n\\n%s\\n' $N > $MILLRACE_OUTPUT"
    env: {N: "${item.n}"}
    output: csv
    columns: {n: bigint check (n < 5)}
    rejects: {max: 1, to: quarantine}
""",
    "shrinking": """flow: shrinking
params: {n: {type: int, default: 40}}
tasks:
  made: {transform: select i as id from range($n) r(i)}
  stored: {load: made, into: warehouse.demo.shrinking, mode: upsert, key: id, delete: missing}
""",
    "parts": """flow: parts
interval: {every: 1d, lookback: 2d, chunk: 1d}
tasks:
  made: {transform: select 1 as n where $interval_start < $interval_end}
""",
    "asking": "flow: asking\ntasks:\n  ask: {approve: may it}\n",
    "lonely": "flow: lonely\noverlap: skip\ntasks:\n  a: {run: sleep 1000}\n",
}


def differences(schemas, schema, value, at):
    """Where a value is not as its schema says: wrong types, what is missing, what is not described."""
    if "$ref" in schema:
        return differences(schemas, schemas[schema["$ref"].rpartition("/")[2]], value, at)
    if "anyOf" in schema or "oneOf" in schema:
        return min((differences(schemas, one, value, at) for one in schema.get("anyOf") or schema["oneOf"]), key=len)
    if "allOf" in schema:
        parts = [schemas[part["$ref"].rpartition("/")[2]] if "$ref" in part else part for part in schema["allOf"]]
        schema = {"type": "object", "properties": {}, "required": []}
        for part in parts:
            schema["properties"].update(part["properties"])
            schema["required"] += part.get("required", [])
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    wanted = schema.get("type", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if wanted and not any(isinstance(value, kinds[kind]) for kind in wanted):
        return [f"{at} is {value!r}, not {wanted}"]
    found = []
    if isinstance(value, dict) and schema.get("properties"):
        found += [f"{at} lacks {name}" for name in schema.get("required", []) if name not in value]
        for name, member in value.items():
            if name in schema["properties"]:
                found += differences(schemas, schema["properties"][name], member, f"{at}.{name}")
            else:
                found.append(f"{at}.{name} is not described")
    if isinstance(value, list) and "items" in schema:
        for item in value:
            found += differences(schemas, schema["items"], item, f"{at}[]")
    return found


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = Folder()
        path = folder.__enter__()
        cls.addClassCleanup(folder.__exit__)
        cls.daemon = Daemon(installed_prefix(path), path, FLOWS, {}, None)
        cls.addClassCleanup(cls.daemon.stop)
        cls.daemon.start()
        cls.api = cls.daemon.request("GET", "/api/v1/openapi.json")[1]
        cls.rows = cls.daemon.run("rows")
        cls.broken = cls.daemon.run("broken")

    def described(self, method, pattern, body=None, **values):
        status, answer = self.daemon.request(method, pattern.format(**values), body)
        self.assertIn(status, (200, 202), answer)
        schema = self.api["paths"][pattern][method.lower()]["responses"]["2XX"]["content"]["application/json"]["schema"]
        self.assertEqual(sorted(set(differences(self.api["components"]["schemas"], schema, answer, pattern))), [])
        return answer

    def refused(self, status, method, path, body=None):
        code, problem = self.daemon.request(method, path, body)
        self.assertEqual(code, status, problem)
        self.assertEqual(problem["status"], status)
        return problem["detail"] + "\n" + problem.get("remedy", "")

    def test_answers_are_as_they_are_described(self):
        for pattern in ("flows", "runs", "schedules", "limits", "nodes", "doctor"):
            self.described("GET", f"/api/v1/{pattern}")
        for flow in FLOWS:
            self.described("GET", "/api/v1/flows/{name}", name=flow)
        for run in (self.rows["id"], self.broken["id"]):
            for what in ("", "/tasks", "/graph", "/logs", "/events"):
                self.described("GET", "/api/v1/runs/{id}" + what, id=run)
        self.described("GET", "/api/v1/runs/{id}/datasets/{task}", id=self.rows["id"], task="made")
        self.described("GET", "/api/v1/runs/{id}/datasets/{task}/rejected", id=self.rows["id"], task="made")
        self.described("POST", "/api/v1/runs/{id}/rerun", {"from": "failed"}, id=self.broken["id"])
        self.described("PATCH", "/api/v1/schedules/{flow}", {"paused": True}, flow="rows")
        self.described("POST", "/api/v1/deploy", {"dry_run": True})
        self.described("POST", "/api/v1/flows/validate", {"files": [{"name": "x.yaml", "text": "flow: X"}]})
        asked = self.described("POST", "/api/v1/flows/{name}/runs", {}, name="asking")["id"]
        self.described("POST", "/api/v1/runs/{id}/pause", {}, id=asked)
        self.described("POST", "/api/v1/runs/{id}/resume", {}, id=asked)
        self.described("POST", "/api/v1/runs/{id}/cancel", {}, id=asked)

    def test_rejected_rows_are_shown_of_what_completed_and_of_what_failed(self):
        run = self.daemon.run("rejecting")
        self.assertEqual(run["state"], "failed")
        pattern = "/api/v1/runs/{id}/datasets/{task}/rejected"
        kept = self.described("GET", pattern, id=run["id"], task="kept")
        self.assertEqual((kept["total"], kept["columns"]), (3, ["id", "n"]))
        self.assertEqual(kept["rows"][0], {"item": None, "column": "n", "rule": "breaks check (n > 0)", "value": "-2", "position": "1", "fields": {"id": 0, "n": -2}})
        refused = self.daemon.request("GET", pattern.format(id=run["id"], task="refused") + "?limit=1")[1]
        self.assertEqual((refused["total"], [row["fields"]["n"] for row in refused["rows"]]), (2, [-1]))
        refused = self.refused(404, "GET", f"/api/v1/runs/{run['id']}/datasets/refused")
        self.assertIn(f"left no dataset\nlook at its rejected rows: millrace data head {run['id']}.refused --rejected", refused)
        self.assertEqual(self.described("GET", pattern, id=self.rows["id"], task="made"), {"columns": [], "rows": [], "total": 0, "warned": 0})
        self.assertIn("has no task kept", self.refused(404, "GET", pattern.format(id=self.rows["id"], task="kept")))
        each = self.described("GET", pattern, id=run["id"], task="each")
        self.assertEqual(sorted((row["item"]["n"], row["fields"]["n"]) for row in each["rows"]), [(5, "5"), (6, "6")])
        again = self.daemon.request("POST", f"/api/v1/runs/{run['id']}/rerun", {"from": "failed"})[1]["id"]
        self.assertEqual(self.daemon.wait(again)["state"], "failed")
        self.assertEqual(self.described("GET", pattern, id=again, task="kept")["total"], 3)

    def test_a_load_that_would_delete_too_much_shows_the_rows_and_deletes_them_once_a_person_lets_it(self):
        self.assertEqual(self.daemon.run("shrinking")["state"], "completed")
        run = self.daemon.run("shrinking", {"params": {"n": 3}})
        self.assertEqual(run["state"], "failed")
        error = next(task for task in run["tasks"] if task["task"] == "stored")["error"]
        self.assertIn("demo.shrinking: 37 of 40 rows (92.5 %) would be deleted", error["message"])
        self.assertIn(f"millrace data head {run['id']}.stored --rejected", error["remedy"])
        self.assertIn(f"millrace runs rerun {run['id']} --failed --allow-deletes 37", error["remedy"])
        doomed = self.described("GET", "/api/v1/runs/{id}/datasets/{task}/rejected", id=run["id"], task="stored")
        self.assertEqual((doomed["total"], doomed["rows"][0]["rule"], doomed["rows"][0]["fields"]), (37, "would be deleted from demo.shrinking", {"id": 3}))
        for allowed, state in ((36, "failed"), (37, "completed")):
            again = self.described("POST", "/api/v1/runs/{id}/rerun", {"from": "failed", "allow_deletes": allowed}, id=run["id"])["id"]
            self.assertEqual(self.daemon.wait(again)["state"], state)
        done = self.described("GET", "/api/v1/runs/{id}", id=again)
        self.assertEqual(done["allow_deletes"], {"rows": 37, "by": done["allow_deletes"]["by"]})
        self.assertTrue(done["allow_deletes"]["by"])
        self.assertEqual((done["loads"][0]["deleted"], done["loads"][0]["unchanged"]), (37, 3))

    def test_a_run_in_chunks_names_the_parts_that_have_its_datasets(self):
        run = self.daemon.run("parts")
        parts = [chunk["id"] for chunk in run["chunks"]]
        for end, option in (("", ""), ("/rejected", " --rejected")):
            self.assertEqual(self.refused(404, "GET", f"/api/v1/runs/{run['id']}/datasets/made{end}"),
                             f"run {run['id']} ran in chunks: its parts are runs {parts[0]}, {parts[1]} and {parts[2]}\n"
                             f"millrace data head {parts[0]}.made{option}")
        self.assertEqual(self.described("GET", "/api/v1/runs/{id}/datasets/{task}", id=parts[0], task="made")["total"], 1)

    def test_an_idempotency_key_makes_one_run_and_refuses_other_values(self):
        body = {"params": {"n": 3}, "idempotency_key": "once"}
        self.assertEqual(self.daemon.trigger("rows", body)["id"], self.daemon.trigger("rows", body)["id"])
        self.assertIn("use another key", self.refused(409, "POST", "/api/v1/flows/rows/runs", {**body, "params": {"n": 4}}))

    def test_an_idempotency_key_makes_one_rerun_and_refuses_other_values(self):
        path, body = f"/api/v1/runs/{self.broken['id']}/rerun", {"from": "failed", "idempotency_key": "once more"}
        first, second = (self.daemon.request("POST", path, body)[1] for _ in range(2))
        self.assertEqual((first["outcome"], second["outcome"], second["id"]), ("created", "existing", first["id"]))
        self.assertIn("use another key", self.refused(409, "POST", path, {**body, "from": "start"}))

    def test_overlap_is_skipped_with_200(self):
        first = self.daemon.trigger("lonely")["id"]
        status, second = self.daemon.request("POST", "/api/v1/flows/lonely/runs", {})
        self.assertEqual((status, second["outcome"], second["state"]), (200, "skipped", "skipped"))
        self.daemon.request("POST", f"/api/v1/runs/{first}/cancel", {})
        self.assertEqual(self.daemon.wait(first)["state"], "cancelled")

    def test_pages_follow_each_other_without_gap_or_repetition(self):
        for _ in range(4):
            self.daemon.run("broken")
        seen, after = [], ""
        while after is not None:
            page = self.daemon.request("GET", f"/api/v1/runs?flow=broken&limit=2{after and '&after=' + after}")[1]
            self.assertLessEqual(len(page["items"]), 2)
            seen += [run["id"] for run in page["items"]]
            after = page["next"]
        self.assertEqual(seen, sorted(set(seen), reverse=True))
        self.assertGreaterEqual(len(seen), 5)

    def test_mistakes_name_the_thing_and_the_remedy(self):
        runs = "/api/v1/flows/rows/runs"
        self.assertIn("no flow nothing", self.refused(404, "POST", "/api/v1/flows/nothing/runs", {}))
        self.assertIn("did you mean rows?", self.refused(404, "GET", "/api/v1/flows/rowss"))
        self.assertIn("runs list", self.refused(404, "GET", "/api/v1/runs/999999"))
        self.assertIn("did you mean clockify?", self.refused(422, "POST", "/api/v1/flows/lent/runs", {"params": {"src": "clokify"}}))
        self.assertIn("nothing in it failed", self.refused(409, "POST", f"/api/v1/runs/{self.rows['id']}/rerun", {"from": "failed"}))
        self.assertIn("parms", self.refused(422, "POST", runs, {"parms": {}}))
        self.assertIn("parameter n", self.refused(422, "POST", runs, {"params": {"n": "many"}}))
        self.assertIn("it takes flow, state", self.refused(422, "GET", "/api/v1/runs?lmit=3"))
        self.assertIn("1 to 500", self.refused(422, "GET", "/api/v1/runs?limit=501"))
        self.assertEqual(self.refused(404, "GET", "/api/v1/runs?flow=rwos"), "there is no flow rwos\ndid you mean rows?")
        self.assertIn("no run abc", self.refused(404, "GET", "/api/v1/runs/abc"))
        self.assertIn("it takes GET", self.refused(405, "DELETE", "/api/v1/flows"))
        deep = runs_body = {}
        for _ in range(80):
            deep["params"] = {}
            deep = deep["params"]
        self.assertIn("nested", self.refused(422, "POST", runs, runs_body))

    def test_values_that_would_arrive_as_others_are_refused(self):
        runs = "/api/v1/flows/rows/runs"
        self.assertIn("NUL", self.refused(422, "POST", runs, {"params": {"words": "a\0"}}))
        self.assertIn("of type int", self.refused(422, "POST", runs, {"params": {"n": 2**64 - 1}}))
        self.assertTrue(self.refused(422, "POST", runs, {"params": {"n": 11}}).startswith("parameter n is at most 10\n"))
        self.assertIn("control character", self.refused(422, "POST", runs, {"idempotency_key": "a\0b"}))

    def test_two_hundred_clients_and_those_that_never_finish_their_request(self):
        address, port = re.search(r"url=http://([\d.]+):(\d+)", self.daemon.log()).groups()
        clients = [socket.create_connection((address, int(port)), timeout=20) for _ in range(200)]
        try:
            for client in clients[:100]:
                client.sendall(b"GET /api/v1/runs HTTP/1.1\r\nHo")
            for client in clients[100:]:
                client.sendall(b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for client in clients[100:]:
                self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 200"))
            self.assertEqual(self.daemon.request("GET", "/healthz")[0], 200)
        finally:
            for client in clients:
                client.close()


class StoreThatHangs(unittest.TestCase):
    def test_who_asks_is_answered_and_the_daemon_ends_and_begins_again(self):
        with Folder() as path:
            daemon = Daemon(installed_prefix(path), path, FLOWS, {}, None).start()
            self.addCleanup(daemon.stop)
            server = int(next(pathlib.Path(path).rglob("postmaster.pid")).read_text().split()[0])
            stopped = [server, *(pid for pid in tree(server) if pid != server)]
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            self.addCleanup(lambda: [os.kill(pid, signal.SIGCONT) for pid in stopped if os.path.exists(f"/proc/{pid}")])
            status, problem = daemon.request("POST", "/api/v1/flows/broken/runs", {})
            self.assertEqual(status, 503, problem)
            self.assertIn("as soon as it is back", problem["detail"])
            self.assertEqual(daemon.request("GET", "/healthz")[0], 200)
            daemon.process.terminate()
            self.assertEqual(daemon.process.wait(90), 0)
            daemon.start()
            self.assertEqual(daemon.run("rows")["state"], "completed")


if __name__ == "__main__":
    drop_root()
    unittest.main(verbosity=2)
