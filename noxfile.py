"""The two environments and what runs in them.

    nox -s port                              the shipped example: saved by Keras, rebuilt and proved in NeoML
    nox -s port -- MODEL.keras FOLDER …      the same for a model of your own
    nox -s tests                             both sides' tests, and the checks of the code
    nox -l                                   the rest: notebooks, the docs' site, a browser, packages, coverage

TensorFlow and NeoML do not share an environment, so each has one of its own under .nox/, made once and used again
until what it must hold changes. uv makes them faster where it is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
RECORDED = ROOT / "out" / "recorded"

nox.options.sessions = ["port"]
nox.options.default_venv_backend = "none"

# Web servers, as docs/python.md shows them.
SERVERS = ("fastapi>=0.110,<1", "flask>=3,<4", "httpx>=0.27,<1")
# What each environment holds besides the package itself.
ENVIRONMENTS = {
    "keras": ["-e", ".[keras,cli,test,examples]", "tensorflow==2.21.*"],
    "neoml": ["-e", ".[neoml,cli,dask,sklearn,test,lint]", *SERVERS],
    "numpy": ["-e", ".", "pytest>=8"],
    "jax": ["-e", ".[cli,test]", "keras>=3.15", "jax[cpu]", "h5py>=3.8"],
    "torch": ["-e", ".[cli,test]", "keras>=3.15", "torch", "h5py>=3.8"],
    "both": ["-e", ".[keras,neoml,notebook,test]", "nbclient>=0.10,<1"],
    "bench": [
        *("-e", ".[keras,cli,examples]", "tensorflow==2.21.*"),
        *("tf2onnx>=1.16,<2", "onnx>=1.16,<2", "onnxruntime>=1.20,<2"),
    ],
    "hub": ["-e", ".[keras,neoml,hub,test]"],
    "ray": ["-e", ".[neoml,ray,test]"],
    "spark": ["-e", ".[neoml,spark,test]"],
    "beam": ["-e", ".[neoml,beam,test]"],
    "keras2": ["-e", ".[cli,test]", "tensorflow-cpu==2.15.1", "h5py>=3.8"],
    "browser": ["-e", ".", "pytest>=8", "playwright>=1.45,<2"],
    "docs": ["mkdocs-material>=9.5,<10", "mkdocs-jupyter>=0.25,<1"],
    "build": ["build>=1.2,<2"],
}
# Tests that run in environments of their own.
ELSEWHERE = ("keras_side", "hub", "notebooks", "browser")
CLUSTER = ("corpus/test_faults.py", "corpus/test_memory.py")
# Examples and benchmarks whose Keras side needs keras-hub.
IN_HUB = ("bert",)
# Tests run on every core.
SPREAD = ["-n", "auto", "--dist", "worksteal"]
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONWARNINGS": "ignore::FutureWarning",
}


def interpreter(session: nox.Session) -> str:
    """A Python that TensorFlow 2.21 and NeoML 2.0.210 both have wheels for."""
    if (3, 10) <= sys.version_info[:2] <= (3, 11):
        return sys.executable
    found = shutil.which("python3.11") or shutil.which("python3.10")
    if found is None:
        session.error("needs Python 3.11 (or 3.10): NeoML has no wheels for later ones")
    return found


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def environment(session: nox.Session, name: str) -> str:
    """The Python of an environment, made or brought up to date first if need be."""
    folder = ROOT / ".nox" / f"env-{name}"
    # The tools' settings, further down in pyproject.toml, change nothing that is installed.
    project = (ROOT / "pyproject.toml").read_text().partition("[tool.")[0]
    wanted = hashlib.sha256(repr((ENVIRONMENTS[name], project)).encode()).hexdigest()
    stamp = folder / "holds"
    if python_of(folder).exists() and stamp.exists() and stamp.read_text() == wanted:
        return str(python_of(folder))
    made = fresh(session, folder, interpreter(session), *ENVIRONMENTS[name])
    stamp.write_text(wanted)
    return made


def fresh(session: nox.Session, folder: Path, base: str, *packages: str) -> str:
    """The Python of an environment made anew, over another Python."""
    shutil.rmtree(folder, ignore_errors=True)
    session.log(f"making an environment in {folder.relative_to(ROOT)}")
    uv, python = shutil.which("uv"), str(python_of(folder))
    if uv:
        session.run(uv, "venv", "--quiet", "--python", base, str(folder), external=True)
        session.run(uv, "pip", "install", "--quiet", "--python", python, *packages, external=True)
    else:
        # nox brings virtualenv; a distribution's Python may come without venv.
        session.run(sys.executable, "-m", "virtualenv", "--quiet", "--python", base, str(folder), external=True)
        session.run(python, "-m", "pip", "install", "--quiet", *packages, external=True)
    return python


def installed_python(version: str) -> str | None:
    """A Python of this version that this machine has: on the path, of pyenv's or of uv's. None where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    asked = [[f"python{version}"], *([str(path)] for path in sorted(pyenv.glob(f"{version}.*/bin/python")))]
    tried = [[*words, "-c", "import sys; print(sys.executable)"] for words in asked]
    for words in (*tried, ["uv", "python", "find", "--no-python-downloads", version]):
        if shutil.which(words[0]):
            found = subprocess.run(words, capture_output=True, text=True, check=False)
            if found.returncode == 0:
                return found.stdout.strip()
    return None


def run(session: nox.Session, python: str, *arguments: str) -> None:
    session.run(python, *arguments, external=True, env=QUIET)


@nox.session
def port(session: nox.Session) -> None:
    """Save with Keras, rebuild and prove in NeoML: the tutorial, or the model file and folder given after --."""
    keras, neoml = environment(session, "keras"), environment(session, "neoml")
    if not session.posargs:
        folder = ROOT / "out" / "tutorial"
        folder.parent.mkdir(exist_ok=True)
        # A failing Keras side leaves nothing behind that could be checked in its place.
        shutil.rmtree(folder, ignore_errors=True)
        run(session, keras, "scripts/tutorial_keras.py", str(folder))
        run(session, neoml, "scripts/tutorial_neoml.py", str(folder))
        return
    words = list(session.posargs)
    if len(words) < 2 or words[0].startswith("-") or words[1].startswith("-"):
        session.error("nox -s port -- MODEL.keras FOLDER [--samples FILE.npz] [--overwrite] [--rules RULES.py] …")
    # Rules are for the side that rebuilds.
    rules: list[str] = []
    while "--rules" in words:
        at = words.index("--rules")
        rules += words[at : at + 2]
        del words[at : at + 2]
    # The user's paths are relative to where the user stands, and nox stands beside this file.
    with session.chdir(session.invoked_from):
        run(session, keras, "-m", "porting.cli", "save", *words)
        run(session, neoml, "-m", "porting.cli", "check", words[1], "--engine", "neoml", *rules)


@nox.session
def tests(session: nox.Session) -> None:
    """Record references in Keras, test both sides, check the code."""
    keras, neoml, numpy = (environment(session, name) for name in ("keras", "neoml", "numpy"))
    run(session, keras, "-m", "tests.record", str(RECORDED))
    run(session, keras, "-m", "tests.whole_networks", str(RECORDED.with_name("whole")))
    run(session, keras, "-m", "tests.generated.record", str(RECORDED.with_name("generated")))
    run(session, keras, "-m", "tests.training.record", str(RECORDED.with_name("recorded-training")))
    run(
        session,
        keras,
        "-m",
        "tests.training.record_gradients",
        *map(str, (RECORDED, RECORDED.with_name("recorded-gradients"))),
    )
    # What is picked by name is a test or two, which a second process would slow down.
    spread = [] if session.posargs else SPREAD
    run(session, keras, "-m", "pytest", "tests/keras_side", *spread, *session.posargs)
    run(session, numpy, "-m", "pytest", "tests/numpy_only", *session.posargs)
    others = [f"--ignore=tests/{one}" for one in (*ELSEWHERE, *CLUSTER)]
    run(session, neoml, "-m", "pytest", "tests", *others, *spread, *session.posargs)
    if not session.posargs:
        run(session, keras, "-m", "tests.training.restored", str(RECORDED.with_name("tuned")))
        lint(session)
        for name in ("keras2", "backends", "docs", "package", "notebooks"):
            session.notify(name)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff, mypy, and the rule that rooms read top-down."""
    neoml = environment(session, "neoml")
    run(session, neoml, "-m", "ruff", "check", ".")
    run(session, neoml, "-m", "ruff", "format", "--check", ".")
    run(session, neoml, "-m", "mypy")
    run(session, str(Path(neoml).with_name("lint-imports")))


@nox.session
def whole_networks(session: nox.Session) -> None:
    """Networks of keras.applications, made in Keras and proved in both engines; names after -- pick some."""
    keras, neoml = environment(session, "keras"), environment(session, "neoml")
    run(session, keras, "-m", "tests.whole_networks", str(ROOT / "out" / "whole"), *session.posargs)
    run(session, neoml, "-m", "pytest", "tests/test_whole_networks.py")


@nox.session
def generated(session: nox.Session) -> None:
    """Random networks against Keras in both engines: the seeds given after --, as 0:1000 (the default)."""
    run(session, environment(session, "both"), "-m", "tests.generated.compare", *(session.posargs or ["0:1000"]))


@nox.session
def numpy_only(session: nox.Session) -> None:
    """Load, check and predict where nothing but numpy is installed."""
    run(session, environment(session, "numpy"), "-m", "pytest", "tests/numpy_only", *session.posargs)


@nox.session
def pythons(session: nox.Session) -> None:
    """The side of numpy under every Python from 3.9 to 3.13 that this machine has; the others are named."""
    absent = []
    for version in PYTHONS:
        base = installed_python(version)
        if base is None:
            absent.append(version)
            continue
        python = fresh(session, ROOT / ".nox" / f"env-numpy-{version}", base, *ENVIRONMENTS["numpy"])
        run(session, python, "-m", "pytest", "tests/numpy_only", *session.posargs)
    if absent:
        session.warn(f"not tried, since this machine has no such Python: {', '.join(absent)}")
    if len(absent) == len(PYTHONS):
        session.error("no Python to try")


@nox.session
def package(session: nox.Session) -> None:
    """Build a wheel and an sdist, and try each in an environment that holds nothing else."""
    out = ROOT / "out" / "dist"
    shutil.rmtree(out, ignore_errors=True)
    run(session, environment(session, "build"), "-m", "build", "--outdir", str(out), str(ROOT))
    for built in sorted(out.iterdir()):
        folder = ROOT / ".nox" / f"empty-{built.suffix.lstrip('.')}"
        python = fresh(session, folder, interpreter(session), str(built))
        session.run(python, "-I", "tests/try_package.py", external=True)


@nox.session
def coverage(session: nox.Session) -> None:
    """Which lines and branches the tests reach, on all sides; or those of the NeoML side given after --."""
    keras, neoml = environment(session, "keras"), environment(session, "neoml")
    shutil.rmtree(ROOT / "out" / "coverage", ignore_errors=True)
    (ROOT / "out" / "coverage").mkdir(parents=True)
    measured = ("-m", "coverage", "run", "-m", "pytest")
    if not session.posargs:
        run(session, keras, *measured, "tests/keras_side")
    chosen = session.posargs or ["tests", *(f"--ignore=tests/{one}" for one in ELSEWHERE)]
    run(session, neoml, *measured, *chosen)
    run(session, neoml, "-m", "coverage", "combine", "--quiet")
    run(session, neoml, "-m", "coverage", "report")


@nox.session
def notebooks(session: nox.Session) -> None:
    """The notebooks of docs/, run in one environment that holds both sides."""
    run(session, environment(session, "both"), "-m", "pytest", "tests/notebooks", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The docs as a site in out/site; a warning is an error."""
    # Without the word on what comes after MkDocs.
    env = {**QUIET, "NO_MKDOCS_2_WARNING": "1"}
    session.run(environment(session, "docs"), *["-m", "mkdocs", "build", "--strict", "--quiet"], external=True, env=env)


@nox.session
def browser(session: nox.Session) -> None:
    """The attention example's page in a headless browser: the system's Chromium or Chrome."""
    run(session, environment(session, "browser"), "-m", "pytest", "tests/browser", *session.posargs)


@nox.session
def cluster(session: nox.Session) -> None:
    """A dask cluster whose workers are killed, run short of memory, and lose their scheduler; takes minutes."""
    tests = [f"tests/{one}" for one in CLUSTER]
    run(session, environment(session, "neoml"), "-m", "pytest", *tests, *session.posargs)


@nox.session
def engines(session: nox.Session) -> None:
    """A network in Ray Data, Spark (needs a Java) and Beam; names after -- pick some."""
    for name in session.posargs or ["ray", "spark", "beam"]:
        # Warnings there are these engines' own.
        run(session, environment(session, name), "-m", "pytest", "-W", "ignore", f"tests/corpus/engines/{name}.py")


@nox.session
def keras2(session: nox.Session) -> None:
    """The saving tests under Keras 2.15."""
    spread = [] if session.posargs else SPREAD
    run(session, environment(session, "keras2"), "-m", "pytest", "tests/keras_side", *spread, *session.posargs)


@nox.session
def hub(session: nox.Session) -> None:
    """Backbones of keras-hub in both engines; arguments of pytest after -- pick some: -k bert."""
    run(session, environment(session, "hub"), "-m", "pytest", "tests/hub", *session.posargs)


@nox.session
def backends(session: nox.Session) -> None:
    """Saving over Keras 3's other backends; JAX, or those named after --: jax torch."""
    for name in session.posargs or ["jax"]:
        python = environment(session, name)
        arguments = ("-m", "pytest", "tests/keras_side/test_backends.py")
        session.run(python, *arguments, external=True, env={**QUIET, "KERAS_BACKEND": name})


@nox.session
def bench(session: nox.Session) -> None:
    """Time prediction beside Keras and ONNX Runtime; after --, another script of benchmarks/ and its words."""
    for name in ("keras", "neoml", "numpy"):
        environment(session, name)
    name, *words = session.posargs or ["inference"]
    if name in IN_HUB:
        environment(session, "hub")
    run(session, environment(session, "bench"), f"benchmarks/{name}.py", *words)


@nox.session
def examples(session: nox.Session) -> None:
    """Make the committed networks of saved_weights/ anew: every example's Keras side, then its NeoML side.

    What NeoML has tuned goes back to Keras at the end.
    """
    keras, hub, neoml = (environment(session, name) for name in ("keras", "hub", "neoml"))
    for end in ("_keras.py", "_back.py"):
        for script in sorted((ROOT / "scripts").glob(f"*{end}")):
            name = script.name[: -len(end)]
            sides = [(hub if name in IN_HUB else keras, script), (neoml, script.with_name(f"{name}_neoml.py"))]
            for python, one in sides if end == "_keras.py" else sides[::-1]:
                run(session, python, str(one))
