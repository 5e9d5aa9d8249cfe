# SPDX-License-Identifier: MIT
"""scripts/gdb/lanyard.py on a live process, on a core file that gdb wrote and on one that the kernel wrote."""

import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(os.environ["LY_SOURCE"], "scripts/gdb/lanyard.py")
PROGRAM = pathlib.Path(os.environ["LY_BUILD"], "tests/system/parked_fibers")


def gdb(*commands, core=None):
    """What gdb prints for these commands; standard error with it."""
    words = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", f"source {SCRIPT}"]
    for command in commands:
        words += ["-ex", command]
    words.append(str(PROGRAM))
    if core:
        words.append(str(core))
    run = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=120)
    return run.stdout


@unittest.skipUnless(shutil.which("gdb"), "no gdb")
class Gdb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.core = pathlib.Path(cls.folder.name, "written-by-gdb")
        cls.live = gdb(
            "break stand_still", "run", "echo == fibers\\n", "lanyard fibers", "echo == bt all\\n", "lanyard bt all",
            "echo == bt\\n", "backtrace 3", "echo == none\\n", f"lanyard core {cls.core}", "kill",
        )  # fmt: skip
        if "Breakpoint 1," not in cls.live:
            raise unittest.SkipTest("gdb cannot run a program here: " + cls.live)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def check_list(self, output):
        self.assertRegex(output, r"loop 0x[0-9a-f]+: 3 fibers\n")
        self.assertRegex(output, r"(?m)^ +1  running  the first +\S+")
        self.assertRegex(output, r"(?m)^ +2  waiting  upload \\x1b\[31mred +upload +for time to pass$")
        self.assertRegex(output, r"(?m)^ +3  ready    - +never_begun$")
        self.assertNotIn("\033", output)

    def check_backtraces(self, output):
        running, waiting, ready = re.split(r"(?m)^fiber \d+ .*\n", output)[1:4]
        self.assertRegex(running, r"#0 .*stand_still")
        self.assertRegex(running, r" (ly__context_begin|begin) ")
        names = [m[1] for m in re.finditer(r"(?m)^#\d+ +(?:0x[0-9a-f]+ in )?(\w+)", waiting)]
        self.assertLess(names.index("innermost"), names.index("middle"), waiting)
        if "begin" in names:  # the switch is the C library's, whose own first function has no symbol
            names = names[: names.index("begin") + 1]
        self.assertIn(names[-1], ("ly__context_begin", "begin"), "the backtrace ends where the fiber began")
        self.assertNotIn("stand_still", waiting)
        self.assertTrue(waiting.startswith("#0 "), waiting)
        if " begin " not in running:  # with the C library's switch, nothing names the place before the first function
            self.assertRegex(ready, r"#0 .* ly__context_begin ")

    def test_the_fibers_of_a_live_process_are_listed(self):
        self.check_list(self.live)

    def test_the_fibers_of_a_live_process_have_backtraces(self):
        self.check_backtraces(self.live.split("== bt all\n")[1].split("== bt\n")[0])

    def test_gdbs_own_backtrace_is_the_threads_again_afterwards(self):
        self.assertRegex(self.live.split("== bt\n")[1], r"^#0 .*stand_still")

    def test_a_core_file_written_by_gdb_shows_the_same(self):
        output = gdb("lanyard fibers", "echo == bt all\\n", "lanyard bt all", core=self.core)
        self.check_list(output)
        self.check_backtraces(output.split("== bt all\n")[1])

    def test_a_core_file_written_by_the_kernel_shows_the_same(self):
        pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
        if pattern != "core":
            self.skipTest(f"the kernel writes core files elsewhere: {pattern}")
        resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
        subprocess.run([PROGRAM], cwd=self.folder.name, check=False, stderr=subprocess.DEVNULL)
        cores = list(pathlib.Path(self.folder.name).glob("core*"))
        if not cores:
            self.skipTest("no core file was written")
        output = gdb("echo == bt all\\n", "lanyard bt all", core=cores[0])
        waiting = output.split("== bt all\n")[1]
        self.assertRegex(waiting, r"#\d+ .* innermost[^\0]*#\d+ .* middle")

    def test_a_selected_fiber_is_seen_by_gdbs_own_commands(self):
        output = gdb("lanyard fiber 2", "echo == up\\n", "backtrace", "lanyard fiber off", "echo == off\\n", "backtrace", core=self.core)
        self.assertIn("middle", output.split("== up\n")[1].split("== off\n")[0])
        self.assertNotIn("middle", output.split("== off\n")[1])

    def test_a_number_that_no_fiber_has_is_refused(self):
        output = gdb("lanyard bt 99", "lanyard bt x", core=self.core)
        self.assertIn("no fiber '99'", output)
        self.assertIn("no fiber 'x'", output)

    def test_a_process_without_the_library_is_told_so(self):
        words = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", f"source {SCRIPT}", "-ex", "lanyard fibers", "/bin/true"]
        run = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertIn("Lanyard is not in this process", run.stdout)


if __name__ == "__main__":
    unittest.main()
