# SPDX-License-Identifier: MIT
"""What a table of numbers is worth nothing without: the machine, the system, the day."""
import datetime
import fcntl
import os
import platform
import secrets
import struct
import subprocess

# linux/fs.h; the numbers are those of 64-bit machines.
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_TOPDIR_FL = 0x80086601, 0x40086602, 0x00020000


def _first(path, key):
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith(key):
                return line[len(key):].strip(" \t:=\n\"")
    return "unknown"


def file_system(path):
    out = subprocess.run(["stat", "-f", "-c", "%T", str(path)], capture_output=True, text=True, check=False)
    return out.stdout.strip() or "unknown"


def spread(path):
    """Ask ext4 to place each directory made in `path` in a part of the disk of its own (chattr +T).

    It does not give an inode to a new file for up to five minutes after the inode was freed, but looks at it each time: where
    ten thousand files were just removed, by an earlier run or by anybody, creating one takes twenty times longer. The part is
    chosen by the directory's name: unused_name gives one that no earlier run had.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags, = struct.unpack("l", fcntl.ioctl(fd, FS_IOC_GETFLAGS, struct.pack("l", 0)))
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", flags | FS_TOPDIR_FL))
    except OSError:
        pass  # another file system, which has no such flag
    finally:
        os.close(fd)


def unused_name(prefix):
    return f"{prefix}-{secrets.token_hex(6)}"


def describe(context):
    """Pairs of (what, value)."""
    memory = int(_first("/proc/meminfo", "MemTotal").split()[0]) / 1024 / 1024
    return [
        ("processor", f"{_first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} CPUs; server on CPU 0, load on CPU 1"),
        ("memory", f"{memory:.0f} GiB"),
        ("kernel", platform.release()),
        ("system", _first("/etc/os-release", "PRETTY_NAME")),
        ("files on", file_system(context.dir)),
        ("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
        ("rounds", str(context.rounds)),
    ]
