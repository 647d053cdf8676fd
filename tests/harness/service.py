"""The whole service in one temporary folder: PostgreSQL, sandbox, daemon. Nothing runs as root, nothing stays behind."""
import ctypes, glob, http.client, json, os, pathlib, pwd, shutil, signal, socket, subprocess, sys, tempfile, time

from libpq import Postgres
from processes import wait_until

LIBC = ctypes.CDLL(None)
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
ORDINARY_USER = "postgres"  # exists wherever PostgreSQL's server is installed


def drop_root(build_target=None, may_go_first=False):
    """Builds a target that is not built by default. Runs this program again as an ordinary user, if it was started as root: PostgreSQL refuses root, and nothing that is
    tested or measured should depend on being it. `may_go_first`: what runs may raise its priority, as LimitNICE of deploy/millrace.service allows it. The installed tree is made first, where that user can read it."""
    if build_target and "MILLRACE_TEST_PREFIX" not in os.environ:
        subprocess.run(["cmake", "--build", str(build_folder()), "--target", build_target], check=True, stdout=sys.stderr)
    if os.geteuid() != 0:
        return
    home = tempfile.mkdtemp(prefix="millrace-")
    os.chmod(home, 0o755)
    prefix = installed_prefix(home)
    work = os.path.join(home, "work")
    os.mkdir(work)
    user = pwd.getpwnam(ORDINARY_USER)
    os.chown(work, user.pw_uid, user.pw_gid)
    code = os.path.join(home, "tests")  # the clone itself may be in a folder that only root can enter
    for folder in ("harness", "bench", "chaos", "end_to_end"):
        if (REPOSITORY / "tests" / folder).is_dir():
            shutil.copytree(REPOSITORY / "tests" / folder, os.path.join(code, folder))
    script = os.path.join(code, os.path.relpath(os.path.realpath(sys.argv[0]), REPOSITORY / "tests"))
    environment = dict(os.environ, TMPDIR=work, HOME=work, MILLRACE_TEST_PREFIX=prefix, PYTHONDONTWRITEBYTECODE="1")
    nice = ["--inh-caps=+sys_nice", "--ambient-caps=+sys_nice"] if may_go_first else []
    command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups", *nice, sys.executable, script, *sys.argv[1:]]
    try:
        status = subprocess.call(command, env=environment, cwd=work)
    except KeyboardInterrupt:
        status = 130
    shutil.rmtree(home, ignore_errors=True)
    sys.exit(status)


def build_folder():
    """MILLRACE_BUILD, else the build that is most to the point: release, then dev."""
    candidates = [os.environ["MILLRACE_BUILD"]] if "MILLRACE_BUILD" in os.environ else [REPOSITORY / "build" / name for name in ("release", "dev")]
    for candidate in candidates:
        if (pathlib.Path(candidate) / "bin" / "millrace").exists():
            return pathlib.Path(candidate)
    sys.exit(f"no build of millrace in {' or '.join(map(str, candidates))}: cmake -G Ninja -B build/release -C deploy/presets/release.cmake && cmake --build build/release")


def install(prefix):
    build = build_folder()
    subprocess.run(["cmake", "--install", str(build), "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
    if not os.path.exists(f"{prefix}/bin/millrace-sandbox"):
        shutil.copy(build / "bin" / "millrace-sandbox", f"{prefix}/bin/")
    if (build / "bin" / "engine_bench").exists():  # a measurement's own program, not installed
        shutil.copy(build / "bin" / "engine_bench", f"{prefix}/bin/")
    return prefix


def installed_prefix(folder):
    return os.environ.get("MILLRACE_TEST_PREFIX") or install(os.path.join(folder, "installed"))


def free_port():
    """A TCP port of loopback that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def dies_with_us(signal_number):
    """For a child: it gets this signal when this program ends, however that happens."""
    def prepare():
        LIBC.prctl(1, signal_number)  # PR_SET_PDEATHSIG
    return prepare


def end(process, seconds=15):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Cluster:
    """A PostgreSQL server of its own, reached by a Unix socket only, unless `settings` say `listen_addresses` and `port`. Durable:
    fsync is on."""

    def __init__(self, folder, settings=None):
        self.folder, self.settings, self.process = folder, settings or {}, None
        self.bin = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))[-1]
        os.mkdir(folder)
        subprocess.run([f"{self.bin}/initdb", "-D", f"{folder}/data", "-U", "millrace", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL)

    def url(self, database="postgres"):
        port = f"&port={self.settings['port']}" if "port" in self.settings else ""
        return f"postgresql://millrace@/{database}?host={self.folder}{port}"

    def start(self):
        options = {"listen_addresses": "", "unix_socket_directories": self.folder, "shared_buffers": "1GB", "max_wal_size": "4GB", "timezone": "UTC",
                   "max_connections": "100", "recovery_init_sync_method": "syncfs", **self.settings}
        arguments = [item for name, value in options.items() for item in ("-c", f"{name}={value}")]
        with open(f"{self.folder}/log", "ab") as log:
            self.process = subprocess.Popen([f"{self.bin}/postgres", "-D", f"{self.folder}/data", *arguments], stdout=log, stderr=log, start_new_session=True,
                                            preexec_fn=dies_with_us(signal.SIGINT))

        def reachable():
            if self.process.poll() is not None:
                raise RuntimeError(f"PostgreSQL ended: {pathlib.Path(f'{self.folder}/log').read_text()[-2000:]}")
            try:
                Postgres(self.url()).close()
                return True
            except RuntimeError:
                return False
        wait_until(reachable, 60, "PostgreSQL's start")
        return self

    def create(self, *databases):
        with Postgres(self.url()) as postgres:
            for database in databases:
                postgres.run(f'create database "{database}"')

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)


class Sandbox:
    def __init__(self, prefix, folder, *options):
        port_file = os.path.join(folder, "sandbox.port")
        self.process = subprocess.Popen([f"{prefix}/bin/millrace-sandbox", "--port-file", port_file, *options], stdout=subprocess.DEVNULL,
                                        preexec_fn=dies_with_us(signal.SIGTERM))
        wait_until(lambda: os.path.exists(port_file) or self.process.poll() is not None, 20, "the sandbox's start")
        self.port = int(pathlib.Path(port_file).read_text())
        self.url, self.key, self.workspace = f"http://127.0.0.1:{self.port}", "sandbox-key", "64a687e29ae1f428e7ebe301"

    def control(self, path, body=None, method=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method or ("GET" if body is None else "POST"), f"/_sandbox/{path}", body if body is None or isinstance(body, str) else json.dumps(body))
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(text.decode())
        return json.loads(text)

    def connection_settings(self):
        return {"type": "clockify", "api_key": self.key, "workspace_id": self.workspace, "url": f"{self.url}/api/v1",
                "reports_url": f"{self.url}/v1", "requests_per_second": 100000}

    def stop(self):
        end(self.process)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=600)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """`millrace serve` with a project of its own. `flows` are texts by name; `database` None: the private PostgreSQL."""

    def __init__(self, prefix, folder, flows, connections, database, extra=None):
        self.prefix, self.folder, self.process = prefix, folder, None
        self.command = ["serve"]
        self.flows = os.path.join(folder, "flows")
        os.makedirs(self.flows, exist_ok=True)
        for name, text in flows.items():
            with open(f"{self.flows}/{name}.yaml", "w") as file:
                file.write(text)
        project = {"listen": "127.0.0.1:0", "state": f"{folder}/state", "flows": [self.flows], "connections": connections, **(extra or {})}
        if database:
            project["database"] = database
        self.config = os.path.join(folder, "millrace.yaml")
        with open(self.config, "w") as file:
            json.dump(project, file, indent=1)  # JSON is YAML
        self.socket = f"{folder}/state/run/millrace.sock"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("MILLRACE_DATABASE", "MILLRACE_URL", "MILLRACE_KEY", "MILLRACE_LISTEN", "MILLRACE_STATE"))}

    def start(self, ready=True):
        with open(f"{self.folder}/daemon.log", "ab") as log:
            self.process = subprocess.Popen([f"{self.prefix}/bin/millrace", *self.command, "--config", self.config], cwd=self.folder, stdout=log, stderr=log,
                                            env=self.environment, start_new_session=True, preexec_fn=dies_with_us(signal.SIGTERM))
        try:
            if ready:
                self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"millrace serve ended with {self.process.returncode}:\n{self.log()[-3000:]}")
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def wait_ready(self, seconds=60):
        wait_until(self.is_ready, seconds, "the daemon's readiness")

    def log(self):
        return pathlib.Path(f"{self.folder}/daemon.log").read_text(errors="replace")

    def request(self, method, path, body=None, connection=None):
        """(status, document). A connection may be kept between calls."""
        used = connection or UnixConnection(self.socket)
        try:
            used.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            answer = used.getresponse()
            text = answer.read()
        finally:
            if not connection:
                used.close()
        return answer.status, json.loads(text) if text and "json" in answer.headers.get("Content-Type", "") else text

    def trigger(self, flow, body=None, connection=None):
        status, run = self.request("POST", f"/api/v1/flows/{flow}/runs", body or {}, connection)
        if status not in (200, 202):
            raise RuntimeError(f"{flow} was not started: {status} {run}")
        return run

    def run(self, flow, body=None, seconds=600):
        """Starts a run and waits for its end; its document with its tasks."""
        run = self.trigger(flow, body)
        return self.wait(run["id"], seconds)

    def wait(self, run_id, seconds=600, poll=None):
        """`poll`: so many seconds between two looks; else they become rarer."""
        connection = UnixConnection(self.socket)
        final = ("completed", "failed", "crashed", "cancelled", "skipped")

        def ended():
            run = self.request("GET", f"/api/v1/runs/{run_id}", None, connection)[1]
            return run if run["state"] in final else None
        end_time, pause = time.monotonic() + seconds, poll or 0.005
        while not (run := ended()):
            if time.monotonic() > end_time:
                raise TimeoutError(f"run {run_id} did not end within {seconds} s")
            time.sleep(pause)
            pause = poll or min(pause * 1.3, 0.25)
        connection.close()
        return run

    def stop(self):
        """Ends it as systemd would. A daemon that has to be killed, or whose sanitizer has something to say, fails the test.
        Of one that was killed already, the private PostgreSQL is ended, which waits for the next start."""
        if self.process and self.process.poll() is not None:
            lock = pathlib.Path(f"{self.folder}/state/pg/data/postmaster.pid")  # its last deed is to remove it
            try:
                os.kill(int(lock.read_text().split()[0]), signal.SIGINT)
            except (FileNotFoundError, ProcessLookupError):
                return
            wait_until(lambda: not lock.exists(), 30, "the end of the private PostgreSQL")
        elif self.process:
            end(self.process)
            if self.process.returncode:
                raise RuntimeError(f"millrace serve ended with {self.process.returncode}:\n{self.log()[-3000:]}")


class Folder:
    """A temporary folder that ends with the `with` block; short, because Unix sockets live in it."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="mr-")
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)
