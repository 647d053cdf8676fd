"""What the end-to-end and chaos tests are made of: a sandbox, a daemon, its database, each in a folder of its own.

Real processes on free ports; nothing is shared between two tests, and everything ends with the `with` block. Needs only
Python's standard library and psql. The programs are those of the installed tree in MILLRACE_TEST_PREFIX, else of the build
folder in MILLRACE_BUILD (ctest sets it).
"""
import contextlib, http.client, json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time, unittest, urllib.parse, urllib.request

BIN = pathlib.Path(os.environ.get("MILLRACE_TEST_PREFIX") or os.environ.get("MILLRACE_BUILD", "build/release")).resolve() / "bin"
SOURCE = pathlib.Path(__file__).resolve().parents[2]


def skip(reason):
    """Ends the whole test program as skipped, by name, for ctest (SKIP_RETURN_CODE 77)."""
    print(f"SKIPPED: {pathlib.Path(sys.argv[0]).stem}: {reason}")
    sys.exit(77)


def need(program):
    if not (BIN / program).exists():
        skip(f"{program} is not built in {BIN}")


def wait_until(what, seconds, check):
    """The first true value of check(); an AssertionError that says what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


class Folder:
    """A scratch folder that the user of PostgreSQL may reach, since the tests may run as root."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="millrace-"))
        self.path.chmod(0o711)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Sandbox:
    """millrace-sandbox with its control paths."""

    def __init__(self, folder, *arguments):
        self.env_file = folder / "sandbox.env"
        self.env_file.unlink(missing_ok=True)
        self.log_file = open(folder / "sandbox.log", "ab")
        self.process = subprocess.Popen(
            [BIN / "millrace-sandbox", "--port", "0", "--env-file", self.env_file, *map(str, arguments)],
            stdout=self.log_file, stderr=self.log_file, stdin=subprocess.DEVNULL)
        wait_until("the sandbox listens", 30, lambda: self.env_file.exists() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise AssertionError((folder / "sandbox.log").read_text())
        self.env = dict(line.split("=", 1) for line in self.env_file.read_text().splitlines() if "=" in line)
        self.url = self.env["SANDBOX_URL"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.log_file.close()

    def control(self, path, body=None):
        request = urllib.request.Request(f"{self.url}/_sandbox/{path}", method="GET" if body is None else "POST",
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Daemon:
    """`millrace serve` on a state folder of its own, with its private PostgreSQL unless `database` is given."""

    def __init__(self, folder, flows, env=None, database=None, config=""):
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "millrace.yaml"
        lines = [f"state: {self.state}", f"staging: {folder / 'staging'}", 'listen: "127.0.0.1:0"', "flows:"]
        lines += [f"  - {path}" for path in flows]
        if database:
            lines.append(f'database: "{database}"')
        self.config.write_text("\n".join(lines) + "\n" + config)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_") or name == "MILLRACE_TEST_RUN"}
        self.env = {**inherited, **(env or {}), "NO_COLOR": "1"}
        self.log_path = folder / "daemon.log"
        self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(True)
            raise
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(f"--- the daemon's log\n{self.log_path.read_text()[-6000:]}", file=sys.stderr)
        self.stop()

    @property
    def socket(self):
        return self.state / "run/millrace.sock"

    def start(self):
        """Returns after how many seconds it answered."""
        began = time.monotonic()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([BIN / "millrace", "serve", "--config", self.config], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=self.env, cwd=self.folder)
        wait_until("the daemon is ready", 60, self.is_ready)
        return time.monotonic() - began

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log_path.read_text()[-4000:]}")
        try:
            return self.api("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError("the daemon does not stop on SIGTERM")
        # after kill -9 the private PostgreSQL lives on, for the next start to adopt
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = self.postmaster()
            os.kill(pid, signal.SIGINT)
            wait_until("PostgreSQL ends", 60, lambda: not pathlib.Path(f"/proc/{pid}").exists())

    def postmaster(self):
        return int((self.state / "pg/data/postmaster.pid").read_text().splitlines()[0])

    def hosts(self):
        """Process ids of the hosts, newest last."""
        children = []
        for line in subprocess.run(["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True).stdout.splitlines():
            pid, parent, name = line.split(None, 2)
            if int(parent) == self.process.pid and name.startswith("millrace-host"):
                children.append(int(pid))
        return sorted(children)

    def api(self, method, path, body=None, headers=None):
        """(status, document)"""
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json", "Host": "localhost", **(headers or {})})
            answer = connection.getresponse()
            text = answer.read()
            try:
                return answer.status, json.loads(text)
            except ValueError:
                return answer.status, text.decode(errors="replace")
        finally:
            connection.close()

    def cli(self, *arguments, check=True, input=None):
        result = subprocess.run([BIN / "millrace", *map(str, arguments)], capture_output=True, text=True, env=self.env,
                                cwd=self.folder, input=input, timeout=600)
        if check and result.returncode != 0:
            raise AssertionError(f"millrace {' '.join(map(str, arguments))}: {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def json(self, *arguments, check=True):
        return json.loads(self.cli(*arguments, "--json", check=check).stdout)

    def trigger(self, flow, **request):
        status, run = self.api("POST", f"/api/v1/flows/{flow}/runs", request)
        if status != 202:
            raise AssertionError(f"{flow} was not triggered: {status} {run}")
        return run

    def run(self, run_id):
        status, run = self.api("GET", f"/api/v1/runs/{run_id}")
        assert status == 200, (status, run)
        return run

    def wait_for(self, run_id, seconds=120):
        """The run in its final state."""
        finals = {"completed", "failed", "crashed", "cancelled", "skipped"}

        def ended():
            try:
                run = self.run(run_id)
            except (OSError, http.client.HTTPException, AssertionError):
                return None
            return run if run["state"] in finals else None
        return wait_until(f"run {run_id} ends", seconds, ended)

    def database_url(self, name):
        return f"postgresql://millrace@/{name}?host={urllib.parse.quote(str(self.state / 'pg/socket'), safe='')}"

    def sql(self, statement, database="warehouse"):
        """Rows as lists of texts; NULL is None."""
        result = subprocess.run(["psql", "-XqAt", "-F", "\x1f", "-P", "null=\x1e", "-v", "ON_ERROR_STOP=1", "-d", self.database_url(database), "-c", statement],
                                capture_output=True, text=True)
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        return [[None if cell == "\x1e" else cell for cell in line.split("\x1f")] for line in result.stdout.splitlines()]
