"""Compiled artifacts, and the typed classes generated from them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from breakwater import artifacts, codegen
from breakwater.artifacts import CompileError
from breakwater.evm import EvmHost

MODULE = """
# pragma version 0.4.3

WAD: constant(uint256) = 10**18
"""

INTERFACE = """
# pragma version 0.4.3

struct Position:
    amount: uint256
    holder: address

event Kept:
    who: indexed(address)
    amount: uint256


@external
def keep(amount: uint256, extra: uint256 = 0) -> uint256:
    \"\"\"
    @notice Keeps an amount.
    @param amount In token units.
    @return The sum.
    \"\"\"
    ...


@external
@view
def position() -> Position:
    \"\"\"
    @notice What is kept.
    \"\"\"
    ...
"""

BOX = """
# pragma version 0.4.3
\"\"\"
@title Box
@notice Keeps amounts.

        And this is not its first paragraph.
\"\"\"
from contracts.interfaces import IBox

implements: IBox

from contracts.modules import scale

sum: public(uint256)


@external
def keep(amount: uint256, extra: uint256 = 0) -> uint256:
    self.sum += amount + extra
    log IBox.Kept(who=msg.sender, amount=amount)
    return self.sum


@external
@view
def position() -> IBox.Position:
    return IBox.Position(amount=self.sum * scale.WAD, holder=self)


@external
@view
def positions() -> (DynArray[IBox.Position, 2], bool):
    return [IBox.Position(amount=self.sum, holder=self)], True


@external
@payable
def deploy(_from: address):
    pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for path, text in {
        "modules/scale.vy": MODULE,
        "interfaces/IBox.vyi": INTERFACE,
        "Box.vy": BOX,
        "mocks/EmptyMock.vy": "# pragma version 0.4.3\n",
    }.items():
        file = tmp_path / "contracts" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_compile_all__deployables_only(project: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    found = artifacts.compile_all(lambda *step: seen.append(step), root=project)
    assert sorted(found) == ["Box", "EmptyMock"]
    assert sorted(name for name, _, _ in seen) == ["Box", "EmptyMock"]
    assert [done for _, done, _ in seen] == [1, 2]
    assert found["EmptyMock"].is_mock
    assert artifacts.sizes(project)["Box"] == len(found["Box"].deployed)


def test_compile_all__stale_only_when_an_import_changed(project: Path) -> None:
    first = artifacts.compile_all(root=project)["Box"]
    seen: list[str] = []
    artifacts.compile_all(lambda name, *_: seen.append(name), root=project)
    assert seen == []
    (project / "contracts/modules/scale.vy").write_text(MODULE.replace("18", "17"))
    second = artifacts.compile_all(lambda name, *_: seen.append(name), root=project)["Box"]
    assert seen == ["Box"]
    assert second.deployed != first.deployed


def test_compile_all__says_what_is_wrong(project: Path) -> None:
    (project / "contracts/Box.vy").write_text("x: uint257\n")
    with pytest.raises(CompileError, match=r"contracts/Box\.vy does not compile(.|\n)*uint257"):
        artifacts.compile_all(root=project)
    assert artifacts.load("EmptyMock", root=project).name == "EmptyMock"


def test_compile_all__names_are_unique(project: Path) -> None:
    (project / "contracts/mocks/Box.vy").write_text("# pragma version 0.4.3\n")
    with pytest.raises(CompileError, match="two contracts are called Box"):
        artifacts.compile_all(root=project)


def test_load__unknown_name(project: Path) -> None:
    with pytest.raises(CompileError, match="no contract Nothing"):
        artifacts.load("Nothing", root=project)


def test_generate__no_contracts(tmp_path: Path) -> None:
    files = codegen.generate(tmp_path)
    assert set(files) == {"driver/__init__.py", "mocks/__init__.py"}
    for text in files.values():
        exec(compile(text, "generated", "exec"), {})


def test_generate__deterministic_and_documented(project: Path) -> None:
    files = codegen.generate(project)
    artifacts.forget()
    assert codegen.generate(project) == files
    assert sorted(files) == [
        "driver/__init__.py", "driver/box.py", "driver/structs.py",
        "mocks/__init__.py", "mocks/empty_mock.py",
    ]  # fmt: skip
    assert '__all__ = ["Box", "Position"]' in files["driver/__init__.py"]
    assert "class Position(NamedTuple):" in files["driver/structs.py"]
    text = files["driver/box.py"]
    assert '"""Keeps amounts."""' in text
    assert "Keeps an amount." in text
    assert "amount: In token units." in text
    assert "extra: int | None = None, *, sender: Address" in text
    assert "def deploy_(self, from_: Address, *, sender: Address, value: int = 0)" in text


def test_generate__clean_for_ruff_and_mypy(project: Path) -> None:
    folder = project / "breakwater"
    folder.mkdir()
    codegen.write(codegen.generate(project), folder)
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,I", str(folder)]
    ruff += ["--line-length", "100", "--config", 'lint.isort.known-first-party=["breakwater"]']
    assert subprocess.run(ruff, capture_output=True).returncode == 0


def test_write__removes_what_is_stale_and_checks_without_touching(project: Path) -> None:
    folder = project / "breakwater"
    folder.mkdir()
    files = codegen.generate(project)
    assert codegen.write(files, folder) == list(files)
    assert codegen.write(files, folder, check=True) == []
    gone = folder / "driver" / "gone.py"
    gone.write_text("")
    (folder / "driver" / "box.py").write_text("")
    stale = ["driver/box.py", "driver/gone.py"]
    assert codegen.write(files, folder, check=True) == stale
    assert gone.is_file()
    assert codegen.write(files, folder) == stale
    assert not gone.exists()
    assert codegen.write(files, folder, check=True) == []


def test_generate__works_on_a_host(
    project: Path, host: EvmHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "ROOT", project)
    monkeypatch.setattr("breakwater.host._named", {})
    files = codegen.generate(project)
    for name in ("breakwater.driver.structs", "breakwater.driver.box", "breakwater.driver"):
        driver = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, driver)
        path = name.removeprefix("breakwater.").replace(".", "/")
        text = files.get(f"{path}.py") or files[f"{path}/__init__.py"]
        exec(compile(text, name, "exec"), driver.__dict__)
    lender = host.account("lender")
    box = driver.Box.deploy(host, sender=lender)
    assert box.keep(3, sender=lender).value == 3
    receipt = box.keep(4, 5, sender=lender)
    assert receipt.value == 12
    assert receipt.event("Kept").args == {"who": lender, "amount": 4}
    assert box.position() == driver.Position(12 * 10**18, box.address)
    assert box.position().holder == box.address
    assert box.positions() == ([driver.Position(12, box.address)], True)
    assert driver.Box.at(host, box.address) == box
    box.deploy_(box, sender=lender, value=1)
    assert host.balance(box.address) == 1
