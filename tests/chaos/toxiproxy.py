"""Toxiproxy between daemons and PostgreSQL: connections that are cut, half-open or slow. https://github.com/Shopify/toxiproxy"""
import http.client, json, os, shutil, signal, subprocess, tempfile

from processes import wait_until
from service import dies_with_us, end, free_port

PROGRAM = "MILLRACE_TOXIPROXY"
MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0"


def provide(folder):
    """Names the program in the environment: the one that is there, else one that Go builds. Without either it says so."""
    found = os.environ.get(PROGRAM) or shutil.which("toxiproxy-server")
    go = shutil.which("go") or ("/usr/local/go/bin/go" if os.path.exists("/usr/local/go/bin/go") else None)
    if not found and go:
        built = subprocess.run([go, "install", MODULE], env={**os.environ, "GOBIN": folder}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if built.returncode == 0:
            found = f"{folder}/server"
        else:
            print(f"Go does not build Toxiproxy: {built.stdout.strip().splitlines()[-1:]}", flush=True)
    if found:
        os.environ[PROGRAM] = found
    else:
        os.environ.pop(PROGRAM, None)
    return found


class Toxiproxy:
    """One listener for each name, all in front of the same server."""

    def __init__(self, folder, upstream_port, names):
        self.port = free_port()
        with open(f"{folder}/toxiproxy.log", "ab") as log:
            self.process = subprocess.Popen([os.environ[PROGRAM], "-host", "127.0.0.1", "-port", str(self.port)], stdout=log, stderr=log, preexec_fn=dies_with_us(signal.SIGKILL))
        wait_until(self.answers, 20, "Toxiproxy's start")
        self.ports = {}
        for name in names:
            made = self.ask("POST", "/proxies", {"name": name, "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream_port}", "enabled": True})
            self.ports[name] = int(made["listen"].rpartition(":")[2])

    def answers(self):
        try:
            self.ask("GET", "/version")
            return True
        except OSError:
            return False

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if text and text.startswith(b"{") else None

    def cut(self, name):
        """Connections end, new ones are refused."""
        self.ask("POST", f"/proxies/{name}", {"enabled": False})

    def half_open(self, name):
        """Connections stay, and nothing arrives any more, in neither direction: what is sent meanwhile is lost."""
        for stream in ("upstream", "downstream"):
            self.ask("POST", f"/proxies/{name}/toxics", {"name": f"silent_{stream}", "type": "timeout", "stream": stream, "attributes": {"timeout": 0}})

    def slow(self, name):
        self.ask("POST", f"/proxies/{name}/toxics", {"name": "late", "type": "latency", "stream": "downstream", "attributes": {"latency": 200, "jitter": 100}})
        self.ask("POST", f"/proxies/{name}/toxics", {"name": "narrow", "type": "bandwidth", "stream": "upstream", "attributes": {"rate": 64}})

    def mend(self, name):
        for toxic in self.ask("GET", f"/proxies/{name}")["toxics"]:
            self.ask("DELETE", f"/proxies/{name}/toxics/{toxic['name']}")
        self.ask("POST", f"/proxies/{name}", {"enabled": True})

    def stop(self):
        end(self.process)
