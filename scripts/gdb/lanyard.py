# SPDX-License-Identifier: MIT
"""Fibers in gdb, of a live process or a core file.

    (gdb) source lanyard.py
    (gdb) lanyard fibers        list the fibers of every loop
    (gdb) lanyard bt 7          the backtrace of fiber 7; "all" for each of them
    (gdb) lanyard fiber 7       look at fiber 7 with gdb's own commands: bt, frame, info locals; "off" ends it
    (gdb) lanyard core FILE     as generate-core-file, with the stacks of fibers in it

A parked fiber's registers lie on its stack. gdb can set registers only of a live process, so instead an unwinder is
registered that answers, when asked who called the innermost frame of the thread: the fiber. Backtraces then go on in the
fiber, in a core file too; the frame of the thread itself stays visible as the innermost one, and "lanyard bt" leaves it out.

The library's structs are described by ly__debugger_layout, so that no debug information is needed, only symbols.
"""

import os
import re
import struct

import gdb
import gdb.unwinder

FIELDS = """version ucontext loop_in_loops loop_running loop_scopes loop_stack_size scope_in_loop scope_tasks scope_name
    task_in_scope task_id task_name task_name_max task_waits_for task_fn fiber_sp fiber_parked fiber_stack""".split()
VERSION = 1

# Where a parked stack's registers lie, from its saved stack pointer (src/fiber/context_*.S), and the size of it all.
LAYOUTS = {
    "i386:x86-64": {
        "sp": "rsp",
        "size": 56,
        "saved": {"r15": 0, "r14": 8, "r13": 16, "r12": 24, "rbx": 32, "rbp": 40, "rip": 48},
    },
    "aarch64": {
        "sp": "sp",
        "size": 160,
        "saved": {"x29": 0, "pc": 8, **{f"x{n}": 16 + 8 * (n - 19) for n in range(19, 29)}},
    },
}
# The same in the C library's ucontext_t, to which the saved pointer points there; the stack pointer is saved as well.
UCONTEXTS = {
    "i386:x86-64": {
        "sp": "rsp",
        "saved": {"r12": 72, "r13": 80, "r14": 88, "r15": 96, "rbp": 120, "rbx": 128, "rsp": 160, "rip": 168},
    },
    "aarch64": {
        "sp": "sp",
        "saved": {**{f"x{n}": 184 + 8 * n for n in range(19, 30)}, "sp": 432, "pc": 440},
    },
}


# ---- memory ----


def read(address, length):
    return bytes(gdb.selected_inferior().read_memory(address, length))


def word(address, length=8):
    return int.from_bytes(read(address, length), "little")


def text(address, limit=200):
    """The C string there, with whatever could move a terminal's cursor escaped; "" for NULL."""
    if address == 0:
        return ""
    raw = b""
    while len(raw) < limit and (byte := read(address + len(raw), 1)) != b"\0":
        raw += byte
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in raw.decode("latin-1"))


def address_of(symbol):
    try:
        return int(gdb.parse_and_eval(f"(unsigned long)&{symbol}"))
    except gdb.error:
        raise gdb.GdbError(f"no symbol {symbol}: Lanyard is not in this process, or its symbols were stripped") from None


# ---- the library's structs ----


class Layout:
    """Offsets of fields, as the library in this process says."""

    def __init__(self):
        base = address_of("ly__debugger_layout")
        if word(base, 4) != VERSION:
            raise gdb.GdbError("this script is of another version than the library in the process")
        for i, name in enumerate(FIELDS):
            setattr(self, name, word(base + 4 * i, 4))


def members(head, offset):
    """The structs in an intrusive list, given the list's offset in them."""
    seen = {head}
    at = word(head)
    while at not in seen:
        seen.add(at)
        yield at - offset
        at = word(at)


class Fiber:
    def __init__(self, layout, loop, at):
        self.id = word(at + layout.task_id)
        self.name = text(at + layout.task_name, layout.task_name_max)
        self.waits_for = text(word(at + layout.task_waits_for))
        self.function = word(at + layout.task_fn)
        self.sp = word(at + layout.fiber_sp)
        self.low = word(at + layout.fiber_stack)
        self.high = self.low + word(loop + layout.loop_stack_size)
        if word(loop + layout.loop_running) == at:
            self.state = "running"
        else:
            self.state = "waiting" if word(at + layout.fiber_parked, 1) else "ready"

    def __str__(self):
        what = f"for {self.waits_for}" if self.state == "waiting" else ""
        return f"{self.id:>6}  {self.state:<7}  {self.name or '-':<24}  {symbol_at(self.function):<24}  {what}".rstrip()


def symbol_at(address):
    found = gdb.execute(f"info symbol {address}", to_string=True)
    return found.split(" in section")[0].split(" of ")[0] if "in section" in found else hex(address)


def loops():
    """(address, fibers) of each loop. A struct that was caught half-way through a change is left out."""
    layout = Layout()
    for loop in members(address_of("ly__loops"), layout.loop_in_loops):
        fibers = []
        try:
            for scope in members(loop + layout.loop_scopes, layout.scope_in_loop):
                for task in members(scope + layout.scope_tasks, layout.task_in_scope):
                    fibers.append(Fiber(layout, loop, task))
        except gdb.MemoryError as e:
            print(f"loop {loop:#x}: the list is cut short: {e}")
        yield loop, fibers


def find(argument):
    """The fibers that an argument of a command names."""
    fibers = [f for _, some in loops() for f in some]
    if argument == "all":
        return fibers
    try:
        return [f for f in fibers if f.id == int(argument)] or no_fiber(argument)
    except ValueError:
        no_fiber(argument)


def no_fiber(argument):
    raise gdb.GdbError(f"no fiber {argument!r}: 'lanyard fibers' lists them")


# ---- unwinding into a parked fiber ----


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Unwinder(gdb.unwinder.Unwinder):
    """Makes the selected fiber the caller of its thread's innermost frame."""

    def __init__(self):
        super().__init__("lanyard")
        self.fiber = None  # who is looked at
        self.thread_sp = 0  # the thread's own stack pointer: by it the innermost frame is known
        self.table = None

    def select(self, fiber):
        self.fiber = None
        gdb.invalidate_cached_frames()
        if fiber is None:
            return
        frame = gdb.newest_frame()
        name = frame.architecture().name()
        table = (UCONTEXTS if Layout().ucontext else LAYOUTS).get(name)
        if table is None:
            raise gdb.GdbError(f"unknown processor {name}")
        self.table = table
        self.thread_sp = int(frame.read_register(table["sp"])) & (1 << 64) - 1
        self.fiber = fiber
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.fiber is None:
            return None
        sp = pending.read_register(self.table["sp"])
        if int(sp) & (1 << 64) - 1 != self.thread_sp:
            return None
        # The frame claims to lie just below the fiber's, since gdb distrusts callers that lie lower than those they call.
        low = gdb.Value(self.fiber.sp - 16).cast(sp.type)
        info = pending.create_unwind_info(FrameId(low, pending.read_register("pc")))
        if "size" in self.table:
            info.add_saved_register(self.table["sp"], gdb.Value(self.fiber.sp + self.table["size"]).cast(sp.type))
        for register, offset in self.table["saved"].items():
            kind = pending.read_register(register).type
            info.add_saved_register(register, gdb.Value(word(self.fiber.sp + offset)).cast(kind))
        return info


unwinder = Unwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


def own_frames(table, sp):
    """How many innermost frames are the thread's, not the fiber's: one, and those inlined into it."""
    count, frame = 0, gdb.newest_frame()
    while frame is not None and int(frame.read_register(table["sp"])) & (1 << 64) - 1 == sp:
        count, frame = count + 1, frame.older()
    return count


def gdb_backtrace():
    """The lines of gdb's backtrace. Without debug information it takes our ly__name for Ada's ly.name."""
    lines = gdb.execute("with width 0 -- backtrace", to_string=True)
    return re.sub(r"\bly\.(?=[a-z_]+ \()", "ly__", lines).splitlines()


def backtrace(fiber):
    """gdb's own backtrace of a fiber that does not run, counted from its innermost frame."""
    before = unwinder.fiber
    try:
        unwinder.select(fiber)
        skip = own_frames(unwinder.table, unwinder.thread_sp)
        lines = gdb_backtrace()
    finally:
        unwinder.select(before)
    for line in lines:
        numbered = re.match(r"#(\d+)\s+(.*)", line)
        if not numbered:
            print(line)
        elif int(numbered[1]) >= skip:
            print(f"#{int(numbered[1]) - skip:<3} {numbered[2]}")


def thread_on(fiber):
    """The thread whose stack pointer lies in the fiber's stack; None if there is none."""
    before = gdb.selected_thread()
    try:
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            if fiber.low <= int(gdb.newest_frame().read_register("sp")) & (1 << 64) - 1 <= fiber.high:
                return thread
        return None
    finally:
        before.switch()


def backtrace_running(fiber):
    thread, before = thread_on(fiber), gdb.selected_thread()
    if thread is None:
        print("its thread was not found")
        return
    selected = unwinder.fiber
    unwinder.select(None)
    try:
        thread.switch()
        print("\n".join(gdb_backtrace()))
    finally:
        before.switch()
        unwinder.select(selected)


# ---- commands ----


class Lanyard(gdb.Command):
    """Fibers of Lanyard: fibers, bt, fiber, core."""

    def __init__(self):
        super().__init__("lanyard", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class Fibers(gdb.Command):
    """List the fibers of every loop: number, state, name, function, and what it waits for."""

    def __init__(self):
        super().__init__("lanyard fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for loop, fibers in loops():
            print(f"loop {loop:#x}: {len(fibers)} fiber{'' if len(fibers) == 1 else 's'}")
            print("    id  state    name                      function                  waits")
            for fiber in fibers:
                print(fiber)


class Bt(gdb.Command):
    """lanyard bt ID|all: print the backtrace of a fiber, or of each."""

    def __init__(self):
        super().__init__("lanyard bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for fiber in find(argument.strip()):
            waits = f", waits for {fiber.waits_for}" if fiber.state == "waiting" else f", {fiber.state}"
            print(f'fiber {fiber.id} "{fiber.name}"{waits}')
            (backtrace_running if fiber.state == "running" else backtrace)(fiber)
            print()


class Select(gdb.Command):
    """lanyard fiber ID|off: let gdb's commands see a fiber that waits, as the caller of the thread's innermost frame."""

    def __init__(self):
        super().__init__("lanyard fiber", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if argument.strip() == "off":
            unwinder.select(None)
            return
        fiber = find(argument.strip())[0]
        if fiber.state == "running":
            raise gdb.GdbError("it runs: look at its thread instead")
        unwinder.select(fiber)
        for _ in range(own_frames(unwinder.table, unwinder.thread_sp)):
            gdb.execute("up", to_string=True)
        gdb.execute("frame")


def segments(file):
    """(address, offset in the file, length) of each piece of memory in a core file (ELF, 64 bits)."""
    header = file.read(64)
    table, size, count = struct.unpack_from("<Q", header, 32)[0], *struct.unpack_from("<HH", header, 54)
    for i in range(count):
        file.seek(table + i * size)
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", file.read(size))
        if kind == 1:  # PT_LOAD
            yield address, offset, length


def copy_stack(fiber, file, pieces):
    """Write a fiber's stack into a core file; pages without content stay holes. Returns whether there was a place for it."""
    for address, offset, length in pieces:
        if address <= fiber.low and fiber.high <= address + length:
            for at in range(fiber.low, fiber.high, 4096):
                page = read(at, 4096)
                if page.strip(b"\0"):
                    os.pwrite(file.fileno(), page, offset + at - address)
            return True
    return False


class Core(gdb.Command):
    """lanyard core FILE: write a core file with the fibers' stacks in it.

    generate-core-file leaves a mapping out from the first page on that it cannot read, and a slab of stacks begins with
    such a page, a guard. So the stacks are written afterwards. Core files that the kernel writes are complete."""

    def __init__(self):
        super().__init__("lanyard core", gdb.COMMAND_STACK, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        path = os.path.expanduser(argument.strip())
        if not path:
            raise gdb.GdbError("usage: lanyard core FILE")
        unwinder.select(None)
        fibers = find("all")
        gdb.execute(f"generate-core-file {path}")
        with open(path, "r+b") as file:
            pieces = list(segments(file))
            missing = [f.id for f in fibers if not copy_stack(f, file, pieces)]
        if missing:
            print(f"no place in the core file for the stacks of fibers {missing}")


for command in Lanyard, Fibers, Bt, Select, Core:
    command()
# A fiber is looked at only while the process stands still.
gdb.events.cont.connect(lambda event: unwinder.select(None))
