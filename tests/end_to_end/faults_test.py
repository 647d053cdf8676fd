#!/usr/bin/env python3
"""Every fault of the sandbox against the real service: the right rows arrive, or the run fails with an error that names the
request, the reason and the remedy, and the table is as it was. Never silence, never a part of a load.

Usage: faults_test.py [PART OF A NAME]. Needs what tests/run sets up (MILLRACE_TEST_PREFIX), else the build."""
import datetime, os, pathlib, re, sys, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
sys.dont_write_bytecode = True

from libpq import Postgres
from service import Cluster, Daemon, Folder, Sandbox, drop_root, installed_prefix

TODAY = datetime.date(2026, 11, 20)
FIRST, LAST = "2026-11-02", "2026-11-20"  # three slices of a week, each of several pages
FLOWS = {
    "projects": """
flow: projects
defaults: {retry: 1}
tasks:
  projects:
    extract: clockify.projects
  rows:
    transform: select id, name, archived, duration from projects
    columns: {id: text unique, name: text, archived: boolean, duration: text}
  target:
    load: rows
    into: warehouse.faults.projects
    mode: upsert
    key: id
    delete: missing
""",
    "entries": """
flow: entries
params:
  from: {type: date, required: true}
  to: {type: date, required: true}
defaults: {retry: 1}
tasks:
  entries:
    extract: clockify.detailed_report
    with: {from: "${from}", to: "${to}"}
  rows:
    transform: select _id, description, "timeInterval".duration as seconds from entries
    columns: {_id: text unique, description: text null, seconds: int}
  target:
    load: rows
    into: warehouse.faults.entries
    mode: upsert
    key: _id
""",
}
RIGHT_ROWS = "right rows"


def fails(*patterns):
    """The error says all of these."""
    return patterns


# name, flow, faults, what must come of it
CASES = [
    ("nothing goes wrong", "projects", "", RIGHT_ROWS),
    ("nothing goes wrong in a report", "entries", "", RIGHT_ROWS),
    ("429 without Retry-After", "projects", "429:page=2,times=1", RIGHT_ROWS),
    ("429 with seconds", "projects", "429:page=2,times=1,retry_after=1", RIGHT_ROWS),
    ("429 with a date", "projects", "429:page=2,times=1,retry_after=date+1", RIGHT_ROWS),
    ("429 in a report", "entries", "429:page=2,times=1,retry_after=1", RIGHT_ROWS),
    ("500 once", "projects", "500:page=3,times=1", RIGHT_ROWS),
    ("502 once", "projects", "502:page=1,times=1", RIGHT_ROWS),
    ("503 once", "entries", "503:page=1,times=1,retry_after=1", RIGHT_ROWS),
    ("503 again and again", "projects", "503:page=2", fails(r"/projects", r"503")),
    ("401", "projects", "401:page=1", fails(r"/projects", r"401|Api key does not exist", r"api_key|CLOCKIFY_API_KEY")),
    ("403", "entries", "403:page=2", fails(r"/reports/detailed", r"403|Access Denied", r"admin|plan")),
    ("no answer once", "projects", "refuse:page=2,times=1", RIGHT_ROWS),
    ("reset in mid-body once", "projects", "reset:page=2,times=1", RIGHT_ROWS),
    ("reset in mid-body of a report", "entries", "reset:page=2,times=1", RIGHT_ROWS),
    ("reset in mid-body for ever", "projects", "reset:page=2", fails(r"/projects", r"reset|closed|connection|bytes|receive|recv")),
    ("the connection ends early once", "entries", "close:page=1,times=1", RIGHT_ROWS),
    ("truncated JSON once", "projects", "truncate:page=2,times=1", RIGHT_ROWS),
    ("truncated JSON for ever", "projects", "truncate:page=2", fails(r"/projects", r"JSON|cut|end")),
    ("truncated report for ever", "entries", "truncate:page=2", fails(r"/reports/detailed", r"JSON|cut|end")),
    ("HTML with 200", "projects", "html:page=2", fails(r"/projects", r"HTML|html|JSON")),
    ("HTML with 200 in a report", "entries", "html:page=1", fails(r"/reports/detailed", r"HTML|html|JSON")),
    ("a slow drip", "projects", "drip:page=2,bytes=4096,ms=30,times=1", RIGHT_ROWS),
    ("a slow answer", "entries", "delay:ms=700,page=2", RIGHT_ROWS),
    ("a repeated page once", "projects", "repeat_page:page=3,times=1", RIGHT_ROWS),
    ("a repeated page once in a report", "entries", "repeat_page:page=2,times=1", RIGHT_ROWS),
    ("a repeated page for ever", "projects", "repeat_page:page=3", fails(r"/projects|projects", r"repeat|again|same|twice")),
    ("pages without end", "projects", "endless", fails(r"/projects|projects", r"repeat|again|same|twice|end|pages|more")),
    ("pages without end in a report", "entries", "endless:path=detailed", fails(r"detailed", r"repeat|again|same|twice|end|pages|more|announced")),
    ("entries arrive while paging", "entries", "arrive:path=detailed,page=2,count=3,times=1", RIGHT_ROWS),
    ("entries arrive on the first page", "entries", "arrive:path=detailed,page=1,count=5,times=1", RIGHT_ROWS),
    ("entries vanish while paging", "entries", "vanish:path=detailed,page=2,count=3,times=1", RIGHT_ROWS),
    ("a text where a number belongs", "entries", "wrong_type:page=2,row=5,field=timeInterval.duration,value=n/a", fails(r"detailed", r"duration", r"n/a|bigint|number")),
    ("a text where a flag belongs", "projects", "wrong_type:page=2,row=5,field=archived,value=maybe", fails(r"projects", r"archived", r"maybe|boolean|BOOLEAN")),
    ("no id", "projects", "null_field:page=2,row=1", fails(r"projects", r"\bid\b")),
    ("the same record twice", "projects", "duplicate:page=2", RIGHT_ROWS),
    ("the same record twice in a report", "entries", "duplicate:page=2", RIGHT_ROWS),
    ("a required field is gone", "projects", "drop_field:field=name", fails(r"projects", r"name")),
    ("a field more", "projects", "add_field", RIGHT_ROWS),
    ("an empty list after a change of permissions", "projects", "empty", fails(r"delete|deletes|max_deletes|200 of 200|100 ?%")),
    ("an announced total that is too high", "entries", "wrong_total:by=7", fails(r"detailed", r"announced", r"3 times")),
    ("an announced total that is too low", "entries", "wrong_total:by=-7", RIGHT_ROWS),
    ("no Last-Page header", "projects", "no_last_page", RIGHT_ROWS),
    ("no UTF-8", "projects", "bad_utf8:page=2", fails(r"/projects", r"UTF-?8|JSON")),
    ("a huge body", "projects", "huge:page=2,mb=80,times=1", RIGHT_ROWS),
]


class Service:
    def __init__(self, folder, prefix):
        self.cluster = Cluster(f"{folder}/pg", {"shared_buffers": "128MB", "fsync": "off"}).start()
        self.cluster.create("store", "warehouse")
        self.sandbox = Sandbox(prefix, folder, "--rate", "0", "--today", str(TODAY), "--people", "130")
        os.mkdir(f"{folder}/d")
        self.daemon = Daemon(prefix, f"{folder}/d", FLOWS, {"warehouse": {"type": "postgres", "url": self.cluster.url("warehouse")},
                                                            "clockify": self.sandbox.connection_settings()}, self.cluster.url("store"))
        self.daemon.start()

    def close(self):
        self.daemon.stop()
        self.sandbox.stop()
        self.cluster.stop()

    def run(self, flow):
        body = {"params": {"from": FIRST, "to": LAST}} if flow == "entries" else {}
        return self.daemon.run(flow, body, 120)

    def table(self, flow):
        with Postgres(self.cluster.url("warehouse")) as postgres:
            if flow == "projects":
                return {row[0]: tuple(row[1:]) for row in postgres.rows("select id, name, archived::text, duration from faults.projects")}
            return {row[0]: tuple(row[1:]) for row in postgres.rows("select _id, coalesce(description, ''), seconds::text from faults.entries")}

    def truth(self, flow):
        if flow == "projects":
            return {row["id"]: (row["name"], str(row["archived"]).lower(), row["duration"]) for row in self.sandbox.control("expected?table=projects")["rows"]}
        rows = self.sandbox.control(f"expected?table=entries&from={FIRST}&to={LAST}&zone=UTC")["rows"]
        return {row["id"]: (row["description"], str(seconds_of(row["timeInterval"]["duration"]))) for row in rows}


def seconds_of(duration):
    parts = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", duration).groups()
    return sum(int(part or 0) * unit for part, unit in zip(parts, (3600, 60, 1)))


def errors_of(run):
    """All that a user is told about why it failed."""
    texts = [run.get("message") or ""]
    for task in run["tasks"]:
        if task.get("error"):
            texts.append(" ".join(str(task["error"].get(part) or "") for part in ("class", "message", "remedy")))
    return "\n".join(texts)


def judge(service, flow, outcome, before, run):
    """What is wrong, or None."""
    if outcome == RIGHT_ROWS:
        if run["state"] != "completed":
            return f"it ended {run['state']}: {errors_of(run)}"
        truth, found = service.truth(flow), service.table(flow)
        if flow == "entries":  # rows that were there before and are gone from the source stay: the mode is upsert
            found = {key: row for key, row in found.items() if key in truth or key not in before}
        if truth != found:
            return f"{len(truth.keys() - found.keys())} rows are missing, {len(found.keys() - truth.keys())} are surplus, " \
                   f"{sum(truth[key] != found[key] for key in truth.keys() & found.keys())} differ"
        return None
    if run["state"] == "completed":
        return "it completed in silence"
    text = errors_of(run)
    missing = [pattern for pattern in outcome if not re.search(pattern, text)]
    if missing:
        return f"the error does not say {missing}: {text}"
    if not any(task.get("error") and task["error"].get("remedy") for task in run["tasks"]) and run["state"] == "failed":
        return f"the error has no remedy: {text}"
    if service.table(flow) != before:
        return "the run failed and yet changed the table"
    return None


def main():
    drop_root()
    wanted = [case for case in CASES if all(part in case[0] for part in sys.argv[1:])]
    failures = 0
    with Folder() as folder:
        service = Service(folder, installed_prefix(folder))
        try:
            for flow in FLOWS:
                first = service.run(flow)
                if first["state"] != "completed":
                    sys.exit(f"{flow} does not even run without faults: {errors_of(first)}")
            for name, flow, faults, outcome in wanted:
                service.sandbox.control("reset", {})
                service.sandbox.control("faults", faults or ";")
                before, begun = service.table(flow), time.monotonic()
                run = service.run(flow)
                mistake = judge(service, flow, outcome, before, run)
                fired = sum(fault["fired"] for fault in service.sandbox.control("faults")["faults"])
                if faults and not fired:
                    mistake = "the fault met no request: the case proves nothing"
                failures += mistake is not None
                print(f"{'FAILED' if mistake else 'ok':6} {name} ({time.monotonic() - begun:.1f} s)" + (f": {mistake}" if mistake else ""), flush=True)
                service.sandbox.control("reset", {})
        finally:
            service.close()
    print(f"{len(wanted)} cases, {failures} failed")
    sys.exit(1 if failures else 0)


main()
