"""The wall clock of one process. By a library of our own: libfaketime 0.9.10 also sets timers (timerfd_settime) off without knowing
by which clock they run, so that Asio's never ring while the wall clock is off; a clock that is really set does no such thing."""
import os, pathlib, shutil, struct, subprocess

LIBRARY = "MILLRACE_CHAOS_CLOCK"
SOURCE = pathlib.Path(__file__).resolve().parent / "wall_clock.c"


def provide(folder):
    """Builds the library and names it in the environment. False: there is no C compiler."""
    if LIBRARY in os.environ:
        return True
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        return False
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", f"{folder}/wall_clock.so", str(SOURCE)], check=True)
    os.environ[LIBRARY] = f"{folder}/wall_clock.so"
    return True


class WallClock:
    def __init__(self, file):
        self.file = file
        with open(file, "wb") as created:
            created.write(struct.pack("=q", 0))
        self.environment = {"LD_PRELOAD": os.environ[LIBRARY], "MILLRACE_CHAOS_OFFSET": file}

    def set(self, seconds):
        """So far off the true time, from this moment on."""
        with open(self.file, "r+b") as file:
            file.write(struct.pack("=q", round(seconds * 1e9)))
