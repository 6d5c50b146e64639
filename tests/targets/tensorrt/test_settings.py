"""Settings of a build that TensorRT-RTX does not have, with a stand-in for `tensorrt`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fxexport.targets.tensorrt.build import worker
from fxexport.targets.tensorrt.build.options import HARDWARE_LEVELS, BuildOptions


class Config:
    """A builder's configuration, as far as ours sets it."""

    def __init__(self) -> None:
        self.flags: list[str] = []
        self.pools: dict[str, int] = {}
        self.cache: bytes | None = None

    def set_flag(self, flag: str) -> None:
        self.flags.append(flag)

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        self.pools[pool] = size

    def create_timing_cache(self, data: bytes) -> bytes | None:
        return None if data == b"garbage" else data

    def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
        if cache == b"other GPU" and not ignore_mismatch:
            return False
        self.cache = cache
        return True

    def get_timing_cache(self) -> Any:
        return SimpleNamespace(serialize=lambda: (self.cache or b"") + b"+new")


TRT = SimpleNamespace(
    BuilderFlag=SimpleNamespace(FP16="FP16", BF16="BF16", VERSION_COMPATIBLE="VC"),
    MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
    HardwareCompatibilityLevel=SimpleNamespace(NONE="none", AMPERE_PLUS="ampere"),
    NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
)


def _request(**options: Any) -> dict[str, Any]:
    made = BuildOptions(**options)
    return {
        "package": "tensorrt",
        "title": "TensorRT",
        "options": made.to_dict(),
        "hardware_level": HARDWARE_LEVELS[made.hardware_compatibility_level],
    }


def _made(said: list[dict[str, Any]], **options: Any) -> Any:
    builder = SimpleNamespace(create_builder_config=Config)
    return worker._config(
        TRT, builder, _request(**options), lambda event, **data: said.append(data)
    )


def test_settings_reach_the_builder() -> None:
    config = _made(
        [],
        fp16=True,
        bf16=True,
        version_compatible=True,
        workspace=1.5,
        hardware_compatibility_level="ampere+",
        optimization_level=3,
    )
    assert config.flags == ["FP16", "BF16", "VC"]
    assert config.pools == {"workspace": 3 * 2**19}
    assert (config.hardware_compatibility_level, config.builder_optimization_level) == ("ampere", 3)


@pytest.mark.parametrize(("options", "flags"), [({}, 2), ({"fp16": True}, 0), ({"bf16": True}, 0)])
def test_types_are_the_files_unless_a_precision_is_allowed(
    options: dict[str, bool], flags: int
) -> None:
    assert worker._network_flags(TRT, _request(**options)) == flags


def test_a_flag_that_a_version_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TRT, "BuilderFlag", SimpleNamespace())
    said: list[dict[str, Any]] = []
    assert _made(said, fp16=True) is None
    assert said == [{"message": "TensorRT has no builder flag FP16"}]


def test_names_of_settings_are_tensorrts() -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    assert set(HARDWARE_LEVELS.values()) <= set(trt.HardwareCompatibilityLevel.__members__)
    assert "WORKSPACE" in trt.MemoryPoolType.__members__
    assert "VERSION_COMPATIBLE" in trt.BuilderFlag.__members__


@pytest.mark.parametrize(
    ("content", "used", "warned"),
    [(None, b"", False), (b"times", b"times", False), (b"garbage", b"", True),
     (b"other GPU", b"", True)],
)  # fmt: skip
def test_the_timing_cache_is_read_and_written(
    tmp_path: Path, content: bytes | None, used: bytes, warned: bool
) -> None:
    path = tmp_path / "times.cache"
    if content is not None:
        path.write_bytes(content)
    said: list[dict[str, Any]] = []
    config = _made(said, timing_cache_file=str(path))
    assert config.cache == used
    assert any("no timing cache of this TensorRT" in data["text"] for data in said) is warned
    worker._save_timing_cache(config, _request(timing_cache_file=str(path)), lambda *_, **__: None)
    assert path.read_bytes() == used + b"+new"
    assert [file.name for file in tmp_path.iterdir()] == ["times.cache"]


def test_a_timing_cache_that_cannot_be_written_does_not_cost_the_engine(tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    request = _request(timing_cache_file=str(tmp_path / "none" / "times.cache"))
    worker._save_timing_cache(Config(), request, lambda event, **data: said.append(data))
    assert "could not be written" in said[0]["text"]
