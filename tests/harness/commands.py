"""Cases that ask a daemon of their own by its command line."""
import json, pathlib, subprocess, unittest

from service import Daemon, Folder, installed_prefix


class Commands:
    """The command line, of cases that have a `prefix`, a `path` and a `daemon`."""

    def command(self, *arguments):
        return [f"{self.prefix}/bin/millrace", "--config", self.daemon.config, *map(str, arguments)]

    def millrace(self, *arguments, code=0, env=None):
        """Its output; errors included."""
        done = subprocess.run(self.command(*arguments), cwd=self.path, env=env or self.daemon.environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=60)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}")
        return done.stdout

    def json_of(self, *arguments):
        return json.loads(self.millrace(*arguments, "--json"))


class CommandCase(Commands, unittest.TestCase):
    """One daemon for all cases of the class, with `flows`. `variables`: what its .env has besides FOLDER_OF_THE_TEST."""
    flows, variables = {}, ""

    @classmethod
    def setUpClass(cls):
        folder = Folder()
        cls.path = folder.__enter__()
        cls.addClassCleanup(folder.__exit__)
        cls.prefix = installed_prefix(cls.path)
        cls.daemon = Daemon(cls.prefix, cls.path, cls.flows, {}, None)
        cls.addClassCleanup(cls.daemon.stop)
        (pathlib.Path(cls.path) / ".env").write_text(f"FOLDER_OF_THE_TEST={cls.path}\n{cls.variables}")
        cls.daemon.start()
