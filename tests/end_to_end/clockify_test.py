#!/usr/bin/env python3
"""The four Clockify flows, from the sandbox into the private warehouse, by a real daemon."""
import json, pathlib, sys, unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
sys.dont_write_bytecode = True

from libpq import Postgres
from service import Daemon, Folder, Sandbox, drop_root, installed_prefix

FLOWS = ["clockify_clients", "clockify_projects", "clockify_users", "clockify_summary"]
SUMMARY = ('select user_id, project_id, client, tags, date::text, sum(duration_decimal)::text from dl_clockify.summary_time_entry_report '
           'group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5')
# rewritten tuples of a table: what an upsert that is not aware of changes would raise
WRITES = ("select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) from pg_stat_user_tables where schemaname = 'dl_clockify' "
          "and relname not like '\\_millrace%'")


def hours(seconds):
    """Whole seconds as hours with four decimals, rounded half up: what the flow promises."""
    tenthousandths = (seconds * 10000 + 1800) // 3600
    return f"{tenthousandths // 10000}.{tenthousandths % 10000:04d}"


class Clockify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = Folder()
        path = folder.__enter__()
        cls.addClassCleanup(folder.__exit__)
        prefix = installed_prefix(path)
        cls.sandbox = Sandbox(prefix, path, "--rate", "0")
        cls.addClassCleanup(cls.sandbox.stop)
        flows = {name: pathlib.Path(f"{prefix}/share/millrace/flows/{name}.yaml").read_text() for name in FLOWS}
        clockify = cls.sandbox.connection_settings()
        other = {**clockify, "api_key": "sandbox-key-2", "workspace_id": "64a687e29ae1f428e7ebe302"}
        cls.daemon = Daemon(prefix, path, flows, {"clockify": clockify, "other_workspace": other}, None)
        cls.addClassCleanup(cls.daemon.stop)
        cls.daemon.start()
        cls.first = {flow: cls.load(flow) for flow in FLOWS}

    @classmethod
    def load(cls, flow, **params):
        """Runs a flow to its end; the summed counts of its loads."""
        run = cls.daemon.run(flow, {"params": params})
        assert run["state"] == "completed", json.dumps(run, indent=1)[:4000]
        total = {}
        runs = [run] + [cls.daemon.request("GET", f"/api/v1/runs/{chunk['id']}")[1] for chunk in run.get("chunks") or []]
        for each in runs:
            for load in each["loads"] or []:
                for count in ("inserted", "updated", "unchanged", "deleted", "rejected"):
                    total[count] = total.get(count, 0) + load[count]
        return total

    def sql(self, statement):
        with Postgres(f"postgresql://millrace@/warehouse?host={self.daemon.folder}/state/pg/socket") as postgres:
            return [list(row) for row in postgres.rows(statement)]

    def expected(self, table, interval=""):
        return self.sandbox.control(f"expected?table={table}{interval}")["rows"]

    def interval(self):
        first, last = self.sql("select min(date), max(date) + 1 from dl_clockify.summary_time_entry_report")[0]
        return f"&from={first}&to={last}"

    def test_1_every_list_arrives_whole(self):
        for table in ("clients", "projects", "users"):
            with self.subTest(table):
                ids = sorted(row["id"] for row in self.expected(table))
                self.assertEqual(self.sql(f'select id from dl_clockify.{table} order by id collate "C"'), [[i] for i in ids])
                self.assertEqual(self.first[f"clockify_{table}"]["inserted"], len(ids))

    def test_1_every_booked_hour_arrives_once(self):
        want = {}
        for row in self.expected("summary", self.interval()):
            key = (row["user_id"], row["project_id"], row["client"], row["tags"], row["date"])
            want[key] = want.get(key, 0) + row["seconds"]
        rows = {tuple(row[:5]): row[5] for row in self.sql(SUMMARY)}
        self.assertEqual(set(rows), set(want))
        self.assertEqual(rows, {key: hours(seconds) for key, seconds in want.items()})

    def test_1_the_tables_have_the_columns_of_the_contract(self):
        def columns(table):
            return [row[0] for row in self.sql(
                f"select column_name from information_schema.columns where table_schema = 'dl_clockify' and table_name = '{table}' order by ordinal_position")]
        self.assertEqual(columns("summary_time_entry_report"), [
            "user", "user_id", "project", "project_id", "client", "client_id", "tags", "tag_id", "date", "duration_decimal",
            "amount_decimal", "import_timestamp"])
        self.assertEqual(columns("clients"), ["id", "name", "workspaceId", "archived", "address", "note", "import_timestamp"])
        self.assertEqual(len(columns("projects")), 26)
        self.assertEqual(len(columns("users")), 26)

    def test_2_a_second_run_rewrites_no_row(self):
        before, begun = self.sql(WRITES), self.sandbox.control("figures")["requests"]
        for flow in FLOWS:
            with self.subTest(flow):
                counts = self.load(flow)
                self.assertEqual(counts["unchanged"], self.first[flow]["inserted"])
                self.assertEqual([counts[c] for c in ("inserted", "updated", "deleted", "rejected")], [0, 0, 0, 0])
        self.sql("select pg_stat_force_next_flush()")
        self.assertEqual(self.sql(WRITES), before)
        pages = sum(-(-self.first[f"clockify_{table}"]["inserted"] // 50) for table in ("clients", "projects", "users"))
        requests = [line["path"] for line in self.sandbox.control(f"log?after={begun}")["items"]]
        self.assertEqual(len(requests), pages + 84, "one request a page of 50, one a day of the summary, and none beside them")

    def test_3_only_what_changed_is_written(self):
        stamps = dict(map(tuple, self.sql("select id, import_timestamp::text from dl_clockify.clients")))
        self.sandbox.control("change", {"seed": 7, "rename_clients": 3})
        counts = self.load("clockify_clients")
        self.assertEqual((counts["updated"], counts["inserted"], counts["deleted"]), (3, 0, 0))
        changed = [i for i, at in map(tuple, self.sql("select id, import_timestamp::text from dl_clockify.clients")) if stamps[i] != at]
        self.assertEqual(len(changed), 3)

    def test_4_deleted_and_renamed_entries_do_not_count_twice(self):
        self.sandbox.control("change", {"seed": 9, "edit": 0.01, "delete": 0.01, "move": 0.005, "rename_tags": 1})
        self.load("clockify_summary")
        self.test_1_every_booked_hour_arrives_once()

    def test_5_another_workspace_is_another_connection(self):
        before = int(self.sql("select count(*) from dl_clockify.clients")[0][0])
        counts = self.load("clockify_clients", workspace="other_workspace")
        self.assertGreater(counts["inserted"], 0)
        self.assertEqual(int(self.sql("select count(*) from dl_clockify.clients")[0][0]), before + counts["inserted"])


if __name__ == "__main__":
    drop_root()
    unittest.main(verbosity=2)
