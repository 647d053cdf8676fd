"""The cases of a file as one test of ctest."""
import os, sys, unittest


def open_terminal(case):
    """Both ends of a pseudo-terminal; where there are none, the case is skipped."""
    try:
        return os.openpty()
    except OSError as error:
        case.skipTest(f"no pseudo-terminals here ({error}): mount devpts at /dev/pts")


def run_cases():
    """What was skipped makes the file a skipped one for ctest, by name and with the reason, unless something else failed."""
    result = unittest.main(verbosity=2, exit=False).result
    if result.wasSuccessful():
        for case, reason in result.skipped:
            print(f"SKIPPED: {case.id()}: {reason}", flush=True)
    sys.exit(not result.wasSuccessful())
