"""Small file systems of their own, to be filled and freed. They are mounted while this program is still root."""
import contextlib, errno, os, pwd, shutil, subprocess, tempfile

from service import ORDINARY_USER

NAMES = "MILLRACE_CHAOS_DISKS"


@contextlib.contextmanager
def mounted(**megabytes):
    """Mounts a tmpfs for each name and tells the ordinary user's program where, by the environment. Nothing is mounted by others."""
    if os.geteuid() != 0:
        yield
        return
    folder = tempfile.mkdtemp(prefix="mrd-")
    os.chmod(folder, 0o755)
    user, made = pwd.getpwnam(ORDINARY_USER), []
    try:
        for name, size in megabytes.items():
            os.mkdir(f"{folder}/{name}")
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=0700,uid={user.pw_uid},gid={user.pw_gid}", "millrace-chaos", f"{folder}/{name}"],
                                  stderr=subprocess.PIPE, text=True)
            if done.returncode:
                print(f"no disks of our own: {done.stderr.strip()}", flush=True)
                break
            made.append(name)
        else:
            os.environ[NAMES] = folder
        yield
    finally:
        os.environ.pop(NAMES, None)
        for name in made:
            subprocess.run(["umount", "-l", f"{folder}/{name}"], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def disk(name):
    """The folder of a mounted one; None: this program may not mount."""
    return f"{os.environ[NAMES]}/{name}" if NAMES in os.environ else None


class Filler:
    """Takes all that is free on a disk until it is freed."""

    def __init__(self, folder):
        self.folder, self.file = folder, f"{folder}/filler"

    def fill(self):
        block = b"\0" * (1 << 20)
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            while block:
                try:
                    os.write(descriptor, block)
                except OSError as error:
                    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                        raise
                    block = block[:len(block) // 2]
        finally:
            os.close(descriptor)

    def free(self):
        try:
            os.unlink(self.file)
        except FileNotFoundError:
            pass
