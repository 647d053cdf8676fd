#!/usr/bin/env python3
"""Holds millrace-sandbox against the wire contract of the services that it stands in for. Usage: sandbox_test.py EXECUTABLE"""
import http.client, json, re, subprocess, sys, time, unittest, urllib.parse

EXECUTABLE = sys.argv.pop(1) if len(sys.argv) > 1 else "build/dev/bin/millrace-sandbox"
KEY, WORKSPACE = "sandbox-key", "64a687e29ae1f428e7ebe301"
MONEY = {"amount": int, "currency": str}
TEXT_OR_NULL, INT_OR_NULL = (str, type(None)), (int, type(None))
MEMBERSHIP = {"userId": str, "hourlyRate": (dict, type(None)), "costRate": (dict, type(None)), "targetId": str, "membershipType": str, "membershipStatus": str}
CLIENT = {"id": str, "name": str, "email": TEXT_OR_NULL, "ccEmails": (list, type(None)), "workspaceId": str, "archived": bool, "address": TEXT_OR_NULL,
          "note": TEXT_OR_NULL, "currencyId": str, "currencyCode": str}
PROJECT = {"id": str, "name": str, "hourlyRate": MONEY, "clientId": TEXT_OR_NULL, "workspaceId": str, "billable": bool, "memberships": [MEMBERSHIP],
           "color": str, "estimate": {"estimate": str, "type": str}, "archived": bool, "duration": str, "clientName": str, "note": str,
           "costRate": (dict, type(None)), "timeEstimate": {"estimate": str, "type": str, "resetOption": TEXT_OR_NULL, "active": bool, "includeNonBillable": bool},
           "budgetEstimate": (dict, type(None)), "template": bool, "public": bool}
USER = {"id": str, "email": str, "name": TEXT_OR_NULL, "memberships": [MEMBERSHIP], "profilePicture": str, "activeWorkspace": str, "defaultWorkspace": str,
        "settings": (dict, type(None)), "status": str, "customFields": list}
TAG = {"id": str, "name": str, "workspaceId": str, "archived": bool}
TASK = {"id": str, "name": str, "projectId": str, "assigneeIds": list, "assigneeId": TEXT_OR_NULL, "userGroupIds": list, "estimate": str, "status": str,
        "budgetEstimate": int, "duration": str, "billable": bool, "hourlyRate": (dict, type(None)), "costRate": (dict, type(None))}
CORE_ENTRY = {"id": str, "description": str, "tagIds": list, "userId": str, "billable": bool, "taskId": TEXT_OR_NULL, "projectId": TEXT_OR_NULL,
              "workspaceId": str, "timeInterval": {"start": str, "end": str, "duration": str}, "customFieldValues": list, "type": str, "kioskId": TEXT_OR_NULL,
              "hourlyRate": (dict, type(None)), "costRate": (dict, type(None)), "isLocked": bool}
REPORT_ENTRY = {"_id": str, "description": str, "userId": str, "timeInterval": {"start": str, "end": str, "duration": int}, "billable": bool,
                "projectId": TEXT_OR_NULL, "taskId": TEXT_OR_NULL, "tagIds": list, "tags": list, "approvalRequestId": TEXT_OR_NULL, "type": str,
                "isLocked": bool, "customFields": list, "amount": (int, float), "rate": int, "projectName": TEXT_OR_NULL, "projectColor": TEXT_OR_NULL,
                "clientName": TEXT_OR_NULL, "clientId": TEXT_OR_NULL, "taskName": TEXT_OR_NULL, "userName": TEXT_OR_NULL, "userEmail": str}
DAY = "2026-11-19"


class Sandbox:
    """A running one, ended with the `with` block."""

    def __init__(self, *options):
        self.process = subprocess.Popen([EXECUTABLE, "--today", "2026-11-20", "--rate", "0", *options], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.terminate()
        assert self.process.wait(10) == 0
        self.process.stdout.close()

    def raw(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, {"X-Api-Key": KEY} if headers is None else headers)
        answer = self.connection.getresponse()
        return answer, answer.read()

    def get(self, path, /, **query):
        answer, body = self.raw("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))
        return answer, json.loads(body)

    def list(self, name, /, **query):
        """All pages of a list of the workspace."""
        rows, page = [], 1
        while True:
            answer, part = self.get(f"/api/v1/workspaces/{WORKSPACE}/{name}", page=page, **query)
            assert answer.status == 200, part
            rows += part
            if answer.headers["Last-Page"] == "true":
                return rows
            page += 1

    def report(self, kind, **fields):
        body = {"dateRangeStart": DAY + "T00:00:00.000Z", "dateRangeEnd": DAY + "T23:59:59.999Z", "timeZone": "UTC", **fields}
        answer, text = self.raw("POST", f"/v1/workspaces/{WORKSPACE}/reports/{kind}", json.dumps(body))
        return answer, json.loads(text)

    def entries(self, **fields):
        rows, page = [], 1
        while True:
            answer, report = self.report("detailed", **{"detailedFilter": {"page": page, "pageSize": 50}, **fields})
            assert answer.status == 200, report
            rows += report["timeentries"]
            if len(report["timeentries"]) < 50:
                return rows
            page += 1

    def control(self, method, path, body=None):
        answer, text = self.raw(method, "/_sandbox/" + path, body, {})
        assert answer.status == 200, text
        return json.loads(text)


class Contract(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.sandbox.__exit__()

    def tearDown(self):
        self.sandbox.control("POST", "reset")

    def assert_shape(self, value, shape, where=""):
        if isinstance(shape, dict):
            self.assertEqual(list(value), list(shape), where)
            for name, inner in shape.items():
                self.assert_shape(value[name], inner, f"{where}.{name}")
        elif isinstance(shape, list):
            for at, item in enumerate(value):
                self.assert_shape(item, shape[0], f"{where}[{at}]")
        else:
            self.assertIsInstance(value, shape, where)

    def assert_error(self, answer, body, status, code, message):
        self.assertEqual((answer.status, body["code"]), (status, code))
        self.assertRegex(body["message"], message)
        self.assertEqual(list(body), ["message", "code"])

    def test_objects_have_the_fields_of_the_wire_in_its_order(self):
        for name, shape in (("clients", CLIENT), ("projects", PROJECT), ("users", USER), ("tags", TAG)):
            for row in self.sandbox.list(name, **({"memberships": "WORKSPACE"} if name == "users" else {})):
                self.assert_shape(row, shape, name)
        project = next(row["projectId"] for row in self.sandbox.entries() if row["taskId"])
        for row in self.sandbox.list(f"projects/{project}/tasks"):
            self.assert_shape(row, TASK, "task")
        user = self.sandbox.entries()[0]["userId"]
        rows = self.sandbox.list(f"user/{user}/time-entries")
        for row in rows:
            self.assert_shape(row, CORE_ENTRY, "entry")
        self.assertEqual([row["timeInterval"]["start"] for row in rows], sorted((row["timeInterval"]["start"] for row in rows), reverse=True))
        for row in self.sandbox.entries():
            self.assert_shape(row, REPORT_ENTRY, "report entry")

    def test_authentication(self):
        for headers, code, message in (({}, 1000, "Multiple or none auth tokens present"), ({"Authorization": "Bearer " + KEY}, 1000, "Multiple or none"),
                                       ({"X-Api-Key": KEY, "X-Addon-Token": "x"}, 1000, "Multiple or none"),
                                       ({"X-Api-Key": "nope"}, 4003, "Api key does not exist"), ({"X-Addon-Token": "x"}, 4017, "Token is not valid")):
            answer, body = self.sandbox.raw("GET", "/api/v1/user", None, headers)
            self.assert_error(answer, json.loads(body), 401, code, message)

    def test_refusals(self):
        get, workspace = self.sandbox.get, f"/api/v1/workspaces/{WORKSPACE}"
        self.assert_error(*get(workspace + "/balance"), 404, 3000, r"No static resource v1/workspaces/\w+/balance\.")
        answer, body = self.sandbox.raw("PATCH", workspace + "/clients")
        self.assert_error(answer, json.loads(body), 405, 3000, "Request method 'PATCH' is not supported")
        self.assert_error(*get(workspace + "/projects/000000000000000000000000/tasks"), 400, 501, "Project doesn't belong to Workspace")
        self.assert_error(*get(workspace + "/clients", archived="x"), 400, 3000, r"Invalid boolean value \[x\]")
        self.assert_error(*get(workspace + "/clients", **{"page-size": 5001}), 400, 501, "page-size")
        self.assert_error(*get("/api/v1/workspaces/64a687e29ae1f428e7ebe302/clients"), 400, 501, "Workspace")
        report = self.sandbox.report
        self.assert_error(*report("summary", summaryFilter={"groups": ["COLOUR"]}), 400, 3002, "PROJECT")
        self.assert_error(*report("summary", summaryFilter={"groups": []}), 400, 501, "between 1 and 3")
        self.assert_error(*report("detailed", detailedFilter={"page": 1, "pageSize": 1001}), 400, 501, "1000")
        self.assert_error(*report("detailed"), 400, 501, "detailedFilter")
        self.assert_error(*report("summary", dateRangeStart=None, summaryFilter={"groups": ["USER"]}), 400, 501, "dateRangeStart")
        self.assert_error(*report("summary", timeZone="Mars/Olympus", summaryFilter={"groups": ["USER"]}), 400, 501, "time-zone")

    def test_pages(self):
        path = f"/api/v1/workspaces/{WORKSPACE}/projects"
        answer, first = self.sandbox.get(path)
        self.assertEqual((len(first), answer.headers["Last-Page"]), (50, "false"))
        answer, last = self.sandbox.get(path, page=4)
        self.assertEqual((len(last), answer.headers["Last-Page"]), (50, "true"))
        answer, past = self.sandbox.get(path, page=5)
        self.assertEqual((answer.status, past, answer.headers["Last-Page"]), (200, [], "true"))
        answer, ignored = self.sandbox.get(path, pageSize=7)
        self.assertEqual(len(ignored), 50)
        self.assertEqual(len({row["id"] for row in self.sandbox.list("projects")}), 200)

    def test_filters_and_order_of_lists(self):
        clients = self.sandbox.list("clients")
        self.assertEqual([row["name"].lower() for row in clients], sorted(row["name"].lower() for row in clients))
        active = self.sandbox.list("clients", archived="false")
        self.assertTrue(0 < len(active) < len(clients) and not any(row["archived"] for row in active))
        self.assertEqual(len(self.sandbox.list("clients", archived="true")) + len(active), len(clients))
        self.assertTrue(all("moderni" in row["name"].lower() for row in self.sandbox.list("projects", name="Moderni")))
        self.assertTrue(all(row["memberships"] == [] for row in self.sandbox.list("users")))
        pending = self.sandbox.list("users", status="PENDING")
        self.assertTrue(pending and all(row["name"] is None and row["settings"] is None for row in pending))

    def test_a_summary_adds_up_to_the_detailed_report(self):
        entries = self.sandbox.entries()
        answer, report = self.sandbox.report("summary", summaryFilter={"groups": ["USER", "PROJECT", "TAG"]})
        total = report["totals"][0]
        self.assertEqual(total["totalTime"], sum(row["timeInterval"]["duration"] for row in entries))
        self.assertEqual(total["entriesCount"], len(entries))
        self.assertAlmostEqual(total["totalAmount"], sum(row["amount"] for row in entries), 3)
        self.assertEqual(sum(group["duration"] for group in report["groupOne"]), total["totalTime"])
        for user in report["groupOne"]:
            self.assertEqual(list(user)[:5], ["_id", "name", "nameLowerCase", "hasMembership", "sortingField"])
            self.assertEqual(sum(project["duration"] for project in user["children"]), user["duration"])
            for project in user["children"]:
                self.assertIn("clientName", project)
                mine = [row for row in entries if row["userId"] == user["_id"] and (row["projectId"] or "") == project["_id"]]
                for tag in project["children"]:
                    tagged = [row for row in mine if (tag["_id"] in row["tagIds"] if tag["_id"] else not row["tagIds"])]
                    self.assertEqual(tag["duration"], sum(row["timeInterval"]["duration"] for row in tagged))
                    self.assertNotIn("children", tag)
        names = {row["name"] for user in report["groupOne"] for project in user["children"] for row in project["children"]}
        self.assertIn("(Without tag)", names)

    def test_figures_are_what_the_reports_say(self):
        rows, seconds = set(), 0
        _, report = self.sandbox.report("summary", summaryFilter={"groups": ["USER", "PROJECT", "TAG"]})
        for user in report["groupOne"]:
            for project in user["children"]:
                for tag in project["children"]:
                    rows.add((user["_id"], project["_id"], tag["_id"]))
                    seconds += tag["duration"]
        figures = self.sandbox.control("GET", f"figures?from={DAY}&to=2026-11-20")["workspaces"][0]
        self.assertEqual((figures["summary"]["rows"], figures["summary"]["seconds"]), (len(rows), seconds))
        self.assertEqual((figures["clients"], figures["projects"], figures["users"]), (40, 200, 50))
        expected = self.sandbox.control("GET", f"expected?table=summary&from={DAY}&to=2026-11-20")["rows"]
        self.assertEqual({(row["user_id"], row["project_id"], row["tag_id"]) for row in expected}, rows)

    def test_time_zones(self):
        utc = {row["_id"]: row["timeInterval"] for row in self.sandbox.entries()}
        berlin = {row["_id"]: row["timeInterval"] for row in self.sandbox.entries(timeZone="Europe/Berlin")}
        account = {row["_id"]: row["timeInterval"] for row in self.sandbox.entries(timeZone="")}
        self.assertEqual(berlin, account)
        self.assertNotEqual(set(utc), set(berlin))
        self.assertTrue(all(re.fullmatch(r"2026-11-19T\d\d:\d\d:\d\d\+01:00", row["start"]) for row in berlin.values()))
        self.assertTrue(all(re.fullmatch(r"2026-11-19T\d\d:\d\d:\d\dZ", row["start"]) for row in utc.values()))

    def test_a_time_entry_group_is_identified_by_its_path(self):
        _, report = self.sandbox.report("summary", summaryFilter={"groups": ["DATE", "USER", "TIMEENTRY"]})
        day = report["groupOne"][0]
        self.assertEqual((day["_id"], day["name"]), (DAY, DAY))
        self.assertEqual(list(day["children"][0]["children"][0]["_id"]), ["DATE", "USER", "TIMEENTRY"])

    def test_empty_periods(self):
        forms = []
        for day in ("2020-01-01", "2020-01-02"):
            _, report = self.sandbox.report("summary", dateRangeStart=day + "T00:00:00Z", dateRangeEnd=day + "T23:00:00Z", summaryFilter={"groups": ["USER"]})
            self.assertEqual(report["groupOne"], [])
            forms.append(report["totals"])
        self.assertCountEqual(forms, [[], [None]])

    def test_changes_are_as_many_as_asked_for_and_can_be_undone(self):
        everything = {"dateRangeStart": "2026-08-01T00:00:00Z", "dateRangeEnd": "2026-12-01T00:00:00Z", "sortOrder": "ASCENDING"}
        before = {row["_id"]: row for row in self.sandbox.entries(**everything)}
        done = self.sandbox.control("POST", "change", json.dumps({"edit": 0.01, "delete": 0.01, "move": 0.005}))
        after = {row["_id"]: row for row in self.sandbox.entries(**everything)}
        self.assertEqual(len(before) - len(after), done["delete"])
        moved = [key for key, row in after.items() if row["timeInterval"]["start"] != before[key]["timeInterval"]["start"]]
        edited = [key for key, row in after.items() if row["description"] != before[key]["description"]]
        self.assertEqual(len(moved), done["move"])
        self.assertLessEqual(abs(len(edited) - done["edit"]), done["delete"] // 10 + 5)
        self.assertTrue(0.005 < done["edit"] / len(before) < 0.02)
        self.sandbox.control("POST", "reset")
        self.assertEqual({row["_id"]: row for row in self.sandbox.entries(**everything)}, before)

    def test_pages_shift_when_entries_arrive(self):
        self.sandbox.control("POST", "faults", "arrive:path=detailed,page=2,count=3,times=1")
        rows = [row["_id"] for row in self.sandbox.entries()]
        self.assertEqual(len(rows) - len(set(rows)), 3)
        self.assertEqual(len(self.sandbox.entries()) - len(set(rows)), 3)

    def test_the_log_tells_every_request(self):
        self.sandbox.report("summary", summaryFilter={"groups": ["USER"]})
        line = self.sandbox.control("GET", "log?path=summary")["items"][-1]
        self.assertEqual((line["method"], line["status"], line["workspace"]), ("POST", 200, WORKSPACE))
        self.assertEqual(line["what"], f"{DAY}T00:00:00.000Z..{DAY}T23:59:59.999Z")


class Misbehaviour(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.sandbox.__exit__()

    def tearDown(self):
        self.sandbox.control("DELETE", "faults")

    def clients(self, spec, **query):
        self.sandbox.control("POST", "faults", spec)
        self.sandbox.connection.close()
        return self.sandbox.raw("GET", f"/api/v1/workspaces/{WORKSPACE}/clients?" + urllib.parse.urlencode(query))

    def test_statuses(self):
        answer, body = self.clients("429:retry_after=2,nth=1")
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (429, "2"))
        self.assertEqual(json.loads(body)["message"], "Too many requests")
        answer, _ = self.clients("429:retry_after=date+3")
        self.assertRegex(answer.headers["Retry-After"], r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
        self.assertEqual(self.clients("502")[0].status, 502)

    def test_broken_bodies(self):
        with self.assertRaises((http.client.IncompleteRead, ConnectionResetError)):
            self.clients("reset:after=100")
        with self.assertRaises(http.client.IncompleteRead):
            self.clients("close")
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionResetError)):
            self.clients("refuse")
        self.sandbox.connection.close()
        answer, body = self.clients("truncate")
        self.assertEqual((answer.status, int(answer.headers["Content-Length"])), (200, len(body)))
        with self.assertRaises(json.JSONDecodeError):
            json.loads(body)
        answer, body = self.clients("html")
        self.assertTrue(answer.status == 200 and body.startswith(b"<!DOCTYPE html>"))
        with self.assertRaises(UnicodeDecodeError):
            self.clients("bad_utf8")[1].decode()
        self.assertGreater(len(self.clients("huge:mb=3")[1]), 3 << 20)

    def test_wrong_records(self):
        self.assertEqual(json.loads(self.clients("wrong_type:field=archived,value=maybe")[1])[0]["archived"], "maybe")
        self.assertIsNone(json.loads(self.clients("null_field")[1])[0]["id"])
        rows = json.loads(self.clients("duplicate:differing=1")[1])
        self.assertEqual((rows[-1]["id"], rows[-1]["name"]), (rows[0]["id"], "duplicate of another kind"))
        answer, body = self.clients("empty")
        self.assertEqual((json.loads(body), answer.headers["Last-Page"]), ([], "true"))
        self.assertNotIn("note", json.loads(self.clients("drop_field:field=note")[1])[0])
        self.assertEqual(json.loads(self.clients("add_field")[1])[0]["colour"], "blue")

    def test_wrong_pages(self):
        def page(number):
            return json.loads(self.sandbox.raw("GET", f"/api/v1/workspaces/{WORKSPACE}/clients?page-size=15&page={number}")[1])
        first, second = page(1), page(2)
        self.sandbox.control("POST", "faults", "repeat_page:page=2")
        self.assertEqual((page(1), page(2), page(3)[:0]), (first, first, []))
        self.sandbox.control("POST", "faults", "endless")
        self.assertEqual([page(number) for number in (1, 2, 3, 4, 50)], [first, second, first, second, second])
        self.assertIsNone(self.clients("no_last_page")[0].headers["Last-Page"])

    def test_wrong_totals(self):
        _, right = self.sandbox.report("detailed", detailedFilter={"page": 1, "pageSize": 10})
        self.sandbox.control("POST", "faults", "wrong_total:by=-2")
        _, wrong = self.sandbox.report("detailed", detailedFilter={"page": 1, "pageSize": 10})
        self.assertEqual(wrong["totals"][0]["entriesCount"], right["totals"][0]["entriesCount"] - 2)

    def test_slow_answers(self):
        begun = time.monotonic()
        self.clients("drip:bytes=4000,ms=20")
        self.clients("delay:ms=150")
        self.assertGreater(time.monotonic() - begun, 0.2)

    def test_which_requests_a_fault_meets(self):
        self.sandbox.control("POST", "faults", "500:path=/tags,nth=2; 503:path=/tags,every=3,times=1")
        statuses = [self.sandbox.raw("GET", f"/api/v1/workspaces/{WORKSPACE}/tags")[0].status for _ in range(7)]
        self.assertEqual(statuses, [200, 500, 503, 200, 200, 200, 200])
        self.sandbox.control("POST", "faults", "500:p=0.3")
        hits = [self.sandbox.raw("GET", f"/api/v1/workspaces/{WORKSPACE}/tags")[0].status for _ in range(200)].count(500)
        self.assertTrue(30 < hits < 90, hits)

    def test_a_fault_that_is_none_is_refused_by_name(self):
        answer, body = self.sandbox.raw("POST", "/_sandbox/faults", "explode:page=1", {})
        self.assertEqual((answer.status, body), (400, b"explode is no fault\n"))
        answer, body = self.sandbox.raw("POST", "/_sandbox/faults", "reset:colour=1", {})
        self.assertIn(b"colour is no setting of the fault reset", body)


class Size(unittest.TestCase):
    def test_the_rate_limit_is_per_key_and_second(self):
        with Sandbox("--rate", "5", "--retry-after", "1") as sandbox:
            statuses = [sandbox.raw("GET", "/api/v1/user")[0].status for _ in range(12)]
            self.assertTrue(429 in statuses and statuses[:5] == [200] * 5, statuses)
            answer, _ = sandbox.raw("GET", "/api/v1/user", None, {"X-Api-Key": KEY + "-2"})
            self.assertEqual(answer.status, 200)

    def test_the_same_seed_makes_the_same_data(self):
        def sample(*options):
            with Sandbox(*options) as sandbox:
                return sandbox.list("clients"), sandbox.entries()
        self.assertEqual(sample("--seed", "7"), sample("--seed", "7"))
        self.assertNotEqual(sample("--seed", "7"), sample("--seed", "8"))

    def test_ten_million_entries_cost_no_memory(self):
        with Sandbox("--scale", "10000000", "--projects", "500") as sandbox:
            answer, report = sandbox.report("detailed", dateRangeStart="2026-08-01T00:00:00Z", dateRangeEnd="2026-12-01T00:00:00Z",
                                            detailedFilter={"page": 9000, "pageSize": 1000, "options": {"totals": "EXCLUDE"}})
            self.assertEqual(len(report["timeentries"]), 1000)
            with open(f"/proc/{sandbox.process.pid}/status") as file:
                peak = int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))
            self.assertLess(peak, 200_000, "kB")


if __name__ == "__main__":
    unittest.main()
