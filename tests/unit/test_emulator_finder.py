"""Where the emulators and Java are looked for, in which order, and what the person is told when they are not there."""

import hashlib
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from local import emulator_finder, java
from local.emulator_downloads import FIRESTORE_JAR, PUBSUB_JAR, PinnedJar
from local.emulator_finder import EmulatorBinaries, find_emulators
from local.errors import EmulatorMissingError

FIRESTORE_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"


class Machine:
    """A machine made of folders: what is on it is what a test put there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache_dir = root / "cache"
        self.path_dir = root / "bin"
        self.path_dir.mkdir()
        self.environ = {"PATH": str(self.path_dir)}

    def find(self, *, download: bool = False) -> EmulatorBinaries:
        return find_emulators(download=download, cache_dir=self.cache_dir, environ=self.environ)

    def complaint(self) -> str:
        with pytest.raises(EmulatorMissingError) as caught:
            self.find()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def add_java(self, version: str, *, home: str | None = None) -> str:
        folder = self.path_dir if home is None else self.root / home / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        return self.program(
            folder / "java", f"echo 'Picked up a variable' >&2; echo 'openjdk version \"{version}\"' >&2"
        )

    def add_sdk(self, folder: str = "sdk") -> Path:
        sdk = self.root / folder
        add_jar(sdk / "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar", names_main_class=False)
        add_jar(sdk / "platform/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.20-all.jar")
        (sdk / "bin").mkdir()
        self.program(sdk / "bin" / "gcloud", "exit 1")
        return sdk

    def fill_cache(self) -> None:
        for pinned in (FIRESTORE_JAR, PUBSUB_JAR):
            add_jar(self.cache_dir / pinned.file_name)

    @staticmethod
    def program(path: Path, script: str) -> str:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)


def add_jar(path: Path, *, java_major: int = 11, names_main_class: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    main_class = "bee.Main" if names_main_class else FIRESTORE_CLASS
    with zipfile.ZipFile(path, "w") as jar:
        line = f"Main-Class: {main_class}\r\n" if names_main_class else ""
        jar.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\r\n{line}\r\n")
        jar.writestr(main_class.replace(".", "/") + ".class", struct.pack(">IHH", 0xCAFEBABE, 0, 44 + java_major))
    return path


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(emulator_finder, "_SDK_PLACES", ())
    monkeypatch.setattr(java, "_PLACES", ())
    return Machine(tmp_path)


@pytest.fixture
def machine(bare_machine: Machine) -> Machine:
    bare_machine.add_java("17.0.15")
    return bare_machine


def test_the_sdk_is_found_by_the_gcloud_on_the_path(machine: Machine) -> None:
    sdk = machine.add_sdk()
    (machine.path_dir / "gcloud").symlink_to(sdk / "bin" / "gcloud")
    found = machine.find()
    assert found.firestore.path == sdk / "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"
    assert found.pubsub.path == sdk / "platform/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.20-all.jar"


def test_the_sdk_is_found_by_its_own_variable_and_in_usual_places(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, named = machine.add_sdk("usual"), machine.add_sdk("named")
    monkeypatch.setattr(emulator_finder, "_SDK_PLACES", ("/nowhere", str(usual)))
    assert machine.find().pubsub.path.is_relative_to(usual)
    machine.environ["CLOUDSDK_ROOT_DIR"] = str(named)
    assert machine.find().pubsub.path.is_relative_to(named)


def test_an_override_comes_before_the_sdk_and_the_sdk_before_the_cache(machine: Machine) -> None:
    machine.fill_cache()
    assert machine.find().pubsub.path.is_relative_to(machine.cache_dir)
    machine.environ["CLOUDSDK_ROOT_DIR"] = str(machine.add_sdk())
    assert machine.find().pubsub.path.is_relative_to(machine.root / "sdk")
    machine.environ["PUBSUB_EMULATOR_BINARY_PATH"] = str(add_jar(machine.root / "mine.jar"))
    found = machine.find()
    assert found.pubsub.path == machine.root / "mine.jar"
    assert found.firestore.path.is_relative_to(machine.root / "sdk")


@pytest.mark.parametrize("variable", ["FIRESTORE_EMULATOR_BINARY_PATH", "PUBSUB_EMULATOR_BINARY_PATH"])
@pytest.mark.parametrize("content", [None, "no jar"], ids=["missing", "no jar"])
def test_an_override_that_cannot_be_read_is_reported_in_one_line(
    machine: Machine, variable: str, content: str | None
) -> None:
    machine.fill_cache()
    named = machine.root / "named.jar"
    if content is not None:
        named.write_text(content)
    machine.environ[variable] = str(named)
    complaint = machine.complaint()
    assert str(named) in complaint
    assert variable in complaint


@pytest.mark.parametrize("missing", [FIRESTORE_JAR, PUBSUB_JAR], ids=lambda pinned: pinned.title)
def test_a_missing_emulator_is_reported_in_one_line_with_both_ways_to_get_it(
    machine: Machine, missing: PinnedJar
) -> None:
    machine.fill_cache()
    (machine.cache_dir / missing.file_name).unlink()
    assert machine.complaint() == (
        f"The {missing.title} is missing: allow its download ({missing.size_bytes / 1e6:.0f} MB) or run "
        "gcloud components install cloud-firestore-emulator pubsub-emulator."
    )


def test_missing_emulators_are_downloaded_once_when_that_is_asked_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    for name in ("FIRESTORE_JAR", "PUBSUB_JAR"):
        jar = add_jar(machine.root / "bucket" / f"{name}.jar")
        sha256 = hashlib.sha256(jar.read_bytes()).hexdigest()
        monkeypatch.setattr(
            emulator_finder, name, replace(getattr(emulator_finder, name), url=jar.as_uri(), sha256=sha256)
        )
    for _ in range(2):
        found = find_emulators(
            download=True,
            on_progress=lambda title, _received, _all: told.append(title),
            cache_dir=machine.cache_dir,
            environ=machine.environ,
        )
        assert found.firestore.path == machine.cache_dir / FIRESTORE_JAR.file_name
        assert found.pubsub.path == machine.cache_dir / PUBSUB_JAR.file_name
    assert told == ["Firestore emulator", "Pub/Sub emulator"]


def test_without_java_nothing_is_downloaded(bare_machine: Machine) -> None:
    with pytest.raises(EmulatorMissingError, match="Java 11 or newer is missing: install one"):
        bare_machine.find(download=True)
    assert not bare_machine.cache_dir.exists()


def test_a_java_that_is_too_old_is_named(bare_machine: Machine) -> None:
    path = bare_machine.add_java("1.8.0_402")
    assert f"Java 11 or newer is missing (Java 8 at {path} is too old)" in bare_machine.complaint()


def test_a_program_that_only_pretends_to_be_java_is_none(bare_machine: Machine) -> None:
    bare_machine.program(bare_machine.path_dir / "java", "echo 'install Java first' >&2; exit 1")
    assert "Java 11 or newer is missing: " in bare_machine.complaint()


def test_the_java_of_java_home_comes_first_unless_it_is_too_old_for_the_jar(machine: Machine) -> None:
    machine.fill_cache()
    home_java = machine.add_java("11.0.2", home="jdk")
    machine.environ["JAVA_HOME"] = str(machine.root / "jdk")
    assert machine.find().java == home_java
    add_jar(machine.cache_dir / PUBSUB_JAR.file_name, java_major=17)
    assert machine.find().java == str(machine.path_dir / "java")
    add_jar(machine.cache_dir / PUBSUB_JAR.file_name, java_major=21)
    assert f"Java 21 or newer is missing (Java 11 at {home_java} is too old)" in machine.complaint()


def test_a_jar_is_started_by_the_main_class_that_it_names_or_else_by_that_of_firestore(machine: Machine) -> None:
    machine.environ["CLOUDSDK_ROOT_DIR"] = str(machine.add_sdk())
    found = machine.find()
    assert found.firestore.launch == ("-cp", str(found.firestore.path), FIRESTORE_CLASS, "start")
    assert found.pubsub.launch == ("-jar", str(found.pubsub.path))
