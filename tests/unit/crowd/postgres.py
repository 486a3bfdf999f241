"""A real PostgreSQL of the tests' own: Debian's programs, a folder of its own, loopback only."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from sqlalchemy import URL, create_engine, text

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
OWNER = "postgres" if os.geteuid() == 0 else None
"""PostgreSQL refuses to run as root."""


def programs() -> Path | None:
    """Folder of initdb and pg_ctl; None = not installed."""
    found = shutil.which("pg_ctl")
    return PROGRAMS[-1] if PROGRAMS else Path(found).parent if found else None


class PostgreSQL:
    """One server. `durable` keeps its promises through a power cut; without, it is faster to start and to test."""

    def __init__(self, *, durable: bool = False) -> None:
        bin_folder = programs()
        assert bin_folder is not None
        self.bin = bin_folder
        self.folder = Path(tempfile.mkdtemp(prefix="crowd-pg-"))
        if OWNER:
            shutil.chown(self.folder, OWNER)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.settings = ["-c", f"unix_socket_directories={self.folder}", "-c", "listen_addresses=127.0.0.1"]
        if not durable:
            self.settings += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        self._call(
            "initdb", "-D", str(self.data), "-U", "crowd", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"
        )
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        options = " ".join(["-p", str(self.port), *self.settings])
        self._call("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "log"), "-w", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """immediate = as if killed: the next start recovers from the log."""
        self._call("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def emptied(self, url: URL) -> URL:
        """The database without its tables: much quicker than a fresh one."""
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("set lock_timeout = '10s'"))
            connection.execute(text("drop schema public cascade"))
            connection.execute(text("create schema public"))
        engine.dispose()
        return url

    def database(self, name: str) -> URL:
        """Address of a fresh database."""
        server = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.execute(text(f'drop database if exists "{name}" with (force)'))
            connection.execute(text(f'create database "{name}"'))
        server.dispose()
        return self.url(name)

    def url(self, name: str) -> URL:
        return URL.create(
            "postgresql+psycopg", username="crowd", password="none", host="127.0.0.1", port=self.port, database=name
        )

    def run(self, program: str, *arguments: str) -> str:
        """A client program on this server, as whoever runs the tests."""
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "crowd"]
        done = subprocess.run([self.bin / program, *address, *arguments], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _call(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.bin / program, *arguments],
            user=OWNER,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
