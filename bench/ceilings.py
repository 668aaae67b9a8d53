"""What a device can do at its best. Enters: a device. Leave: GB/s, and TFLOP/s of products and of attention.

No render is faster than these allow, and no lever needs to be tried that is not faster here.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import torch
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn

if TYPE_CHECKING:
    from collections.abc import Callable

#: Attention kernels by diffusers' names; ``native`` is what torch chooses.
KERNELS = ("native", "_native_cudnn", "_native_flash", "_flash_3", "flash")
#: Runs after one that warms up.
RUNS = 3
REASON_CHARS = 80


def seconds(work: Callable[[], Any], device: torch.device, *, runs: int = RUNS, warm: bool = True) -> tuple[float, Any]:
    """The median of some runs, and what the last one returned."""
    result, taken = work() if warm else None, []
    for _ in range(runs):
        result = None  # two results at a time may be too many
        wait(device)
        begun = time.perf_counter()
        result = work()
        wait(device)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken), result


def wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def copying(device: torch.device, *, size: int) -> dict[str, float]:
    """GB/s of a large copy, read and written bytes together."""
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    taken, _ = seconds(lambda: target.copy_(source), device)
    return {"copy_gb_s": 2 * size / taken / 1e9}


def products(device: torch.device, *, size: int) -> dict[str, float]:
    """TFLOP/s of a square product in bfloat16."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    taken, _ = seconds(lambda: left @ right, device)
    return {"product_bf16_tflops": 2 * size**3 / taken / 1e12}


def products_8_bit(device: torch.device, *, tokens: int, width: int, wide: int) -> dict[str, float]:
    """A feed-forward's first product in bfloat16 and in 8 bits, a scale a row: alone, and with making the 8 bits."""
    x = torch.randn(tokens, width, device=device, dtype=torch.bfloat16)
    weight = torch.randn(wide, width, device=device, dtype=torch.bfloat16)

    def in_8_bits(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = rows.abs().amax(dim=1, keepdim=True).float() / torch.finfo(torch.float8_e4m3fn).max
        return (rows / scale).to(torch.float8_e4m3fn), scale

    weight_8, weight_scale = in_8_bits(weight)
    x_8, x_scale = in_8_bits(x)

    def product(rows: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return torch._scaled_mm(  # noqa: SLF001 - what torchao calls
            rows,
            weight_8.t(),
            scale_a=scale,
            scale_b=weight_scale.t(),
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )

    plain_s, _ = seconds(lambda: x @ weight.t(), device)
    alone_s, _ = seconds(lambda: product(x_8, x_scale), device)
    whole_s, _ = seconds(lambda: product(*in_8_bits(x)), device)
    flop = 2 * tokens * width * wide / 1e12
    return {
        "feed_forward_bf16_tflops": flop / plain_s,
        "feed_forward_8_bit_tflops": flop / alone_s,
        "feed_forward_8_bit_and_casting_tflops": flop / whole_s,
    }


def attention(device: torch.device, *, tokens: int, heads: int, size: int, dtype: torch.dtype) -> dict[str, Any]:
    """TFLOP/s of each kernel, or why there is none."""
    query, key, value = (torch.randn(1, tokens, heads, size, device=device, dtype=dtype) for _ in range(3))
    flop = 4 * tokens**2 * heads * size / 1e12

    def of(kernel: str) -> float | str:
        try:
            taken, _ = seconds(
                lambda: dispatch_attention_fn(query, key, value, backend=AttentionBackendName(kernel)), device
            )
        except Exception as exc:  # noqa: BLE001 - a kernel that is not there is a finding
            return f"{type(exc).__name__}: {exc}"[:REASON_CHARS]
        return flop / taken

    with torch.no_grad():
        return {kernel: of(kernel) for kernel in KERNELS}
